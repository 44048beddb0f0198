"""What the bench shows while the tree's cursor moves, however fast keys come."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.bench import shown_edges
from tests.screens.bench.test_bench import settled
from tests.support.tiny_sessions import tiny_session, until


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
