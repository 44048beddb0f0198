"""What a key decides is decided by effects that are all known, and keys wait for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.widgets.decisions import Decision, decision_line
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.key_bursts import send
from tests.support.tiny_sessions import until
from tests.support.toy_session import ToyEngine, toy_session
from workbench.session.session import Session


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Session, ToyEngine]:
    return toy_session(tmp_path, layers=4, heads=4)


async def test_keys_after_it_wait_until_it_is_carried_out(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    engine.gate.clear()
    async with app.run_test(size=(80, 24)) as pilot:
        await send(app, "eu", 0)
        await until(pilot, lambda: "1 key waits" in screen_text(app))
        assert "exact effects first 0 of" in screen_text(app) and not session.commands()
        engine.gate.set()
        await until(pilot, lambda: session.status().can_redo)
        bench = await settled(pilot)
        assert "exact effects first" not in screen_text(app) and bench.rules.decisions.now is None
        session.redo()
        logits = session.candidates("logits")
        assert all(edge.kept == (abs(edge.exact or 0) >= session.threshold) for edge in logits)


async def test_escape_drops_it_and_the_keys_before(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    engine.gate.clear()
    async with app.run_test(size=(80, 24)) as pilot:
        await send(app, "eA", 0)
        await until(pilot, lambda: "1 key waits" in screen_text(app))
        await send(app, "⎋", 0)
        await until(pilot, lambda: app.key_queue.waiting == 0)
        engine.gate.set()
        bench = await settled(pilot)
        assert bench.rules.decisions.now is None and app.key_queue.waiting == 0
        assert not session.commands() and session.status().edges == 0
        await pilot.press("e")  # it can be decided again
        await settled(pilot)
        assert session.commands()


async def test_estimates_are_there_at_once(toy: tuple[Session, ToyEngine]) -> None:
    session, engine = toy
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot)
        engine.computed.clear()
        await pilot.press("m", "m", "m")
        await settled(pilot)
        assert "estimates alone" in screen_text(app)
        engine.computed.clear()
        await pilot.press("e")
        await settled(pilot)
        assert engine.computed == [] and session.status().edges
        logits = session.candidates("logits", setting="eap")
        assert all(edge.kept == (abs(edge.eap) >= session.threshold) for edge in logits)


def test_the_line_at_every_width() -> None:
    now = Decision(done=12, total=3456)
    for width in range(60, 200):
        text = decision_line(now, 3, width).plain
        assert len(text) <= width and "12 of 3,456" in text and text.endswith("esc drops it")
