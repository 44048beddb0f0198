"""The tree of states drawn with box characters, newest first, as `git log` draws it.

The line that one is on, the present state with all above it and what redo leads to, has the first
column to itself. A branch beside it takes the first column that is free, and its oldest state is
joined at once to the line that leads to the state that it begins at:

    ○     8
    ├─○   7     branches off where 8 does, at 3
    │ ○   6
    ├─○   5
    ○     3
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from workbench.session.state_rows import StateRow
from workbench.session.state_tree import START

HERE, NAMED, OTHER = "◉", "◆", "○"
"""Marks of the present state, of one that has a name, and of any other."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What stands before a state in the list.

    Attributes:
        row: the state.
        line: its mark with the lines of its branch and of those that pass by.
        at: the mark's place in it.
    """

    row: StateRow
    line: str
    at: int


def shown_parents(rows: Iterable[StateRow], shown: Collection[int]) -> dict[int, int | None]:
    """The nearest state above each that is shown; `rows` in the order in which they were made."""
    nearest: dict[int, int | None] = {}
    above: dict[int, int | None] = {}
    for row in rows:
        parent = None if row.parent is None else nearest[row.parent]
        above[row.n] = parent
        nearest[row.n] = row.n if row.n in shown else parent
    return above


def draw(rows: Sequence[StateRow], shown: Collection[int] | None = None) -> list[Drawn]:
    """The states with what is drawn before them, newest first.

    Args:
        rows: all states, in the order in which they were made.
        shown: numbers of those to list beside the start; None: all.
    """
    shown = {row.n for row in rows} if shown is None else {START, *shown}
    above = shown_parents(rows, shown)
    waiting: list[int | None] = [None]  # by column, the state that its line leads down to
    found = []
    for row in reversed(rows):
        if row.n in shown:
            found.append(_next(row, above[row.n], waiting))
    return found


def _next(row: StateRow, parent: int | None, waiting: list[int | None]) -> Drawn:
    """Draw one state and lead the lines on below it."""
    before = list(waiting)
    ends = [i for i, n in enumerate(waiting) if n == row.n]
    for i in ends:
        waiting[i] = None
    joined: int | None = None
    if row.on_current_path or row.is_ahead:
        here = 0
        waiting[0] = parent
    else:
        here = ends[0] if ends else _free(waiting)
        joined = next((i for i, n in enumerate(waiting) if n is not None and n == parent), None)
        if joined is None:
            waiting[here] = parent
    before += [None] * (len(waiting) - len(before))
    cells = ["│ " if n is not None else "  " for n in before]
    for other in [*ends, *([] if joined is None else [joined])]:
        if other != here:
            _connect(cells, here, other, ends=other in ends)
    mark = HERE if row.is_current else NAMED if row.name else OTHER
    cells[here] = mark + cells[here][1]
    while len(waiting) > 1 and waiting[-1] is None:
        waiting.pop()
    return Drawn(row, "".join(cells).rstrip(), 2 * here)


def _free(waiting: list[int | None]) -> int:
    """The first column beside the first one that has no line."""
    for i in range(1, len(waiting)):
        if waiting[i] is None:
            return i
    waiting.append(None)
    return len(waiting) - 1


def _connect(cells: list[str], here: int, other: int, *, ends: bool) -> None:
    """A line from the mark to another column, whose own line ends there or goes on."""
    left, right = min(here, other), max(here, other)
    for i in range(left, right):
        crossed = "┼" if cells[i][0] != " " else "─"
        cells[i] = (crossed if i not in (here, other) else cells[i][0]) + "─"
    corner = ("╯" if ends else "┤") if other > here else ("╰" if ends else "├")
    cells[other] = corner + cells[other][1]
