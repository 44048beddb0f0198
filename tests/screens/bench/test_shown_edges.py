"""The table that follows the tree's cursor, however its timers and the keys interleave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.timer import Timer

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from tests.screens.bench.test_bench import bench_of, settled
from tests.support.tiny_sessions import until
from tests.support.toy_session import toy_session

pytestmark = pytest.mark.dependencies


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
