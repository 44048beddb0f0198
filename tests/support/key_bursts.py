"""Keys sent to the app as a driver sends them: all at once, or with a rest between."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import WorkbenchApp
from screens.base.worker import Worker, owed
from screens.bench.screen import BenchScreen

GAP = 0.05
"""Seconds between two keys of somebody who types fast."""
WORDS = {" ": "space", "/": "slash", ".": "full_stop", "[": "left_square_bracket",
         "]": "right_square_bracket", "?": "question_mark", "->": "minus"}  # fmt: skip
NAMED = {"⏎": "enter", "⎋": "escape", "⇥": "tab", "⌫": "backspace", "↓": "down", "↑": "up",
         "←": "left", "→": "right"}  # fmt: skip


def key_event(sign: str) -> events.Key:
    """The key that a terminal sends for a character, or for one of the arrows and the like."""
    if sign in NAMED:
        return events.Key(NAMED[sign], None)
    return events.Key(WORDS.get(sign, sign), sign)


async def send(app: WorkbenchApp, keys: str, gap: float) -> None:
    """Send keys through the driver's door."""
    driver = app._driver
    assert driver is not None
    for sign in keys:
        driver.send_message(key_event(sign))
        if gap:
            await asyncio.sleep(gap)
    await asyncio.sleep(0)


async def calm(pilot: Pilot[Any], workers: set[Worker], seconds: float = 20) -> None:
    """Wait until no key waits, nothing computes, and nothing more comes of what was computed."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    end, since = time.monotonic() + seconds, None
    while since is None or time.monotonic() - since < 0.6:
        assert time.monotonic() < end, "it took too long"
        bench = next((s for s in app.screen_stack if isinstance(s, BenchScreen)), None)
        busy = not app.key_queue.idle or owed() or any(w.waiting for w in workers)
        if busy or (bench is not None and bench.is_mounted and not bench.quiet):
            since = None
        elif since is None:
            since = time.monotonic()
        await pilot.pause(0.01)


def seen(app: WorkbenchApp) -> str:
    """What is on the screen, what has the focus, and where the cursor of an input stands."""
    strips = app.screen._compositor.render_strips()
    text = "\n".join("".join(segment.text for segment in strip) for strip in strips)
    focused = app.focused
    where = f"{type(focused).__name__} {focused.id}" if focused is not None else "nothing"
    if isinstance(focused, Input):
        where += f" at {focused.cursor_position}"
    stack = " > ".join(type(screen).__name__ for screen in app.screen_stack)
    return f"{text}\n{stack}\n{where}"
