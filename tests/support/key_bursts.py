"""Keys sent to the app as a driver sends them: all at once, or with a rest between."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual import events
from textual._context import visible_screen_stack
from textual.pilot import Pilot
from textual.widgets import Input

from screens.app import WorkbenchApp
from screens.base.worker import _threads, owed
from screens.bench.screen import BenchScreen
from screens.loading import Loading
from screens.neurons.screen import NeuronsScreen
from screens.setup.screen import SetupScreen

GAP = 0.05
"""Seconds between two keys of somebody who types fast."""
LOOKS = 8
"""How often the app has to be found calm."""
WORDS = {" ": "space", "/": "slash", ".": "full_stop", "[": "left_square_bracket",
         "]": "right_square_bracket", "?": "question_mark", "(": "left_parenthesis",
         ")": "right_parenthesis", "-": "minus", "<": "less_than_sign", ">": "greater_than_sign",
         ",": "comma", "=": "equals_sign", "#": "number_sign", "*": "asterisk",
         "+": "plus", "&": "ampersand", ";": "semicolon", "%": "percent_sign",
         "~": "tilde", "\\": "backslash", '"': "quotation_mark", "!": "exclamation_mark",
         "$": "dollar_sign"}  # fmt: skip
NAMED = {"⏎": "enter", "⎋": "escape", "⇥": "tab", "⌫": "backspace", "↓": "down", "↑": "up",
         "←": "left", "→": "right", "⇤": "shift+tab", "␎": "ctrl+n", "␙": "ctrl+y", "^": "ctrl+p",
         "@": "ctrl+g", "⊛": "at"}  # fmt: skip


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


async def calm(pilot: Pilot[Any], rest: float = 0.25, seconds: float = 30) -> None:
    """Wait until no key waits, nothing computes, and for a while nothing more comes of it."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    end, since, looks = time.monotonic() + seconds, 0.0, 0
    # A busy thread can keep the app from running: a while in which it did not run says nothing.
    while looks < LOOKS or time.monotonic() - since < rest:
        assert time.monotonic() < end, "it took too long"
        shown = [s for s in app.screen_stack if isinstance(s, BenchScreen | SetupScreen)]
        reading = [s for s in app.screen_stack if isinstance(s, NeuronsScreen) and not s.quiet]
        loading = any(isinstance(screen, Loading) for screen in app.screen_stack)
        busy = not app.key_queue.idle or owed() or not (shown or loading) or reading
        if busy or not all(screen.is_mounted and screen.quiet for screen in shown):
            looks = 0
        else:
            since = time.monotonic() if looks == 0 else since
            looks += 1
        await pilot.pause(0.01)


def ended(seconds: float = 10) -> None:
    """Wait for what screens that are gone have begun: a file that is written, in this folder."""
    for thread in list(_threads):
        thread.join(seconds)


def seen(app: WorkbenchApp) -> str:
    """What is on the screen, what has the focus, and where the cursor of an input stands."""
    visible_screen_stack.set(app._background_screens)  # a dialog shows what lies below
    strips = app.screen._compositor.render_strips()
    text = "\n".join("".join(segment.text for segment in strip) for strip in strips)
    focused = app.focused
    where = f"{type(focused).__name__} {focused.id}" if focused is not None else "nothing"
    if isinstance(focused, Input):
        where += f" at {focused.cursor_position}"
    stack = " > ".join(type(screen).__name__ for screen in app.screen_stack)
    return f"{text}\n{stack}\n{where}"
