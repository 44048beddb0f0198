"""Keys sent to the app as a driver sends them: all at once, or with a rest between."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from textual import events
from textual._context import visible_screen_stack
from textual.keys import key_to_character
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input
from textual.widgets._toast import Toast

from screens.app import WorkbenchApp
from screens.base.key_queue import _rests
from screens.base.worker import _workers
from screens.bench.screen import BenchScreen
from screens.loading import Loading
from screens.readouts.panel import Readouts
from screens.setup.screen import SetupScreen
from tests.support.patience import Patience

GAP = 0.05
"""Seconds between two keys of somebody who types fast."""
LOOKS = 3
"""How often the app has to be found calm."""
FRAMES = 50
"""Looks at screens below a dialog: for as long as three frames take."""
GLANCE = 0.001
"""Seconds between two looks."""
WORDS = {" ": "space", "/": "slash", ".": "full_stop", "[": "left_square_bracket",
         "]": "right_square_bracket", "?": "question_mark", "(": "left_parenthesis",
         ")": "right_parenthesis", "-": "minus", "<": "less_than_sign", ">": "greater_than_sign",
         ",": "comma", "=": "equals_sign", "#": "number_sign", "*": "asterisk",
         "+": "plus", "&": "ampersand", ";": "semicolon", "%": "percent_sign",
         "~": "tilde", "\\": "backslash", '"': "quotation_mark", "!": "exclamation_mark",
         "$": "dollar_sign", "_": "underscore", ":": "colon", "|": "vertical_line",
         "{": "left_curly_bracket", "}": "right_curly_bracket", "'": "apostrophe"}  # fmt: skip
NAMED = {"⏎": "enter", "⎋": "escape", "⇥": "tab", "⌫": "backspace", "↓": "down", "↑": "up",
         "←": "left", "→": "right", "⇤": "shift+tab", "␎": "ctrl+n", "␙": "ctrl+y", "^": "ctrl+p",
         "@": "ctrl+g", "⊛": "at", "⊼": "f2", "⊽": "f3", "⇲": "end", "⇟": "pagedown"}  # fmt: skip


def key_event(sign: str) -> events.Key:
    """The key that a terminal sends for a character, or for one of the arrows and the like.

    Args:
        sign: a character, one of `NAMED`, or Textual's name of a key.
    """
    if sign in NAMED:
        return events.Key(NAMED[sign], None)
    if len(sign) > 1:
        return events.Key(sign, key_to_character(sign))
    return events.Key(WORDS.get(sign, sign), sign)


async def send(app: WorkbenchApp, keys: Iterable[str], gap: float) -> None:
    """Send keys through the driver's door; `gap`: seconds between them."""
    driver = app._driver
    assert driver is not None
    for sign in keys:
        driver.send_message(key_event(sign))
        if gap:
            await asyncio.sleep(gap)
    await asyncio.sleep(0)


async def send_slowly(app: WorkbenchApp, keys: Iterable[str]) -> None:
    """Send keys with `GAP` between them, of which is left out what nothing can happen in."""
    for sign in keys:
        await send(app, [sign], 0)
        end = time.monotonic() + GAP
        await _until_calm(app, lambda end=end: time.monotonic() >= end, horizon=end)  # type: ignore[misc]


def _under_way(app: WorkbenchApp, horizon: float) -> bool:
    """Whether anything can come of the keys that were sent until then, without another one."""
    shown = app.screen
    ready = isinstance(shown, Loading) or len(app.screen_stack) > 1
    return (
        not app.key_queue.idle
        or not ready
        or _computing()
        or any(not _rests(pump) for pump in _pumps(app))
        or app.key_queue._drawing
        or any(_due(pump, horizon) for pump in _pumps(app))
        or any(
            not screen.quiet
            for screen in app.screen_stack
            if horizon == math.inf and isinstance(screen, BenchScreen | SetupScreen)
        )
    )


def _computing() -> bool:
    """Whether anything is computed, but for what loads without an end."""
    busy = [worker for worker in _workers if worker.waiting and worker.lives]
    return any(not isinstance(worker._receiver, Loading) for worker in busy)


