"""Pen: runs of cells, written with as few bytes as it takes to move and to change looks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from screens.terminal.cells import SINGLE, Row, surely_wide
from screens.terminal.looks import Look, change, linked

NEAR = 5
"""Cells that may be written again because jumping over them would take as many bytes."""

_BLANKS = re.compile(r" {12,}| {6,}$")
"""Blanks that are cheaper erased and jumped over than written, or at the end of a text erased."""

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

    @property
    def erasable(self) -> bool:
        """Whether erasing its cells would show what writing them does."""
        blank = self.look.blank
        return self.blank and not self.in_order and not blank.attributes and not blank.link


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


def with_gaps(found: Sequence[Run], rows: Sequence[Row]) -> list[Run]:
    """The same runs, with long blanks apart and joined over blanks between.

    For a terminal that erases any number of cells with one sequence.
    """
    joined: list[Run] = []
    for run in chain.from_iterable(map(_parts, found)):
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.y == run.y
            and last.erasable
            and run.erasable
            and last.look.blank is run.look.blank
            and _is_blank(rows[run.y], last.end, run.x, run.look)
        ):
            last.text, last.end = " " * (run.end - last.x), run.end
        else:
            joined.append(run)
    return joined


def _parts(run: Run) -> Iterator[Run]:
    """A run with its long blanks apart."""
    blank = replace(run, blank=True)
    if run.blank or not blank.erasable or len(run.text) != run.end - run.x:
        yield run
        return
    at = 0
    for found in _BLANKS.finditer(run.text):
        start, end = found.span()
        if at < start:
            yield _part(run, at, start)
        yield _part(blank, start, end)
        at = end
    if at < len(run.text):
        yield _part(run, at, len(run.text))


def _part(run: Run, start: int, end: int) -> Run:
    return replace(run, x=run.x + start, end=run.x + end, text=run.text[start:end])


def _is_blank(row: Row, start: int, end: int, look: Look) -> bool:
    return all(
        row.texts[x] == " " and (had := row.looks[x]) is not None and had.blank is look.blank
        for x in range(start, end)
    )


def after(run: Run, erases: bool) -> tuple[int, int]:
    """Where the cursor probably stands after a run: erasing cells does not move it."""
    erased = erases and run.end - run.x > NEAR and run.erasable
    return (run.x if erased else run.end), run.y


def cost(x: int, y: int, to_x: int, to_y: int) -> int:
    """The bytes that it takes to move there."""
    return min(len(_absolute(to_x, to_y)), len(_down(to_y - y)) + len(_along(to_x - x)))


class Pen:
    """Writes runs to a terminal and moves between them as cheaply as it can.

    Begins anywhere on the screen.

    Args:
        rows: all that should be shown, to be written again where that is cheaper than a jump.
        columns: of the terminal; behind the last one nobody knows where the cursor stands.
        look: how the terminal draws.
        erases: whether it erases cells with the ground that it draws on.
    """

    def __init__(self, rows: Sequence[Row], columns: int, look: Look, erases: bool) -> None:
        self._rows = rows
        self._columns = columns
        self._erases = erases
        self._at: tuple[int, int] | None = None
        self.look = look
        self._written: list[str] = []

    def draw(self, run: Run, following: Run | None) -> None:
        if self._at is not None and self._at[1] == run.y and 0 < run.x - self._at[0] <= NEAR:
            self._bridge(run)
        self._move(run.x, run.y)
        if run.look is not self.look and not (run.blank and self._suits(" ", run.look)):
            self._written.append(change(self.look, run.look))
            self.look = run.look
        if self._erases and run.erasable and self._erase(run, following):
            return
        self._written.append(run.text)
        self._at = (run.end, run.y) if run.sure and run.end < self._columns else None

    def _erase(self, run: Run, following: Run | None) -> bool:
        """Erase the cells of a run if that takes less than to write them."""
        cells = run.end - run.x
        erased = f"\x1b[{cells}X"
        goes_on = following is not None and (following.x, following.y) == (run.end, run.y)
        if len(erased) + (len(_along(cells)) if goes_on else 0) >= cells:
            return False
        self._written.append(erased)
        return True

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


@lru_cache(maxsize=16384)
def _absolute(x: int, y: int) -> str:
    row, column = "" if y == 0 else str(y + 1), "" if x == 0 else f";{x + 1}"
    return f"\x1b[{row}{column}H"


@lru_cache(maxsize=1024)
def _along(by: int) -> str:
    """So many columns to the right, or with a number below zero to the left."""
    if by < 0:
        return "\b" * -by if by > -4 else f"\x1b[{-by}D"
    return f"\x1b[{'' if by == 1 else by}C" if by else ""


@lru_cache(maxsize=1024)
def _down(by: int) -> str:
    """So many rows down, or with a number below zero up."""
    if 0 <= by < 5:
        return VERTICAL_TAB * by
    return f"\x1b[{'' if by == -1 else abs(by)}{'B' if by > 0 else 'A'}"
