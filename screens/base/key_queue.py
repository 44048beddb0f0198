"""KeyQueue: keys in their turn, each heard when the ones before it have had their effect.

Textual hands a key to whatever has the focus when it is read. Keys that arrive together, after a
stall of the line or from a paste, would all go to the focus as it was before the first of them, and
to lists that have not been filtered yet. Here the next one waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Protocol

from textual import events
from textual.app import App
from textual.errors import NoWidget
from textual.widget import Widget

PATIENCE = 0.1
"""Seconds that keys wait for what the ones before them compute: longer would feel like a stall."""
DRAWN = 1.0
"""Seconds that keys wait at most for the next frame, if something is to be done after it."""
STUCK = 2.0
"""Seconds after which a key goes on though messages are still being dealt with."""
GLANCE = 0.003
"""Seconds between two looks at what is being computed."""
LEAVING = ("ctrl+q", "ctrl+c", "ctrl+l")
"""Keys that do not wait for what is decided."""
SPIN = 64
"""Looks at messages between two rests."""


class Deciding(Protocol):
    """What is decided once enough is computed for it; dropped while it is `computing`."""

    cancel: threading.Event

    @property
    def computing(self) -> bool:
        """It can be dropped by setting `cancel`."""


class KeyQueue:
    """Lets keys, pastes and clicks through to the app one after another.

    Args:
        app: whose keys they are; it asks `holds` of each event that it gets.
        computing: whether something was asked for in these last seconds that is still computed in
            a thread, and on which the next key may depend.
        heard: called when a key has had its effect, before the next one is heard.
        deciding: what was asked for and is decided once enough is computed for it; keys wait for as
            long as that takes, and escape drops it and those before it.
    """

    def __init__(
        self,
        app: App[Any],
        computing: Callable[[float], bool],
        heard: Callable[[], None],
        deciding: Callable[[], Deciding | None] = lambda: None,
    ) -> None:
        self._app = app
        self._deciding = deciding
        self._computing = computing
        self._heard = heard
        self._waiting: deque[events.Event] = deque()
        self._released: events.Event | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """No key waits, and what the last one set off has been done."""
        return self._task is None

    def holds(self, event: events.Event) -> bool:
        """Whether this event has to wait; it comes again when it is its turn."""
        if event is self._released or not isinstance(event, events.InputEvent | events.Paste):
            return False
        if isinstance(event, events.InputEvent) and event.is_forwarded:
            return False
        if self._passes(event):
            return False
        apart = _apart(event)
        if self._task is not None or len(apart) > 1:
            self._waiting.extend(apart)
            if self._task is None:
                self._task = asyncio.create_task(self._take_turns())
            return True
        if not isinstance(event, events.MouseMove):  # which sets off nothing that others need
            self._task = asyncio.create_task(self._take_turns())
        return False

    @property
    def waiting(self) -> int:
        """How many keys wait."""
        return sum(isinstance(event, events.Key) for event in self._waiting)

    def _passes(self, event: events.Event) -> bool:
        """Whether an event need not wait for what is decided: it looks, leaves, or drops that."""
        deciding = self._deciding()
        if deciding is None or not deciding.computing:
            return False
        if isinstance(event, events.Key):
            return event.key in LEAVING
        if isinstance(event, events.MouseDown | events.MouseUp):
            try:
                widget, _ = self._app.screen.get_widget_at(event.x, event.y)
            except NoWidget:
                return False
            return bool(getattr(widget, "AT_ONCE", False))
        return isinstance(event, events.MouseEvent)

    def _drops(self, deciding: Deciding) -> bool:
        """Escape waits: drop what is decided, and the keys before it."""
        keys = [isinstance(e, events.Key) and e.key == "escape" for e in self._waiting]
        if not deciding.computing or True not in keys:
            return False
        for _ in range(keys.index(True) + 1):
            self._waiting.popleft()
        deciding.cancel.set()
        return True

    async def _take_turns(self) -> None:
        try:
            await self._settled()
            while not self._ended:
                self._heard()
                if not self._waiting:
                    return
                self._released = self._waiting.popleft()
                self._app.post_message(self._released)
                await self._settled()
        finally:
            self._task = None

    async def _settled(self) -> None:
        """Wait until nothing that the last key set off is under way."""
        began = monotonic()
        looks = 0
        while monotonic() - began < STUCK and not self._ended:
            if (deciding := self._deciding()) is not None:
                self._drops(deciding)
                began = monotonic()
                await asyncio.sleep(GLANCE)
            elif not all(_rests(pump) for pump in self._pumps()):
                looks += 1
                await asyncio.sleep(0 if looks % SPIN else GLANCE)
            elif self._computing(PATIENCE) or (self._drawing and monotonic() - began < DRAWN):
                await asyncio.sleep(GLANCE)
            else:
                return

    @property
    def _ended(self) -> bool:
        """Whether the app is leaving: its screens are being taken apart, and hear nothing more."""
        screens = self._app.screen_stack
        return not self._app.is_running or any(not one.is_attached for one in screens[-1:])

    @property
    def _drawing(self) -> bool:
        """Whether the screen is to be laid out or scrolled, or something done once it is drawn.

        A page is as long as its screen, and what has no place yet cannot be scrolled.
        """
        screens = self._app.screen_stack
        due = ("_callbacks", "_layout_required", "_layout_widgets", "_scroll_required")
        return bool(screens) and any(getattr(screens[-1], one, None) for one in due)

    def _pumps(self) -> Iterator[Widget | App[Any]]:
        """All that deals with messages: the app, its screens, and their widgets."""
        yield self._app
        for screen in list(self._app.screen_stack):
            for node in screen.walk_children(with_self=True):
                if isinstance(node, Widget):
                    yield node


def _apart(event: events.Event) -> list[events.Event]:
    """Escape and the letter after it, which a terminal sends as it sends alt and the letter.

    No key of ours goes with alt.
    """
    name = event.key if isinstance(event, events.Key) else ""
    *modifiers, letter = name.split("+")
    if "alt" not in modifiers or not set(modifiers) <= {"alt", "shift"} or len(letter) != 1:
        return [event]
    letter = letter.upper() if "shift" in modifiers else letter
    return [events.Key("escape", "\x1b"), events.Key(letter, letter)]


def _rests(pump: Widget | App[Any]) -> bool:
    """Whether it has no message left, and has dealt with the last one."""
    if pump.message_queue_size or not pump.is_mounted:
        return False
    # Textual says how many messages wait, but not whether one is being dealt with: only when none
    # is, does the pump itself wait for its queue.
    ready = getattr(getattr(pump, "_message_queue", None), "ready_event", None)
    return bool(getattr(ready, "_waiters", True))
