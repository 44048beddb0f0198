"""Screens above the bench whose commands have effects computed first show it, and drop it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.widgets.decisions import Decides
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.key_bursts import send
from tests.support.tiny_sessions import until
from tests.support.toy_session import toy_session


@pytest.mark.parametrize(("key", "sets"), [("g", "logits"), ("at", "logits")])
async def test_keys_wait_and_escape_drops_it(tmp_path: Path, key: str, sets: str) -> None:
    session, engine = toy_session(tmp_path, layers=4, heads=4)
    app = WorkbenchApp(session=session)
    engine.gate.clear()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.key_queue.idle and app.screen.is_mounted)
        await pilot.press("c", key)  # what is swept would hold up all
        await until(pilot, lambda: isinstance(app.screen, Decides) and app.key_queue.idle)
        screen = app.screen
        assert isinstance(screen, Decides)
        worker = getattr(screen, "_commands", None) or getattr(screen, "_background")  # noqa: B009
        ended: list[object] = []
        screen.decide(worker, partial(session.expand, sets), ended.append, ended.append)
        await send(app, "jj", 0)  # the first may set off anything
        await until(pilot, lambda: "1 key waits" in screen_text(app))
        assert "exact effects first 0 of" in screen_text(app)
        await send(app, "⎋", 0)
        await until(pilot, lambda: app.key_queue.waiting == 0)
        engine.gate.set()
        await until(pilot, lambda: screen.decisions.now is None)
        assert app.screen is screen and not session.commands() and not ended
        screen.decide(worker, partial(session.expand, sets), ended.append, ended.append)
        await until(pilot, lambda: bool(ended))
        assert session.commands() and "exact effects first" not in screen_text(app)
        await pilot.press("escape")
        await settled(pilot)
