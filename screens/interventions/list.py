"""What is done to the model, as a list in the order in which it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.message import Message

from screens.base.actions import keyed
from screens.base.tokens import fit, one_line
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.experiment.interventions import VECTORS, Intervention

NOTHING = "Nothing is done to the model: {key:interventions.settings} types a line, such as "


@dataclass(frozen=True)
class InterventionRow:
    """One intervention and its number, counted from 1."""

    number: int
    one: Intervention


class InterventionList(LineList[InterventionRow]):
    """The list; enter draws a curve over the factor of the one under the cursor."""

    class Paged(Message):
        """A page was asked for, and all of the list is seen."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    HEADING: ClassVar[int] = 0
    HELP = (
        """\
Each line does something to the model in all its runs, clean and corrupted: circuit, effects and
everything else are then of the model so changed. Lines are done in their order.

- **a5.h1 * 2**: a head, MLP, neuron (m5.n12) or `input` times a number; several with commas
- **m3 = VECTOR**: set to a vector; a neuron also to a number
- **r5 + 3 * VECTOR**: added to the residual before layer 5, or to what a node writes
- **a5.h1->m7 * 0**: what one reader is given of a node, times a number, set (=) or added to (+);
  of a head its q, k and v, or one of them (a5.h1->a9.h1<k>)
- **group:NAME * 2**: every member of a group of the circuit; group:A->group:B all edges between
- **hide 5..8:last<0..3**: in these layers the last token does not see the first four
- **... at -1**: at the last position; `0,3`, `-2:` as Python counts; or at a token role (at S2);
  all if nothing is said

Vectors; `unit:` before one makes its length 1:

"""
        + "\n".join(f"- **{name}**: {words}" for name, words in VECTORS.items())
        + """

**Sound and faulty** (3): a head is *reliable* if by itself it ranks a right answer above all wrong
ones on most prompts of a class, *harmful* if it promotes wrong answers; exact definitions stand
below what was found. `2 × 1.4` is: the two most reliable scaled by 1.4.
"""
    )

    def __init__(self, example: str) -> None:
        """`example`: a line that could be typed."""
        super().__init__()
        self.example = example

    def key(self, row: InterventionRow) -> str:
        return str(row.number)

    def empty(self) -> str:
        return f"{keyed(NOTHING)}{self.example}."

    def action_page(self, by: int) -> None:
        # A list that is seen whole leaves its pages to what is told below it.
        if self.max_scroll_y:
            super().action_page(by)
        else:
            self.post_message(self.Paged(by))

    def names(self, row: InterventionRow) -> tuple[tuple[str, str], ...]:
        return (("intervention", row.one.text),)

    def table(self) -> Table:
        rows = tuple((row.number, row.one.text) for row in self.rows)
        return Table("interventions", ("number", "intervention"), rows)

    def line(self, row: InterventionRow, width: int, under_cursor: bool) -> Text:
        text = Text(f"{POINTER if under_cursor else ' '}{row.number:>2}  ")
        return text.append(fit(one_line(row.one.text), max(1, width - 5)))
