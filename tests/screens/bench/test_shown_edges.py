"""What the bench shows while the tree's cursor moves, however keys and timers interleave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.timer import Timer

from screens.app import WorkbenchApp
from screens.bench import shown_edges
from screens.bench.screen import BenchScreen
from tests.screens.bench.test_bench import bench_of, settled
from tests.support.tiny_sessions import tiny_session, until
from tests.support.toy_session import toy_session

pytestmark = pytest.mark.dependencies


async def test_all_follows_the_cursor_after_a_key_that_does_not_move_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        monkeypatch.setattr(shown_edges, "SETTLE", 100)
        await pilot.press("j", "j")
        await until(pilot, lambda: app.key_queue.idle)
        here = bench.panels.tree_rows.highlighted
        assert here is not None and here.name != bench.view.node == "logits"
        await pilot.press("comma")
        await until(pilot, lambda: app.key_queue.idle)
        assert bench.view.node == here.name and bench.shown.visited == ["logits"]


async def test_readouts_that_one_goes_to_are_of_the_cursor_s_node_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        await pilot.press("e")
        await settled(pilot)
        monkeypatch.setattr(shown_edges, "SETTLE", 100)
        await pilot.press("j", "3")
        await until(pilot, lambda: app.key_queue.idle)
        assert bench.panels.readouts.node == bench.view.node != "logits"


async def test_a_timer_that_was_under_way_when_it_was_stopped_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped timer's callback may stand in the queue already, behind the key that stopped it."""
    session, engine = toy_session(tmp_path)
    session.expand("logits")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        bench = bench_of(app)
        begun: dict[str, Callable[[], object]] = {}
        set_timer = BenchScreen.set_timer

        def recording(self: BenchScreen, delay: float, callback: Callable[[], object]) -> Timer:
            begun[callback.__name__] = callback
            return set_timer(self, delay, callback)

        monkeypatch.setattr(BenchScreen, "set_timer", recording)
        engine.gate.clear()
        await pilot.press("1", "home", "j")
        await until(pilot, lambda: "_come_whole" in begun)
        bench.shown.settle()  # as the next step of the cursor does
        begun["_come_whole"]()
        engine.gate.set()
        await settled(pilot)
        row = bench.panels.tree_rows.highlighted
        assert row is not None and bench.shown.view.node == row.name != "logits"
