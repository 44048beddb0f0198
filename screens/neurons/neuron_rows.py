"""The list of an MLP's neurons, or of those that a search found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text

from screens.base.marks import ESTIMATE
from screens.base.numbers import digits_for, plain, signed
from screens.base.tokens import fit
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.neurons.results import DIRECT_RUNS, FoundNeuron, NeuronList, NeuronRow

KEPT, DROPPED = "●", "·"
NAME, VALUE = 12, 10
DIRECT = dict(zip(DIRECT_RUNS, ("direct", "direct′", "Δ direct"), strict=True))
"""What stands above direct attributions of each run."""
ROW = NeuronRow | FoundNeuron


class NeuronRows(LineList[ROW]):
    """Neurons, a line each."""

    HEADING: ClassVar[int] = 1
    HELP = """\
The neurons of one MLP: what enters its last linear map. ● the circuit keeps it, · it is corrupted
there. **effect** is the change of the metric when the neuron alone is corrupted: exact, or with ~
an estimate by attribution (act′ − act times the slope). **direct** is what it writes directly to
the answers' logit difference, through the final norm as in that run; all of them and the bias sum
to the MLP's. {key:neurons.run} goes on to what it writes on the corrupted prompts, **direct′**, and
to clean less corrupted, **Δ direct**. **act** is its activation
on the clean prompts at the last token, **Δ** how far corrupting moves it. By role, these two and
**direct** are read at the role's last token, and **effect** is that of corrupting the neuron at the
role alone.

After a search: how many standard deviations of all logits that the neuron writes the tokens lie
above the mean, and the place of the best of them among all tokens.
"""

    def __init__(self) -> None:
        super().__init__()
        self.run = DIRECT_RUNS[0]
        self.listed: NeuronList | None = None
        self.waiting = "Reading …"
        self._digits = (4, 4, 3)

    def show_neurons(self, listed: NeuronList, rows: Sequence[NeuronRow], to: str = "") -> None:
        """Show an MLP's neurons in this order; the cursor goes to the neuron of this name."""
        self.listed = listed
        effects = [row.estimate if row.exact is None else row.exact for row in rows]
        columns = (effects, [row.direct_in(self.run) for row in rows], [row.clean for row in rows])
        self._digits = tuple(  # type: ignore[assignment]
            digits_for(max((abs(v) for v in column if v is not None), default=1.0))
            for column in columns
        )
        self.show(rows, to=to or None)

    def show_found(self, found: Sequence[FoundNeuron]) -> None:
        """Show what a search found."""
        self.listed = None
        self.show(found)

    def key(self, row: ROW) -> str:
        if isinstance(row, FoundNeuron):
            return row.name
        return "" if self.listed is None else self.listed.name(row)

    def names(self, row: ROW) -> tuple[tuple[str, str], ...]:
        return (("neuron", self.key(row)),)

    def table(self) -> Table | None:
        if self.listed is not None:
            return self.listed.table([row for row in self.rows if isinstance(row, NeuronRow)])
        found = [row for row in self.rows if isinstance(row, FoundNeuron)]
        columns = ("neuron", "deviations", "logit", "norm", "rank")
        cells = tuple((row.name, row.deviations, row.logit, row.norm, row.rank) for row in found)
        return Table("neurons that promote the tokens", columns, cells) if found else None

    def empty(self) -> str:
        return self.waiting

    def heading(self, width: int) -> Text:
        names = ("effect", DIRECT[self.run], "act", "Δ")
        if self.listed is None and self.rows:
            names = ("deviations", "logit", "rank", "norm")
        text = f"    {'neuron':<{NAME}}" + "".join(f"{name:>{VALUE}}" for name in names)
        return Text(fit(text, width))

    def line(self, row: ROW, width: int, under_cursor: bool) -> Text:
        pointer = POINTER if under_cursor else " "
        if isinstance(row, FoundNeuron):
            cells = (
                plain(row.deviations, 2), plain(row.logit, 3), f"{row.rank:,}", plain(row.norm, 2)
            )  # fmt: skip
            text = f"{pointer}   {fit(row.name, NAME)}"
        else:
            mark = KEPT if row.kept else DROPPED
            effect, direct, act = self._digits
            value = row.estimate if row.exact is None else row.exact
            about = ESTIMATE if row.exact is None and value is not None else ""
            cells = (
                about + signed(value, effect),
                signed(row.direct_in(self.run), direct),
                plain(row.clean, act),
                signed(-row.difference, act),
            )
            text = f"{pointer} {mark} {fit(self.key(row), NAME)}"
        return Text(fit(text + "".join(f"{cell:>{VALUE}}" for cell in cells), width))
