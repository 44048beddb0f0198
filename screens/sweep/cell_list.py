"""The cells of a sweep as a list: the state of each, what it scores, how far it is."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text

from screens.base.numbers import count, plain, seconds, whole_percent
from screens.base.tokens import fit, one_line
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.sweeps.status import STATES, CellStatus

STATE = 12
NUMBERS = 27
LEAST = 20
MARKS = {"running": "▶", "failed": "✗", "finished": "●", "waiting": "◌"}
"""Of states, so that none needs a colour."""
ORDERS = ("order", "state", "faithfulness", "time")
"""What the list can be sorted by: the sweep's own order first."""
COLUMNS = (
    *("cell", "state", "model", "task", "method", "size", "unit", "threshold", "seed", "ablation"),
    *("faithfulness", "edges", "seconds", "reason"),
)


class CellList(LineList[CellStatus]):
    """The list.

    Attributes:
        cells: all of them, in the sweep's order.
        by: one of `ORDERS`.
        only: one of `STATES`; "" shows all.
    """

    HEADING: ClassVar[int] = 1
    HELP = """\
Every cell is one discovery: a model, a task, a method, a size, a seed, an ablation. What stands
here is read from the sweep's folder, so that a sweep shows which runs elsewhere.

- **▶ running**: somebody computes it now; the percentage is of its method
- **● finished**: its circuit's faithfulness, its edges, and the time it took
- **✗ failed**: why is told below; `workbench sweep FILE --retry` runs it again
- **◌ waiting**: nobody has begun it
- **left**: by what finished cells of the same model and method took, shared among those that run
"""

    def __init__(self) -> None:
        super().__init__()
        self.cells: tuple[CellStatus, ...] = ()
        self.by = ORDERS[0]
        self.only = ""

    def tell(self, cells: tuple[CellStatus, ...]) -> None:
        """Show how cells stand now."""
        self.cells = cells
        self.resort()

    def resort(self) -> None:
        """Put the rows in order again."""
        rows = [cell for cell in self.cells if self.only in ("", cell.state)]
        if self.by == "state":
            rows.sort(key=lambda cell: STATES.index(cell.state))
        elif self.by == "faithfulness":
            rows.sort(key=lambda cell: -_number(cell.row["faithfulness"]))
        elif self.by == "time":
            rows.sort(key=lambda cell: -_number(cell.seconds))
        self.show(rows)
        self.refresh()

    def key(self, row: CellStatus) -> str:
        return row.cell.name

    def names(self, row: CellStatus) -> tuple[tuple[str, str], ...]:
        return (("cell", row.cell.name), ("command", row.cell.command()))

    def table(self) -> Table:
        told = ({**one.row, "state": one.state, "seconds": one.seconds} for one in self.rows)
        return Table("sweep", COLUMNS, tuple(tuple(row[n] for n in COLUMNS) for row in told))

    def empty(self) -> str:
        return f"No cell is {self.only}." if self.only else "The sweep has no cells."

    def heading(self, width: int) -> Text:
        what = fit("  state", STATE) + fit("cell", max(LEAST, width - STATE - NUMBERS))
        return Text(what + f"{'faithful':>10}{'edges':>8}{'time':>9}")

    def line(self, row: CellStatus, width: int, under_cursor: bool) -> Text:
        state = f"{MARKS[row.state]} {row.state}"
        if row.now is not None and row.now.fraction is not None:
            state = f"{MARKS[row.state]} {whole_percent(row.now.fraction)}"
        text = Text(fit(f"{POINTER if under_cursor else ' '}{state}", STATE))
        text.append(fit(words(row), max(LEAST, width - STATE - NUMBERS)))
        edges, took = row.row["edges"], row.seconds
        text.append(f"{plain(row.row['faithfulness'], 3) if row.state == 'finished' else '':>10}")
        text.append(f"{'' if edges is None else count(edges):>8}")
        text.append(f"{'' if took is None else seconds(took):>9}")
        return text


def words(row: CellStatus) -> str:
    """A cell in words: what stands in its name, without the folders of files."""
    told = row.row
    size = f"{told['size']:,} {told['unit']}" if told["size"] else ""
    size = size if told["threshold"] is None else f"at {told['threshold']}"
    model, task, file = (
        str(told[name] or "").rpartition("/")[2] for name in ("model", "task", "file")
    )
    model = f"{model}@{told['revision']}" if told["revision"] else model
    parts = [model, task, told["method"], file or size, f"seed {told['seed']}"]
    parts = [part for part in parts if part]
    if told["ablation"] != "patching":
        parts.append(told["ablation"])
    return one_line(" ".join(str(part) for part in parts))


def _number(value: float | None) -> float:
    return float("-inf") if value is None or value != value else value
