"""The table of candidates by itself: marks, order, filter, columns, a cursor that stays."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from screens.bench.candidates import Candidates
from screens.bench.edge_filter import EdgeFilter
from tests.support.tiny_sessions import Host
from workbench.session.views import Candidate

EDGE = Candidate(
    edge="m3->a9.h1<v>",
    source="m3",
    destination="a9.h1<v>",
    kept=False,
    preview=False,
    open=False,
    eap=0.25,
    exact=None,
    score=0.25,
    drop_cost=None,
    role=None,
)


def edge(
    source: str, which: str, eap: float, exact: float | None = None, **more: object
) -> Candidate:
    score = eap if exact is None else exact
    return replace(
        EDGE,
        edge=f"{source}->a9.h1<{which}>",
        source=source,
        destination=f"a9.h1<{which}>",
        eap=eap,
        exact=exact,
        score=score,
        **more,  # type: ignore[arg-type]
    )


EDGES = [
    edge("m3", "q", -0.5, -0.4, kept=True),
    edge("a0.h1", "k", 0.3, 0.6, preview=True),
    edge("a1.h0", "v", 0.2, -0.1),
    edge("input", "v", 0.1, kept=True, role="identify [red]YY[/]"),
]


def marks(table: Candidates) -> str:
    return "".join(str(table.line(row, 90, False))[2] for row in table.rows)


async def test_marks_tell_kept_previewed_and_dropped() -> None:
    app = Host(Candidates)
    async with app.run_test(size=(90, 20)):
        table = app.query_one(Candidates)
        table.show_edges(EDGES, anew=True)
        assert [row.source for row in table.rows] == ["a0.h1", "m3", "a1.h0", "input"]
        assert marks(table) == "◌●○●"


async def test_columns_line_up_under_their_titles() -> None:
    app = Host(Candidates)
    async with app.run_test(size=(100, 20)):
        table = app.query_one(Candidates)
        table.costs_shown = True
        for factor in (1.0, 1e-4, 300.0):
            rows = [
                replace(row, eap=row.eap * factor, score=row.score * factor, drop_cost=0.1 * factor,
                        exact=None if row.exact is None else row.exact * factor)
                for row in EDGES
            ]  # fmt: skip
            table.show_edges(rows, anew=True)
            for width in (60, 78, 100):
                lines = [str(table.line(row, width, False)) for row in table.rows]
                heading = str(table.heading(width))
                assert all(len(line) <= width for line in (*lines, heading))
                for name, start, cells in table.columns(width):
                    if name in ("eap", "exact", "drop"):
                        ends = {len(line[: start + cells].rstrip("… ")) for line in lines}
                        points = {
                            line.index(".", start)
                            for line in lines
                            if "." in line[start : start + cells]
                        }
                        assert len(points) == 1, f"{name}: the points do not stand below each other"
                        assert max(ends) <= start + cells
                axis = {line.index("│") for line in lines}
                assert axis == {heading.index("0", heading.index("−"))}


async def test_a_role_is_shown_as_it_was_typed() -> None:
    app = Host(Candidates)
    async with app.run_test(size=(100, 20)):
        table = app.query_one(Candidates)
        table.show_edges(EDGES, anew=True)
        line = str(table.line(table.rows[3], 100, False))
        assert "identify [" in line


async def test_the_cursor_stays_on_its_edge_when_the_order_changes() -> None:
    app = Host(Candidates)
    async with app.run_test(size=(90, 20)):
        table = app.query_one(Candidates)
        table.show_edges(EDGES, anew=True)
        table.move_to(2)
        for _ in range(8):
            table.next_sort()
            assert table.highlighted is not None and table.highlighted.source == "a1.h0"
        table.set_filter("v")
        assert table.highlighted is not None and table.highlighted.source == "a1.h0"
        table.set_filter("kept")
        assert table.highlighted is not None and table.highlighted.kept


@pytest.mark.parametrize(
    ("column", "first", "last"),
    [
        ("effect", "a0.h1", "input"),
        ("eap", "m3", "input"),
        ("exact", "a0.h1", "input"),
        ("kept", "m3", "a1.h0"),
        ("source", "m3", "a0.h1"),
        ("role", "input", "a1.h0"),
    ],
)
async def test_sorting_by_a_column_and_back(column: str, first: str, last: str) -> None:
    app = Host(Candidates)
    async with app.run_test(size=(90, 20)):
        table = app.query_one(Candidates)
        table.order = lambda name: {"a0.h1": 1, "input": 2, "a1.h0": 3, "m3": 4}[name]
        table.sort = "none of these"
        table.all = EDGES
        table.sort_by(column)
        assert (table.rows[0].source, table.rows[-1].source) == (first, last)
        assert "▾" in str(table.heading(120)) or column == "role"
        table.sort_by(column)
        assert table.rows[-1].source == first
        assert "▴" in str(table.heading(120)) or column == "role"


async def test_values_are_updated_in_place_and_stale_ones_are_told_apart() -> None:
    app = Host(Candidates)
    async with app.run_test(size=(90, 20)) as pilot:
        table = app.query_one(Candidates)
        table.show_edges(EDGES, anew=True)
        order = [row.edge for row in table.rows]
        stale = [replace(row, exact=None, score=row.eap) for row in EDGES]
        table.sweeping = True
        table.show_edges(stale, anew=False)
        await pilot.pause()
        assert [row.edge for row in table.rows] == order
        assert "−0.4000…" in str(table.line(stale[0], 90, False))
        fresh = [replace(row, exact=0.9, score=0.9) for row in EDGES]
        table.show_edges(fresh, anew=False)
        assert "+0.9000 " in str(table.line(fresh[0], 90, False))
        assert [row.edge for row in table.rows] == order


async def test_odd_numbers_are_shown_not_feared() -> None:
    app = Host(Candidates)
    async with app.run_test(size=(90, 20)):
        table = app.query_one(Candidates)
        odd = [
            edge("m3", "q", math.nan),
            edge("m2", "q", math.inf, -math.inf),
            edge("m1", "q", 0.0, 0.0),
        ]
        table.show_edges(odd, anew=True)
        text = "\n".join(str(table.line(row, 90, False)) for row in table.rows)
        assert "nan" in text and "∞" in text


@pytest.mark.parametrize(
    ("words", "sources"),
    [
        ("", {"m3", "a0.h1", "a1.h0", "input"}),
        ("kept", {"m3", "input"}),
        ("dropped", {"a0.h1", "a1.h0"}),
        ("preview", {"a0.h1"}),
        ("heads", {"a0.h1", "a1.h0"}),
        ("mlps", {"m3"}),
        ("a1", {"a1.h0"}),
        ("a1.h0", {"a1.h0"}),
        ("v kept", {"input"}),
        ("-kept -heads", set()),
        (">0.3", {"m3", "a0.h1"}),
        ("<=0.1", {"a1.h0", "input"}),
        ("YY", {"input"}),
        ("h0", {"a1.h0"}),
        ("[red", {"input"}),
    ],
)
def test_filter(words: str, sources: set[str]) -> None:
    chosen = EdgeFilter(words)
    assert {row.source for row in EDGES if chosen.matches(row)} == sources


def test_a1_is_not_a10() -> None:
    assert not EdgeFilter("a1").matches(edge("a10.h0", "q", 1.0))
    assert not EdgeFilter("m1").matches(edge("m10", "q", 1.0))


@pytest.mark.parametrize("words", [">", ">x", "kept <"])
def test_a_filter_that_says_nothing_is_a_sentence(words: str) -> None:
    with pytest.raises(ValueError, match="needs a number"):
        EdgeFilter(words)
