"""Route: in which order the runs of a frame are written, so that it takes few bytes.

A change of colour costs as much as three moves, and a move to the cells just below, in a column
of a table, costs less than one to the next row's beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from screens.terminal.cells import Row
from screens.terminal.looks import Look, change
from screens.terminal.pen import Pen, Run, after, cost, with_gaps


def drawing(
    found: Sequence[Run],
    rows: Sequence[Row],
    columns: int,
    cursor: tuple[int, int],
    look: Look,
    *,
    erases: bool,
) -> tuple[str, Look]:
    """Write the runs and put the cursor at (column, row), in the cheapest order.

    From the top to the bottom, or look after look, which saves changes of colour and costs moves;
    then what has one look row by row, or column by column.

    Args:
        look: how the terminal draws before.
        erases: whether it erases cells with the ground that it draws on.

    Returns:
        What to write, and how the terminal draws after it.
    """
    if erases:
        found = with_gaps(found, rows)
    groups = _groups(found)
    first = [run for run in found if run.in_order]
    near = _nearest(list(groups), first[-1].look if first else look)
    by_look = first + [run for one in near for run in _cheaper(groups[one], erases=erases)]
    drawn: list[tuple[str, Look]] = []
    for order in (found, by_look):
        pen = Pen(rows, columns, look, erases)
        for run, following in pairwise([*order, None]):
            assert run is not None
            pen.draw(run, following)
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


def _cheaper(found: list[Run], *, erases: bool) -> list[Run]:
    """Runs of one look row by row or column by column, whichever takes fewer bytes."""
    return min(found, by_columns(found, erases=erases), key=lambda order: _moves(order, erases))


def _moves(order: Sequence[Run], erases: bool) -> int:
    """The bytes of the moves from run to run."""
    return sum(cost(*after(run, erases), then.x, then.y) for run, then in pairwise(order))


def by_columns(found: Sequence[Run], *, erases: bool) -> list[Run]:
    """Runs of one look in paths from the top to the bottom, each to the run that is nearest.

    The cheapest moves are taken first: from a run to the next in its row, or to one in the row
    after it. As all lead onwards, what is joined is paths; these follow one another by their
    beginnings.
    """
    moves: list[tuple[int, int, int]] = []
    beginnings = [i for i, run in enumerate(found) if not i or found[i - 1].y != run.y]
    ends = [*beginnings[1:], len(found)]
    for row, (start, end) in enumerate(zip(beginnings, ends, strict=True)):
        below = range(end, ends[row + 1] if row + 1 < len(ends) else end)
        for i in range(start, end):
            x, y = after(found[i], erases)
            near = [min(below, key=lambda j: abs(found[j].x - x))] if below else []
            for j in [i + 1, *near] if i + 1 < end else near:
                moves.append((cost(x, y, found[j].x, found[j].y), i, j))
    following: dict[int, int] = {}
    reached: set[int] = set()
    for _, i, j in sorted(moves):
        if i not in following and j not in reached:
            following[i] = j
            reached.add(j)
    order: list[Run] = []
    for i in range(len(found)):
        at = None if i in reached else i
        while at is not None:
            order.append(found[at])
            at = following.get(at)
    return order
