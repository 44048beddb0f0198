"""The edges of circuits that stand side by side: which circuit keeps each, and its scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType

from screens.base.numbers import digits_for, signed
from screens.base.tokens import fit
from screens.widgets.dialog_keys import CHOOSING
from screens.widgets.line_list import POINTER, LineList
from workbench.base.table import Table
from workbench.session.side_by_side import EdgeRow

LETTERS = "ABCD"
KEPT, ABSENT = "●", "·"
NAME = 22
SCORE = 10


class EdgeTable(LineList[EdgeRow]):
    """The table; enter goes to the edge."""

    HEADING: ClassVar[int] = 1
    HELP = """\
Every edge of any of the circuits, from the logits backward. ● it is kept, · it is not. Then its
score in each circuit that brought scores: this circuit's are EAP estimates, those of others are of
whatever found them. **A − B** is the difference of the scores in the first two.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Go to the edge", show=False),
        *(action.binding() for action in CHOOSING),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._n = 1
        self._kept = True
        self._digits = 4

    def show_edges(self, rows: Sequence[EdgeRow], n: int, *, kept: bool) -> None:
        """`n`: how many circuits there are; `kept`: whether one of them has any edges."""
        self._n, self._kept = n, kept
        values = [abs(score) for row in rows for score in row.scores if score is not None]
        self._digits = digits_for(max(values, default=1.0))
        self.show(rows)

    def key(self, row: EdgeRow) -> str:
        return row.edge

    def names(self, row: EdgeRow) -> tuple[tuple[str, str], ...]:
        return (("edge", row.edge),)

    def table(self) -> Table:
        letters = LETTERS[: self._n]
        columns = ("edge", *(f"kept_{x}" for x in letters), *(f"score_{x}" for x in letters))
        values = tuple(
            (row.edge, *row.kept, *row.scores, *([row.difference] if self._n > 1 else []))
            for row in self.rows
        )
        more = ("A_minus_B",) if self._n > 1 else ()
        return Table("edges side by side", (*columns, *more), values)

    def empty(self) -> str:
        return "No such edge." if self._kept else "No edge is kept in any of the circuits yet."

    def _columns(self, width: int) -> tuple[int, bool]:
        """How many circuits' scores there is room for, and whether for the difference."""
        room = width - 2 - NAME - 2 * self._n - 1
        scores = min(self._n, max(0, room // SCORE))
        return scores, self._n > 1 and room - scores * SCORE >= SCORE

    def heading(self, width: int) -> Text:
        scores, difference = self._columns(width)
        text = f"  {'edge':<{NAME}}" + "".join(f"{letter:>2}" for letter in LETTERS[: self._n])
        text += " " + "".join(f"{'score ' + letter:>{SCORE}}" for letter in LETTERS[:scores])
        return Text(fit(text + (f"{'A − B':>{SCORE}}" if difference else ""), width))

    def line(self, row: EdgeRow, width: int, under_cursor: bool) -> Text:
        scores, difference = self._columns(width)
        text = f"{POINTER if under_cursor else ' '} {fit(row.edge, NAME)}"
        text += "".join(f"{KEPT if kept else ABSENT:>2}" for kept in row.kept) + " "
        for score in row.scores[:scores]:
            text += f"{signed(score, self._digits):>{SCORE}}"
        if difference:
            text += f"{signed(row.difference, self._digits):>{SCORE}}"
        return Text(text)

    def action_choose(self) -> None:
        if self.highlighted is not None:
            self.post_message(self.Chosen(self, self.highlighted))
