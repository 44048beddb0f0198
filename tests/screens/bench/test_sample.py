"""A session of more pairs than edits are answered from, on the bench: at once, then of all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.tiny_sessions import tiny_session, until
from workbench.session.session import Session
from workbench.session.settling import Settler
from workbench.session.views import Status


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return tiny_session(tmp_path, pairs=12, sample=5)


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_the_numbers_of_all_pairs_follow_every_edit(
    session: Session, size: tuple[int, int]
) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for keys in (["e"], ["2", "space"], ["u"]):
            await pilot.press(*keys)
            await until(pilot, lambda: app.screen.quiet)  # type: ignore[attr-defined]
            sample = session.status().sample
            assert sample is not None and sample.whole is not None and sample.margin is not None
            assert sample.whole.faithfulness is not None
            text = screen_text(app)
            assert size[0] < 100 or "5 of 12 pairs" in text  # there the last message stands
            assert f"±{sample.margin:.3f}" in text
            assert f"all 12: {sample.whole.faithfulness:.4f}".replace("-", "−") in text


async def test_an_edit_stops_what_is_computed_for_the_circuit_before_it(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun, ended = Settler.run, threading.Semaphore(0), []

    def run(self: Settler, progress: Callable[[float], None], cancel: threading.Event) -> Status:
        begun.release()
        if session.status().revision == 0:
            assert cancel.wait(10)
        ended.append(session.status().revision)
        return real(self, progress, cancel)

    monkeypatch.setattr(Settler, "run", run)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen) and begun.acquire(timeout=0))
        assert "all 12: 0% done" in screen_text(app)
        await pilot.press("e")
        bench: Any = app.screen
        await until(pilot, lambda: bench.quiet and len(ended) == 2)
        sample = session.status().sample
        assert sample is not None and sample.whole is not None


async def test_a_failure_is_told_once_and_nothing_is_lost(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(self: Settler, *_: Any) -> Status:
        asked.append(session.status().revision)
        raise MemoryError

    monkeypatch.setattr(Settler, "run", run)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        bench: Any = app.screen
        bench.refresh_all()
        await until(pilot, lambda: bench.quiet)
        assert asked == [0]
        before = session.status()
        await pilot.press("e")
        await until(pilot, lambda: bench.quiet and len(asked) == 2)
        assert session.status().revision == before.revision + 1
        told = [note.message for note in app._notifications]
        assert sum("not enough memory" in one for one in told) == 1  # the same twice is shown once
        assert "all 12: not known" in screen_text(app)


async def test_pairs_outside_of_the_sample_are_marked_and_taken_in(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(100, 30)) as pilot:
        await settled(pilot)
        session.pairs.put_aside([next(i for i, p in enumerate(session.pairs.all) if p.used)])
        await pilot.press("ctrl+y")
        await until(pilot, lambda: "12 pairs, 1 aside, 4 in the sample" in screen_text(app))
        out = next(i for i, pair in enumerate(session.pairs.all) if pair.unsampled)
        assert f"· {out + 1:>5}" in screen_text(app)
        await pilot.press(*["down"] * out, "space")
        await until(pilot, lambda: session.pairs.all[out].used)
        assert session.pairs.all[out] == replace(session.pairs.all[out], unsampled=False)
