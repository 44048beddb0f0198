"""Background: calls of the session away from the screen, in order, none lost.

The screen waits for none. Threads are daemons, unlike those of Textual's thread workers: leaving
must not wait for a model that is being loaded.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import math
import os
import queue
import sys
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any, Generic, TypeVar

from textual.message_pump import MessagePump

from workbench.errors import Cancelled, WorkbenchError

log = logging.getLogger("workbench.screens")

T = TypeVar("T")

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()
_owing: weakref.WeakSet[Worker] = weakref.WeakSet()


def owed(patience: float = math.inf) -> bool:
    """Whether a result that the next key may depend on was asked for in the last seconds.

    A worker of which more patience is asked has its own.
    """
    now = monotonic()
    return any(
        worker.waiting and now - worker.asked < max(patience, worker.patience) for worker in _owing
    )


def leave_without_waiting(code: int) -> None:
    """Let the interpreter end at once, with this exit code, if a thread still computes.

    A thread that comes back from native code into an interpreter that is being taken apart would
    abort the process with a message on the user's terminal.
    """
    if not any(worker.lives for worker in _workers):
        return

    def end() -> None:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)

    atexit.register(end)


def error_sentence(error: BaseException) -> str:
    """What to tell the user of an error: our own sentence as it is, all else as unexpected."""
    if isinstance(error, WorkbenchError):
        return str(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return "There is not enough memory for this; the session is as before. Try fewer pairs."
    said = [type(error).__name__, *str(error).strip().splitlines()[:1]]
    return f"Unexpected: {': '.join(said)}. `workbench report` says what to report."


class Job(Generic[T]):
    """One call in a thread.

    Attributes:
        work: what to call there.
        done: called with the result, in the message loop of the receiver.
        failed: called with the exception, likewise. `Cancelled` is an exception too.
    """

    def __init__(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.work = work
        self.done = done
        self.failed = failed


class Worker:
    """One daemon thread that runs jobs in the order in which they were put.

    Attribute `asked` is when the last job was put, by the clock of `time.monotonic`.

    Make it where an event loop runs. Results are delivered through the receiver's message queue, in
    order, and dropped when the receiver is gone.

    Glossary: docs/glossary.md#worker.
    """

    def __init__(
        self, receiver: MessagePump, name: str, *, owes: bool = False, patience: float = 0.0
    ) -> None:
        """A new worker.

        Args:
            owes: what it computes was asked for by a key, and the next key may depend on it.
            patience: seconds that keys wait for it at least; 0: as for any other.
        """
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._waiting = 0
        self.asked = 0.0
        self.patience = patience
        if owes:
            _owing.add(self)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        _workers.add(self)
        self._thread.start()

    @property
    def lives(self) -> bool:
        """Whether it computes, or takes jobs."""
        return self._thread.is_alive()

    @property
    def waiting(self) -> int:
        """Jobs put whose result was not delivered yet."""
        return self._waiting

    def put(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._waiting += 1
        self.asked = monotonic()
        self._jobs.put(Job(work, done, failed))

    def deliver(self, call: Callable[[], None]) -> None:
        """Run a call in the receiver's message loop. From any thread."""
        try:
            self._loop.call_soon_threadsafe(self._receiver.call_later, call)
        except RuntimeError:
            log.debug("a result came after the app had ended")

    def stop(self) -> None:
        """Take no more jobs; what runs is not waited for."""
        _owing.discard(self)
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                result = job.work()
            except BaseException as error:  # an out-of-memory error is no Exception everywhere
                if not isinstance(error, WorkbenchError | Cancelled):
                    log.exception("a computation failed")
                self._finish(job.failed, error)
            else:
                self._finish(job.done, result)

    def _finish(self, callback: Callable[[Any], None], value: Any) -> None:
        def call() -> None:
            self._waiting -= 1
            callback(value)

        self.deliver(call)
