"""Pen: runs of cells, written with as few bytes as it takes to move and to change looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from screens.terminal.cells import SINGLE, Row, surely_wide
from screens.terminal.looks import Look, change, linked

NEAR = 5
"""Cells that may be written again because jumping over them would take as many bytes."""


VERTICAL_TAB = "\v"
"""To every terminal since the VT100 a line feed, one row down in the same column. Unlike the line
feed itself it is not made a carriage return and a line feed on its way."""


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
    found: Sequence[Run], rows: Sequence[Row], columns: int, cursor: tuple[int, int], look: Look
) -> tuple[str, Look]:
    """Write the runs and put the cursor at (column, row), in the cheapest order.

    From the top to the bottom, or look after look, which saves changes of colour and costs moves.

    Args:
        look: how the terminal draws before.

    Returns:
        What to write, and how the terminal draws after it.
    """
    groups = _groups(found)
    orders: list[Sequence[Run]] = [found]
    if len(groups) > 1:
        first = [run for run in found if run.in_order]
        near = _nearest(list(groups), first[-1].look if first else look)
        orders += [
            first + [run for look in looks for run in groups[look]] for looks in (groups, near)
        ]
    drawn: list[tuple[str, Look]] = []
    for order in orders:
        pen = Pen(rows, columns, look)
        for run in order:
            pen.draw(run)
        drawn.append((pen.leave_at(*cursor), pen.look))
    return min(drawn, key=lambda one: len(one[0]))


def _groups(found: Sequence[Run]) -> dict[Look, list[Run]]:
    """The runs that may be written in any order, by their looks."""
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
    return groups


def _nearest(looks: list[Look], now: Look) -> list[Look]:
    """The looks in an order in which each is the one that costs least to change to."""
    order = []
    while looks:
        costs = [len(change(now, look)) for look in looks]
        now = looks.pop(costs.index(min(costs)))
        order.append(now)
    return order


class Pen:
    """Writes runs to a terminal and moves between them as cheaply as it can.

    Begins anywhere on the screen.

    Args:
        rows: all that should be shown, to be written again where that is cheaper than a jump.
        columns: of the terminal; behind the last one nobody knows where the cursor stands.
        look: how the terminal draws.
    """

    def __init__(self, rows: Sequence[Row], columns: int, look: Look) -> None:
        self._rows = rows
        self._columns = columns
        self._at: tuple[int, int] | None = None
        self.look = look
        self._written: list[str] = []

    def draw(self, run: Run) -> None:
        if self._at is not None and self._at[1] == run.y and 0 < run.x - self._at[0] <= NEAR:
            self._bridge(run)
        self._move(run.x, run.y)
        if run.look is not self.look and not (run.blank and self._suits(" ", run.look)):
            self._written.append(change(self.look, run.look))
            self.look = run.look
        self._written.append(run.text)
        self._at = (run.end, run.y) if run.sure and run.end < self._columns else None

    def leave_at(self, x: int, y: int) -> str:
        """All that was written, with the cursor put there and no link left open."""
        if self.look.link:
            unlinked = linked(self.look, "")
            self._written.append(change(self.look, unlinked))
            self.look = unlinked
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
        return look is self.look or (text == " " and look.blank is self.look.blank)

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
    if 0 <= by < 5:
        return VERTICAL_TAB * by
    return f"\x1b[{'' if by == -1 else abs(by)}{'B' if by > 0 else 'A'}"
