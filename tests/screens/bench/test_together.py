"""`i` shows q, k and v of a head as one candidate, with the exact effect of all three."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session
from workbench.circuits.names import TOGETHER
from workbench.circuits.parts import members_of
from workbench.session.session import Session

HEAD = "a2.h1"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = tiny_session(tmp_path)
    made.keep_all("logits")
    return made


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_the_three_are_one_row_kept_and_dropped_as_one(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        bench = await settled(pilot)
        bench.action_choose(HEAD)
        await pilot.press("2")
        await settled(pilot)
        single = len(bench.table.rows)
        bench.table.move_to_key("m0->a2.h1<k>")
        await pilot.press("i", "i", "i", "i")
        await settled(pilot)
        assert bench.view.inputs == TOGETHER and "[q+k+v]" in screen_text(app)
        rows = bench.table.rows
        assert len(rows) == single // 3 and all(row.exact is not None for row in rows)
        assert {row.edge: row.exact for row in rows} == {
            row.edge: row.exact for row in session.candidates(HEAD, TOGETHER)
        }
        bench.table.move_to_key("m0->a2.h1")
        await pilot.press("A")
        await settled(pilot)
        await pilot.press("d")
        await settled(pilot)
        row = bench.table.highlighted
        assert row is not None and row.edge == "m0->a2.h1" and row.kept
        expected = session.if_inputs_toggled("m0->a2.h1")
        assert row.drop_cost == pytest.approx(
            expected[0] - session.status().circuit_metric, abs=1e-5
        )
        await pilot.press("space")
        await settled(pilot)
        gone = members_of(session.graph, "m0->a2.h1")
        assert not any(session.circuit.has(edge) for edge in gone)
        assert session.status().circuit_metric == pytest.approx(expected[0], abs=1e-5)
        # On another head it stays; split by role, there are single edges again, the cursor on one.
        bench.action_choose("a2.h0")
        await settled(pilot)
        assert bench.view.inputs == TOGETHER
        bench.table.move_to_key("m0->a2.h0")
        await pilot.press("vertical_line")
        await settled(pilot)
        assert bench.view.inputs == "qkv" and any("@" in row.edge for row in bench.table.rows)
        await pilot.press("i", "i", "i", "i")
        assert bench.view.inputs == "qkv", "not together where it is by role"
        await pilot.press("vertical_line", "i", "i", "i", "i")
        await settled(pilot)
        assert bench.view.inputs == TOGETHER
        bench.shown.find_edge("m0->a2.h0<q>")
        assert bench.table.highlighted is not None
        assert bench.table.highlighted.edge == "m0->a2.h0"
