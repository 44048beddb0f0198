"""Pen: runs of cells, written with as few bytes as it takes to move and to change looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from screens.terminal.cells import SINGLE, Row, surely_wide
from screens.terminal.looks import PLAIN, Look, change

NEAR = 5
"""Cells that may be written again because jumping over them would take as many bytes."""


@dataclass(slots=True)
class Run:
    """Neighbouring cells of a row that are drawn with one look.

    Attributes:
        x, end: their columns, from the first to the one after the last.
        y: their row.
        blank: nothing but blanks: any look that is the same on a blank will do.
        in_order: written in the order in which it stands, because wide characters stand about it.
        sure: the terminal surely takes it to be as wide as it is said to be.
    """

    x: int
    end: int
    y: int
    text: str
    look: Look
    blank: bool
    in_order: bool
    sure: bool


def runs(y: int, row: Row, cells: list[int], *, in_order: bool) -> list[Run]:
    """The runs of the cells of row y that stand in these columns, from left to right."""
    found: list[Run] = []
    for x in cells:
        last = found[-1] if found else None
        if last is not None and x < last.end:
            continue  # the second cell of a wide character
        look = row.looks[x]
        assert look is not None
        text = row.texts[x] or " "
        sure = text in SINGLE or surely_wide(text)
        end = row.end(x)
        if last is not None and last.end == x and last.sure:
            same = look is last.look or (text == " " and look.blank is last.look.blank)
            if not same and last.blank and look.blank is last.look.blank:
                last.look, same = look, True
            if same:
                last.end, last.sure = end, sure
                last.text += text
                last.blank = last.blank and text == " "
                continue
        found.append(Run(x, end, y, text, look, text == " ", in_order, sure))
    return found


def drawing(
    found: Sequence[Run], rows: Sequence[Row], columns: int, cursor: tuple[int, int]
) -> str:
    """Write the runs, and put the cursor in its place (column, row), in the cheaper of two orders.

    Either from the top to the bottom, or look after look, which saves changes of colour and costs
    moves.
    """
    orders = [found]
    grouped = _by_look(found)
    if grouped is not None:
        orders.append(grouped)
    drawn = []
    for order in orders:
        pen = Pen(rows, columns)
        for run in order:
            pen.draw(run)
        drawn.append(pen.leave_at(*cursor))
    return min(drawn, key=len)


def _by_look(found: Sequence[Run]) -> list[Run] | None:
    """The runs look after look, in the order in which the looks first occur; None: all are one."""
    in_order = [run for run in found if run.in_order]
    groups: dict[Look, list[Run]] = {}
    blanks: dict[Look, Look] = {}
    for run in found:
        if not run.in_order and not run.blank:
            groups.setdefault(run.look, [])
            blanks.setdefault(run.look.blank, run.look)
    for run in found:
        if not run.in_order:
            look = blanks.get(run.look.blank, run.look) if run.blank else run.look
            groups.setdefault(look, []).append(run)
    if len(groups) < 2:
        return None
    return in_order + [run for group in groups.values() for run in group]


class Pen:
    """Writes runs to a terminal and moves between them as cheaply as it can.

    Begins with the plain look and anywhere on the screen.

    Args:
        rows: all that should be shown, to be written again where that is cheaper than a jump.
        columns: of the terminal; behind the last one nobody knows where the cursor stands.
    """

    def __init__(self, rows: Sequence[Row], columns: int) -> None:
        self._rows = rows
        self._columns = columns
        self._at: tuple[int, int] | None = None
        self._look = PLAIN
        self._written: list[str] = []

    def draw(self, run: Run) -> None:
        if self._at is not None and self._at[1] == run.y and 0 < run.x - self._at[0] <= NEAR:
            self._bridge(run)
        self._move(run.x, run.y)
        if run.look is not self._look and not (run.blank and self._suits(" ", run.look)):
            self._written.append(change(self._look, run.look))
            self._look = run.look
        self._written.append(run.text)
        self._at = (run.end, run.y) if run.sure and run.end < self._columns else None

    def leave_at(self, x: int, y: int) -> str:
        """All that was written, with the cursor put there, and drawing plainly again."""
        if self._look is not PLAIN:
            self._written.append(change(self._look, PLAIN))
            self._look = PLAIN
        self._move(x, y)
        return "".join(self._written)

    def _bridge(self, run: Run) -> None:
        """Write what stands before a run, where that is no longer than jumping over it."""
        assert self._at is not None
        row, x = self._rows[run.y], self._at[0]
        texts = row.texts[x : run.x]
        most = len(_along(run.x - x))
        if row.wide or not all(texts) or len("".join(texts).encode()) > most:
            return
        if all(self._suits(text, row.looks[x + i]) for i, text in enumerate(texts)):
            self._written += texts
            self._at = (run.x, run.y)

    def _suits(self, text: str, look: Look | None) -> bool:
        """Whether a cell can be written without another look being chosen."""
        if look is None:
            return False
        return look is self._look or (text == " " and look.blank is self._look.blank)

    def _move(self, x: int, y: int) -> None:
        if self._at == (x, y):
            return
        ways = [_absolute(x, y)]
        if self._at is not None:
            across, down = x - self._at[0], y - self._at[1]
            ways.append(_down(down) + _along(across))
            if x == 0:
                ways.append(_down(down) + "\r")
        self._written.append(min(ways, key=len))
        self._at = (x, y)


def _absolute(x: int, y: int) -> str:
    row, column = "" if y == 0 else str(y + 1), "" if x == 0 else f";{x + 1}"
    return f"\x1b[{row}{column}H"


def _along(by: int) -> str:
    """So many columns to the right, or with a number below zero to the left."""
    if by < 0:
        return "\b" * -by if by > -4 else f"\x1b[{-by}D"
    return f"\x1b[{'' if by == 1 else by}C" if by else ""


def _down(by: int) -> str:
    """So many rows down, or with a number below zero up."""
    if not by:
        return ""
    return f"\x1b[{'' if abs(by) == 1 else abs(by)}{'B' if by > 0 else 'A'}"
