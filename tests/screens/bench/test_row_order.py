"""Rows stay where they are while keys come, however soon exact effects do."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from screens.app import WorkbenchApp
from screens.bench import row_order, shown_edges
from tests.screens.bench.test_bench import settled
from tests.support.key_bursts import key_event
from tests.support.tiny_sessions import tiny_session, until

MOVES = ("jjs jj ", "jf>0.0⏎jj ", "sssj j ", "1wwjw ")
"""Keys that go by the order of rows, in the table of a node whose sweep is under way."""


def gated_session(folder: Path, gate: threading.Event) -> Any:
    """Its sweeps come to their end once the gate is open."""
    folder.mkdir()
    session = tiny_session(folder)
    session.expand("logits")
    sweep = session.sweep

    def waiting(*asked: Any, cancel: threading.Event, **how: Any) -> bool:
        while not (gate.is_set() or cancel.is_set()):
            gate.wait(0.01)
        return sweep(*asked, cancel=cancel, **how)

    session.sweep = waiting  # type: ignore[method-assign,assignment]
    return session


async def after(
    folder: Path, patch: pytest.MonkeyPatch, keys: str, ends_before: int
) -> tuple[list[str], list[str], object]:
    """Commands, rows and row of the cursor, the sweep having ended before that key."""
    gate = threading.Event()
    gate.set()
    app = WorkbenchApp(session=gated_session(folder, gate))
    async with app.run_test(size=(160, 48)) as pilot:
        bench = await settled(pilot)
        patch.setattr(row_order, "REST", 100)  # nobody rests between two keys
        gate.clear()
        await pilot.press("j", "2")
        await until(pilot, lambda: bench.runner.sweep is not None)
        if keys.startswith("1"):
            patch.setattr(shown_edges, "SETTLE", 100)  # in the tree a shorter pause is a rest
        for place, sign in enumerate([*keys, ""]):
            if place == ends_before:
                gate.set()
                await until(pilot, lambda: bench.runner.idle)
                bench.shown.look()  # as it may come at any moment
            if sign:
                app.post_message(key_event(sign))
                await pilot.pause()
                await until(pilot, lambda: app.key_queue.idle)
        gate.set()
        await until(pilot, lambda: bench.runner.idle)
        await pilot.pause()
        rows = [row.edge for row in bench.table.rows]
        here = bench.table.highlighted
        return bench.session.commands(), rows, here and here.edge


@pytest.mark.parametrize("keys", MOVES)
async def test_keys_do_the_same_whenever_a_sweep_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    with monkeypatch.context() as patch:
        early = await after(tmp_path / "early", patch, keys, 1)
    with monkeypatch.context() as patch:
        late = await after(tmp_path / "late", patch, keys, len(keys))
    assert early == late
    assert len(early[0]) > 1  # some edge was kept or dropped
