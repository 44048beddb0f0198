"""The drawing of the tree of states: every line leads down to the state above."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.session.state_graph import HERE, NAMED, OTHER, Drawn, draw, shown_parents
from workbench.session.state_rows import StateRow

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
STROKES = {
    "│": UP | DOWN,
    "─": LEFT | RIGHT,
    "┼": UP | DOWN | LEFT | RIGHT,
    "├": UP | DOWN | RIGHT,
    "┤": UP | DOWN | LEFT,
    "╯": UP | LEFT,
    "╰": UP | RIGHT,
    " ": 0,
}


def rows(parents: list[int], current: int, names: set[int] | None = None) -> list[StateRow]:
    """States 0, 1, ... where state i + 1 was made in `parents[i]`."""
    above: dict[int, int | None] = {0: None} | {i + 1: p for i, p in enumerate(parents)}
    path: set[int] = set()
    here: int | None = current
    while here is not None:
        path.add(here)
        here = above[here]
    ahead, here = set(), current
    while below := [n for n, p in above.items() if p == here]:
        here = below[-1]
        ahead.add(here)
    return [
        StateRow(
            n=n, parent=p, depth=0, branch=0, when="", did="", edges=0, faithfulness=None,
            change=None, seconds=None, name="x" if n in (names or set()) else "",
            is_current=n == current, on_current_path=n in path, is_ahead=n in ahead,
        )
        for n, p in above.items()
    ]  # fmt: skip


def led_down(drawn: list[Drawn]) -> dict[int, int | None]:
    """Follow each mark's line by its strokes alone: the state that it comes to."""
    lines = [d.line for d in drawn]
    marks = {(y, d.at): d.row.n for y, d in enumerate(drawn)}

    def at(y: int, x: int) -> str:
        return lines[y][x] if 0 <= y < len(lines) and 0 <= x < len(lines[y]) else " "

    def strokes(y: int, x: int) -> int:
        return STROKES.get(at(y, x), 0)

    found: dict[int, int | None] = {}
    for (y, x), n in marks.items():
        cy, cx = y, x
        # A branch that is joined in its own row leaves its mark sideways, all others downward.
        for back, step in ((RIGHT, -1), (LEFT, 1)):
            other = x + step
            while strokes(y, other) & (LEFT | RIGHT) == LEFT | RIGHT:
                other += step
            if other != x + step and strokes(y, other) & back and strokes(y, other) & DOWN:
                cx = other
        result: int | None = None
        while cy + 1 < len(lines):
            cy += 1
            if (cy, cx) in marks:
                result = marks[cy, cx]
                break
            s = strokes(cy, cx)
            if not s & UP:
                break
            if not s & DOWN:  # a corner: on to the mark in this row
                step = -1 if s & LEFT else 1
                while (cy, cx) not in marks:
                    cx += step
                result = marks[cy, cx]
                break
        found[n] = result
    return found


TREES = st.integers(0, 14).flatmap(
    lambda n: st.tuples(
        st.tuples(*[st.integers(0, i) for i in range(n)]).map(list), st.integers(0, n)
    )
)


@given(TREES)
def test_every_line_leads_down_to_the_state_above(tree: tuple[list[int], int]) -> None:
    parents, current = tree
    made = rows(parents, current)
    drawn = draw(made)
    assert [d.row.n for d in drawn] == list(range(len(made)))[::-1]
    assert led_down(drawn) == {row.n: row.parent for row in made}
    for d in drawn:
        assert d.line[d.at] in (HERE, NAMED, OTHER)
        if d.row.on_current_path or d.row.is_ahead:
            assert d.at == 0


@given(TREES, st.sets(st.integers(0, 14)))
def test_what_is_left_out_is_bridged(tree: tuple[list[int], int], shown: set[int]) -> None:
    parents, current = tree
    made = rows(parents, current)
    shown = {0} | {n for n in shown if n < len(made)}
    above = shown_parents(made, shown)
    drawn = draw(made, shown)
    assert {d.row.n for d in drawn} == shown
    assert led_down(drawn) == {n: above[n] for n in shown}
    for n in shown:  # by hand: the first shown one on the way up
        here = made[n].parent
        while here is not None and here not in shown:
            here = made[here].parent
        assert above[n] == here


def test_as_it_looks() -> None:
    made = rows([0, 1, 2, 1, 4, 1, 3], 7, names={2})
    assert [d.line for d in draw(made)] == [
        "◉",
        "│ ○",
        "│ │ ○",
        "│ ├─○",
        "○ │",
        "◆ │",
        "○─╯",
        "○",
    ]
