"""KeyQueue: keys in their turn, each heard when all that the ones before it set off has been done.

Textual hands a key to whatever has the focus when it is read. Keys that arrive together, after a
stall of the line or from a paste, would all go to the focus as it was before the first of them, and
to lists that have not been filtered yet. Here the next one waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump
from textual.widget import Widget

PATIENCE = 0.25
"""Seconds that a key waits for what those before it compute: longer would feel like a stall."""
STUCK = 2.0
"""Seconds after which a key goes on though messages are still being dealt with."""
GLANCE = 0.003
"""Seconds between two looks at what is being computed."""


class KeyQueue:
    """Lets keys, pastes and clicks through to the app one after another.

    Args:
        app: whose keys they are; it asks `holds` of each event that it gets.
        computing: whether something that a key asked for is computed in a thread, of which the
            next key may depend.
    """

    def __init__(self, app: App[Any], computing: Callable[[], bool]) -> None:
        self._app = app
        self._computing = computing
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
        if self._task is not None:
            self._waiting.append(event)
            return True
        if not isinstance(event, events.MouseMove):  # which sets off nothing that others need
            self._task = asyncio.create_task(self._take_turns())
        return False

    async def _take_turns(self) -> None:
        try:
            await self._settled()
            while self._waiting:
                self._released = self._waiting.popleft()
                self._app.post_message(self._released)
                await self._settled()
        finally:
            self._task = None

    async def _settled(self) -> None:
        """Wait until nothing that the last key set off is under way."""
        began = monotonic()
        while (waited := monotonic() - began) < STUCK:
            busy = next(self._busy(), None)
            if busy is not None:
                await _dealt_with(busy, STUCK - waited)
            elif self._computing() and waited < PATIENCE:
                await asyncio.sleep(GLANCE)
            elif await self._idled():
                return

    async def _idled(self) -> bool:
        """Let what is done in idle moments happen, such as styles; whether that was all."""
        for pump in (self._app, *self._app.screen_stack):
            idled = asyncio.Event()
            if pump.is_running and pump.call_later(idled.set):
                await asyncio.wait_for(idled.wait(), STUCK)
        return next(self._busy(), None) is None

    def _busy(self) -> Iterator[MessagePump]:
        """Those of the app, its screens and their widgets that have messages to deal with."""
        if _has_messages(self._app):
            yield self._app
        for screen in list(self._app.screen_stack):
            for node in screen.walk_children(with_self=True):
                if isinstance(node, Widget) and (not node.is_mounted or _has_messages(node)):
                    yield node


def _has_messages(pump: MessagePump) -> bool:
    """Whether messages wait there or are being dealt with."""
    return bool(getattr(_queue_of(pump), "_unfinished_tasks", pump.message_queue_size))


async def _dealt_with(pump: MessagePump, seconds: float) -> None:
    """Wait until a pump has no messages left, but not for ever."""
    queue = _queue_of(pump)
    if queue is None or not _has_messages(pump):
        await asyncio.sleep(GLANCE)
        return
    try:
        await asyncio.wait_for(queue.join(), seconds)
    except TimeoutError:
        return


def _queue_of(pump: MessagePump) -> asyncio.Queue[Any] | None:
    return getattr(pump, "_message_queue", None)
