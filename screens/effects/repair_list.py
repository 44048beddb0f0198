"""Direct and total effects as a table that sorts by any column."""

from __future__ import annotations

from rich.text import Text

from screens.base.numbers import ABSENT, signed, whole_percent
from screens.base.tokens import fit
from screens.widgets.copying import Copies
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.effects.repair_results import Repair, SelfRepair

NODE = 10
CELL = 9
SORTS = ("direct", "total", "repaired", "undone", "heads", "mlps", "norm", "writes", "metric")
"""Columns as far as there is room for them, and those to sort by."""
BY = 24
"""Cells for the verdict and who makes up for most."""
TITLES = {"undone": "share", "mlps": "MLPs"}


class RepairList(LineList[Repair]):
    """The table.

    Attributes:
        found: what is shown; None before there is anything.
        sort: the column that it is sorted by.
    """

    HEADING = 1
    HELP = """\
What ablating each node does to the logits: **direct**, by what it no longer writes itself (every
norm's scale held at the run's own); **total**, when everything later reacts. What the total effect
lacks of the direct one is **repaired**: by other **heads** and **MLPs**, whose own direct effects
change, and by the final **norm**, whose scale does. **share** is 1 − total / direct. A node is
called repaired if its total effect is less than half of its direct one, overturned if it is of the
other sign, and negative if the node writes against the answer.

Two definitions are offered: Rushing and Nanda (2024) compare with the change of what the node
writes, DE* − DE; McGrath et al. (2023, the Hydra effect) with all that it wrote, −DE, on the
model's own top token. They differ by what the ablated node still writes, and agree by zero
ablation.
"""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.found: SelfRepair | None = None
        self.sort = "direct"
        self.descending = True
        self.waiting = ""

    def show_found(self, found: SelfRepair | None, *, to: str | None = None) -> None:
        """Show these, sorted; None: they are not computed yet."""
        self.found = found
        rows = () if found is None else found.sorted_by(self.sort, descending=self.descending)
        self.show(rows, to=to)

    def sort_by(self, column: str) -> None:
        """Sort by a column; by the one that it is sorted by already: the other way round."""
        self.descending = not self.descending if column == self.sort else True
        self.sort = column
        self.show_found(self.found)
        self.refresh()

    def next_sort(self) -> None:
        columns = ("node", *SORTS)
        self.sort_by(columns[(columns.index(self.sort) + 1) % len(columns)])

    # What LineList asks.

    def key(self, row: Repair) -> str:
        return row.node

    def names(self, row: Repair) -> tuple[tuple[str, str], ...]:
        return (("node", row.node),)

    def table(self) -> Table | None:
        if self.found is None:
            return None
        from workbench.effects.tables import repair_table

        found = repair_table(self.found, self.sort)
        rows = found.rows if self.descending else found.rows[::-1]
        return Table(found.title, found.columns, rows)

    def copies(self) -> Copies:
        """The plot too, to be written to a file."""
        copies, found = super().copies(), self.found
        if found is None:
            return copies
        from workbench.effects.plots import scatter

        plots = (("direct against total", lambda: scatter(found)),)
        return Copies(copies.names, copies.tables, copies.row, plots)

    def empty(self) -> str:
        return self.waiting or "Nothing is known yet."

    # Lines.

    def _columns(self, width: int) -> tuple[str, ...]:
        room = (width - NODE - 2) // CELL
        if width - NODE - 2 - CELL * min(room, len(SORTS)) < BY:
            room = (width - NODE - 2 - BY) // CELL
        return SORTS[: max(3, room)]

    def heading(self, width: int) -> Text:
        arrow = "▾" if self.descending else "▴"

        def title(name: str) -> str:
            return TITLES.get(name, name) + (arrow if name == self.sort else "")

        text = Text("  " + fit(title("node"), NODE))
        for name in self._columns(width):
            text.append(title(name).rjust(CELL))
        text.append("  made up for by")
        text.truncate(width)
        return text

    def clicked(self, row: Repair | None, x: int) -> bool:
        if row is not None:
            return False
        columns = self._columns(self.scrollable_content_region.width)
        at = (x - NODE - 2) // CELL
        if x < NODE + 2:
            self.sort_by("node")
        elif at < len(columns):
            self.sort_by(columns[at])
        return True

    def line(self, row: Repair, width: int, under_cursor: bool) -> Text:
        text = Text((POINTER + " " if under_cursor else "  ") + fit(row.node, NODE))
        for name in self._columns(width):
            value: float | None = getattr(row, name)
            if name == "undone":
                words = ABSENT if value is None or not counts(row) else share(value)
            else:
                words = signed(value, 3)
            text.append(words.rjust(CELL))
        if row.verdict:
            text.append(f"  {row.verdict}", "bold")
        if row.is_repaired and self.found is not None:
            by = ", ".join(r.node for r in self.found.repairers(row.node, 3))
            text.append(f": {by}" if by else "")
        text.truncate(width, overflow="ellipsis")
        return text


def counts(row: Repair) -> bool:
    """Whether a share of its direct effect says anything: not of next to nothing."""
    return abs(row.direct) >= row.noticed / 2


def share(value: float) -> str:
    """A share in whole percent."""
    return whole_percent(value) if abs(value) < 10 else ABSENT
