"""The bench is left while something of it still waits for its moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

from screens.app import WorkbenchApp
from screens.bench.panels import Panels
from screens.bench.screen import BenchScreen
from tests.support.tiny_sessions import tiny_session, until


async def test_a_cursor_that_comes_to_rest_while_the_screen_closes(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        bench = app.screen
        assert isinstance(bench, BenchScreen)
        # The panels are held up: they close after what stands beside them.
        bench.query_one(Panels).call_later(asyncio.sleep, 0.5)
        bench.shown.settle()
        await bench.remove()
