"""PriorityLock: one computation at a time, by rank.

What a person waits for goes before what runs in the background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from typing import TypeVar
from weakref import WeakValueDictionary

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop, Work
from workbench.errors import Cancelled

T = TypeVar("T")


class PriorityLock:
    """A lock with two ranks.

    A plain lock is not fair: a sweep that lets go of it between two chunks would nearly always have
    it again before a waiting command wakes up. Here a chunk waits as long as any command does.

    Glossary: docs/glossary.md#priority-lock.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._busy = False
        self._commands_waiting = 0

    @contextmanager
    def foreground(self) -> Iterator[None]:
        """Hold the turn for what a person has asked for; waits for one chunk at most."""
        with self._condition:
            self._commands_waiting += 1
            try:
                self._condition.wait_for(lambda: not self._busy)
                self._busy = True
            finally:
                self._commands_waiting -= 1
        try:
            yield
        finally:
            self._end()

    @contextmanager
    def background(self) -> Iterator[None]:
        """Hold the turn for one piece of long work, when no command wants it."""
        with self._condition:
            self._condition.wait_for(lambda: not self._busy and not self._commands_waiting)
            self._busy = True
        try:
            yield
        finally:
            self._end()

    def give_way(self) -> None:
        """Between two steps of background work that holds the turn: let commands go first."""
        with self._condition:
            if not self._commands_waiting:
                return
        self._end()
        with self._condition:
            self._condition.wait_for(lambda: not self._busy and not self._commands_waiting)
            self._busy = True

    def _end(self) -> None:
        with self._condition:
            self._busy = False
            self._condition.notify_all()


_of_model: WeakValueDictionary[int, PriorityLock] = WeakValueDictionary()
_making = Lock()


def lock_of(model: object) -> PriorityLock:
    """The one lock of all sessions on this model: they share its device and its processors.

    So a command waits for one chunk of whatever another session computes, and no two of them take
    memory at once. Whoever keeps the lock keeps the model too, by whose identity it is known.
    """
    with _making:
        return _of_model.setdefault(id(model), PriorityLock())


def finish_in_background(
    lock: PriorityLock,
    work: Work[T],
    cancel: Stop | None = None,
    on_piece: Callable[[float], None] | None = None,
) -> T:
    """Drive work to its end, each piece in a turn of its own, and return its result.

    Args:
        cancel: stops it between two pieces when set.
        on_piece: told the fraction done after every piece, outside of any turn.

    Raises:
        Cancelled: it was stopped.
        WorkbenchError: it failed.
    """
    while True:
        if cancel is not None and cancel.is_set():
            work.close()
            raise Cancelled
        with lock.background(), failures_as_sentences():
            try:
                fraction = next(work)
            except StopIteration as stop:
                result: T = stop.value
                return result
        if on_piece is not None:
            on_piece(fraction)
