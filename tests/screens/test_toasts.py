"""Toasts: seen on their own screen alone, never twice, never over a dialog."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.widgets.dialogs import Ask
from tests.screens.bench.test_bench import settled
from tests.support.tiny_sessions import tiny_session, until


def told(app: WorkbenchApp) -> list[str]:
    return [notification.message for notification in app._notifications]


def from_bench(app: WorkbenchApp, bench: object, words: str) -> None:
    """As a thread's answer comes: in the turn of the bench's own messages."""
    from screens.bench.screen import BenchScreen

    assert isinstance(bench, BenchScreen)
    bench.call_later(bench.failed, words)


async def test_none_lies_over_a_dialog_and_none_is_lost(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        bench = await settled(pilot)
        app.clear_notifications()
        bench.failed("seen before")
        await pilot.pause()
        assert told(app) == ["seen before"]
        await pilot.press("t")
        await pilot.pause()
        assert isinstance(app.screen, Ask) and told(app) == []
        from_bench(app, bench, "while it was open")
        await pilot.pause()
        assert told(app) == []
        await pilot.press("escape")
        await pilot.pause()
        assert told(app) == ["seen before", "while it was open"]


async def test_none_says_what_is_said_already(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        bench = await settled(pilot)
        app.clear_notifications()
        await pilot.press("right_square_bracket", "u", "u", "u")
        await settled(pilot)
        said = told(app)
        assert said and len(said) == len(set(said))
        bench.failed("once")
        await pilot.pause()
        bench.failed("once")
        await pilot.pause()
        assert told(app).count("once") == 1


async def test_keys_in_a_burst_do_not_pile_them_up(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        bench = await settled(pilot)
        app.clear_notifications()
        bench.failed("an error stays")
        for i in range(5):
            bench.notify(f"{i} is done")
            await pilot.pause()
        bench.notify("A long one, which has to go on in the next line of its own, is no wider.")
        await pilot.pause()
        assert [words for words in told(app) if "is done" in words] == ["4 is done"]
        assert told(app)[0] == "an error stays" and len(told(app)) == 3
        await until(pilot, lambda: len(app.screen.query("Toast")) == 3)
        shown = {toast.region.width for toast in app.screen.query("Toast")}
        assert max(shown) == 57 and min(shown) < 20
        assert all(toast.region.right < 80 for toast in app.screen.query("Toast"))


async def test_it_goes_with_its_screen(tmp_path: Path) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path))
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.clear_notifications()
        await pilot.press("g")
        await pilot.pause()
        await pilot.press("minus")
        await pilot.pause()
        assert told(app) == ["There is no group under the cursor."]
        await pilot.press("escape")
        await pilot.pause()
        assert told(app) == []


async def test_a_screenshot_goes_where_one_is_and_says_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = WorkbenchApp(session=tiny_session(tmp_path / "s"))
    monkeypatch.chdir(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        app.clear_notifications()
        app.action_screenshot()
        app.action_screenshot()
        await pilot.pause()
        files = sorted(path.name for path in tmp_path.glob("*.svg"))
        assert files == ["workbench-1.svg", "workbench-2.svg"]
        assert all(any(name in words for words in told(app)) for name in files)
        assert "logits" in (tmp_path / files[0]).read_text(encoding="utf-8")
        app.action_screenshot(path=str(tmp_path / "nowhere"))
        await pilot.pause()
        assert "was not written: its folder does not exist" in told(app)[-1]
