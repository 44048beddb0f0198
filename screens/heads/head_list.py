"""All heads with as many of their numbers as there is room for, sorted by any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType

from screens.base.numbers import ABSENT, plain, signed
from screens.base.tokens import fit, short_role
from screens.heads.keys import COLUMN_ACTIONS
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.readouts.heads.columns import COLUMNS, KINDS
from workbench.readouts.heads.table import HEAD, HeadTable, by_weights

NAME, KIND, LOOKS, NUMBER = 9, 10, 15, 7
MORE_BEFORE, MORE_AFTER = "‹", "›"
"""There are more columns to the left, to the right."""
MARK = "kind"
"""The column of the kinds' marks; it is sorted by through the numbers that tell them."""


class HeadList(LineList[str]):
    """The table; its rows are names of heads."""

    HEADING: ClassVar[int] = 1
    BINDINGS: ClassVar[list[BindingType]] = [action.binding() for action in COLUMN_ACTIONS]
    HELP = (
        "All heads: where each looks on random tokens that are said twice, what it moves by its "
        "weights, and what it writes to the answers.\n\n"
        + "\n".join(
            f"- **{c.title}**{'' if c.name == c.title else f' ({c.name})'}: {c.definition}"
            for c in COLUMNS.values()
        )
        + "\n\nOn the task's prompts ({key:heads.view}), patterns and direct are read at one place "
        "of these:\n\n"
        + "\n".join(f"- **{c.title}**: {c.here}" for c in COLUMNS.values() if c.here)
        + "\n\n**looks at** has the role that it looks at most from there, a mean over the prompts "
        "that have it before; the filter `@S1>0.3` goes by any role."
        + "\n\nKinds, told by one number each:\n\n"
        + "\n".join(f"- **{k.mark}**: {k.name}, {k.column} from {k.least} on" for k in KINDS)
        + "\n"
    )

    def __init__(self) -> None:
        super().__init__()
        self.measured: HeadTable | None = None
        self.by = HEAD
        self.reverse = False
        self.filter = ""
        self.first = 0
        self.nothing = ""
        self._spans: list[tuple[str, int, int]] = []

    # Rows.

    def measure(self, table: HeadTable | None) -> None:
        """Show a table, in the order and through the filter that there are."""
        if table is not self.measured:
            self.measured = table
            self.resort()

    def say(self, nothing: str) -> None:
        """What stands in place of the rows while there is no table."""
        if nothing != self.nothing:
            self.nothing = nothing
            self.refresh()

    def resort(self, *, to_top: bool = False) -> None:
        """Put the rows in order again; `to_top`: the cursor goes to the first of them."""
        table = self.measured
        if table is None:
            self.show([])
            return
        if self.by != HEAD and self.by not in table.columns:
            self.by = HEAD
        shown = set(table.matching(self.filter))
        ordered = table.ordered(self.by, reverse=self.reverse)
        rows = [head for head in ordered if head in shown]
        self.show(rows, to=rows[0] if rows and to_top else None)
        self.refresh()

    def sort_by(self, column: str) -> None:
        """Sort by a column; by the one that it is sorted by already: the other way round."""
        self.reverse = not self.reverse if column == self.by else False
        self.by = column
        if column != HEAD:
            self._reveal_column(column)
        self.resort(to_top=True)

    def next_sort(self) -> None:
        """Sort by the next column; after the last one by name."""
        columns = [HEAD, *(() if self.measured is None else self.measured.columns)]
        at = columns.index(self.by) if self.by in columns else 0
        self.sort_by(columns[(at + 1) % len(columns)])

    def _reveal_column(self, column: str) -> None:
        table = self.measured
        if table is None:
            return
        at, room = table.columns.index(column), self._room(self.size.width)
        if not self.first <= at < self.first + room:
            self.first = max(0, min(at, len(table.columns) - room))

    def action_turn(self, by: int) -> None:
        """Show other columns, where there is no room for all."""
        table = self.measured
        if table is not None:
            most = max(0, len(table.columns) - self._room(self.size.width))
            self.first = max(0, min(most, self.first + by))
            self.refresh()

    def key(self, row: str) -> str:
        return row

    def names(self, row: str) -> tuple[tuple[str, str], ...]:
        return (("node", row),)

    def table(self) -> Table | None:
        return None if self.measured is None else self.measured.table(self.rows)

    def empty(self) -> str:
        return self.nothing if self.measured is None else "No head matches the filter."

    # Lines.

    def _room(self, width: int) -> int:
        return max(1, (width - 2 - NAME - KIND - self._looks) // NUMBER)

    @property
    def _looks(self) -> int:
        """Cells of what a head looks at most; none of random tokens."""
        return 0 if self.measured is None or self.measured.at is None else LOOKS

    def _columns(self, width: int) -> Sequence[str]:
        table = self.measured
        if table is None:
            return ()
        room = self._room(width)
        first = max(0, min(self.first, len(table.columns) - room))
        return table.columns[first : first + room]

    def heading(self, width: int) -> Text:
        columns = self._columns(width)
        text, x = Text("  "), 2
        self._spans = [(HEAD, x, NAME + KIND)]
        text.append(fit("head" + self._arrow(HEAD), NAME) + fit(MARK, KIND))
        x += NAME + KIND
        if columns and self.measured is not None and columns[0] != self.measured.columns[0]:
            text = text[:-1] + Text(MORE_BEFORE)
        text.append("looks at".ljust(self._looks)[: self._looks])
        x += self._looks
        for name in columns:
            text.append((COLUMNS[name].title + self._arrow(name)).rjust(NUMBER))
            self._spans.append((name, x, NUMBER))
            x += NUMBER
        if columns and self.measured is not None and columns[-1] != self.measured.columns[-1]:
            text = text[: width - 1] + Text(MORE_AFTER.rjust(width - min(x, width - 1)))
        return text

    @property
    def hidden(self) -> str:
        """How many columns there is no room for, with the keys that turn to them."""
        table = self.measured
        if table is None:
            return ""
        shown, every = len(self._columns(self.scrollable_content_region.width)), len(table.columns)
        if shown == every:
            return ""
        keys = " ".join(action.shown.split()[0] for action in reversed(COLUMN_ACTIONS))
        return f"columns {self.first + 1}–{self.first + shown} of {every} ({keys})"

    def _arrow(self, column: str) -> str:
        if column != self.by:
            return " "
        return "▴" if self.reverse else "▾"

    def line(self, row: str, width: int, under_cursor: bool) -> Text:
        table = self.measured
        text = Text(f"{POINTER if under_cursor else ' '} {fit(row, NAME)}")
        if table is None:
            return text
        kinds = list(dict.fromkeys(kind.mark for kind, _ in table.kinds_of(row)))
        text.append(fit(" ".join(kinds), KIND))
        if self._looks:
            text.append(fit(look_words(table.most(row)[:1], LOOKS - 6), LOOKS))
        difference = table.at is not None and table.at.is_difference
        for name in self._columns(width):
            value = table.value(row, name)
            shown = ABSENT if value is None else _number(name, value, difference)
            text.append(f"{shown} ".rjust(NUMBER), "bold" if name == self.by else "")
        return text

    def clicked(self, row: str | None, x: int) -> bool:
        column = next((name for name, at, cells in self._spans if at <= x < at + cells), None)
        if row is None and column is not None:
            self.sort_by(column)
        return row is None


def look_words(most: Sequence[tuple[str, float]], width: int) -> str:
    """Roles that a head looks at, each in at most so many cells, with the share."""
    return ", ".join(f"{short_role(role, width)} {plain(share, 2)}" for role, share in most)


def _number(column: str, value: float, difference: bool) -> str:
    """A share or an amount without a plus sign; what has a sign of its own with it."""
    entry = COLUMNS[column]
    if entry.name in ("eigenvalue", "direct") or (difference and not by_weights(column)):
        return signed(value, entry.digits)
    return f"{value:.{entry.digits}f}"