def _pumps(app: WorkbenchApp) -> Iterator[Widget | WorkbenchApp]:
    yield app
    for stack in app._screen_stacks.values():
        for screen in stack:
            yield from (n for n in screen.walk_children(with_self=True) if isinstance(n, Widget))


def _due(pump: MessagePump, horizon: float) -> bool:
    """Whether something is to be done until then, once."""
    if isinstance(pump, Toast) or (isinstance(pump, Readouts) and not pump.is_on_screen):
        return False
    timers = (t for t in pump._timers if t._repeat is not None and t._task and not t._task.done())
    return any(getattr(timer, "due", 0.0) < horizon for timer in timers)


async def _until_calm(
    app: WorkbenchApp, over: Callable[[], bool], rest: float = 0.0, horizon: float = math.inf
) -> bool:
    looks, since = 0, 0.0
    # A busy thread can keep the app from running: a while in which it did not run says nothing.
    while looks < LOOKS or time.monotonic() - since < rest:
        if over():
            return False
        if _under_way(app, horizon):
            looks = 0
        else:
            since = time.monotonic() if looks == 0 else since
            looks += 1
        await asyncio.sleep(GLANCE)
    return True


async def calm(pilot: Pilot[Any], rest: float = 0.0, seconds: float = 120) -> None:
    """Wait until no key waits, nothing computes or is due, and for a while nothing more comes."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    assert await _until_calm(app, Patience(seconds).over, rest), too_long(app)
    # What shows below a dialog is laid out in its own time; what is hidden, perhaps never.
    for _ in range(FRAMES):
        if not any(screen._layout_required for screen in app._background_screens):
            break
        await asyncio.sleep(GLANCE)


async def heard(pilot: Pilot[Any], seconds: float = 60) -> None:
    """Wait until the last key has had its effect, but for what it computes and shows late."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    patience = Patience(seconds)
    await asyncio.sleep(GLANCE)
    while not app.key_queue.idle or _computing():
        assert not patience.over(), too_long(app)
        await asyncio.sleep(GLANCE)


def too_long(app: WorkbenchApp) -> str:
    """That it is still not at rest, and what it does."""
    busy = [f"{type(w._receiver).__name__} computes" for w in _workers if w.waiting and w.lives]
    if not app.key_queue.idle:
        busy.append("keys wait")
    busy += [f"{type(pump).__name__} has messages" for pump in _pumps(app) if not _rests(pump)]
    busy += [f"{type(pump).__name__} is due" for pump in _pumps(app) if _due(pump, math.inf)]
    return f"it took too long: {', '.join(dict.fromkeys(busy)) or type(app.screen).__name__}"


def ended(seconds: float = 10) -> None:
    """Wait for what screens that are gone have begun: a file that is written, in this folder."""
    for worker in list(_workers):
        worker._thread.join(seconds)


def bound(screen: Screen[Any]) -> list[str]:
    """All keys that the screen and what is on it bind, by Textual's names."""
    nodes = [node for node in screen.walk_children(with_self=True) if isinstance(node, Widget)]
    return sorted({key for node in nodes if node.display for key in node._bindings.key_to_bindings})


def seen(app: WorkbenchApp) -> str:
    """What is on the screen, what has the focus, and where the cursor of an input stands.

    Readouts below a dialog are left out: what came before it opened is shown, the rest is not
    computed until it closes.
    """
    visible_screen_stack.set(app._background_screens)  # a dialog shows what lies below
    strips = app.screen._compositor.render_strips()
    rows = ["".join(segment.text for segment in strip) for strip in strips]
    for screen in app._background_screens:
        for region in (panel.region for panel in screen.query(Readouts) if panel.display):
            for y in range(region.y, min(region.bottom, len(rows))):
                rows[y] = rows[y][: region.x] + rows[y][region.right :]
    text = "\n".join(rows)
    focused = app.focused
    where = f"{type(focused).__name__} {focused.id}" if focused is not None else "nothing"
    if isinstance(focused, Input):
        where += f" at {focused.cursor_position}"
    stack = " > ".join(type(screen).__name__ for screen in app.screen_stack)
    return f"{text}\n{stack}\n{where}"
