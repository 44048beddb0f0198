"""Processes forked from one that has everything loaded, so that a try costs a fraction of a second.

Each tells what it did through a pipe, and can be killed at any moment.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class Forked:
    """A process that does some work, given the pipe to tell of it, and then ends.

    Attributes:
        heard: all that came through the pipe so far.
    """

    def __init__(self, work: Callable[[int], None]) -> None:
        self.heard = b""
        self._ended = False
        self._pipe, theirs = os.pipe()
        # A signal that comes before the child heeds it would end in the parent's code.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                os.close(self._pipe)
                for number in SIGNALS:
                    if number != signal.SIGKILL:
                        signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                work(theirs)
                code = 0
            finally:
                os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(theirs)

    def hear(self, seconds: float) -> bytes:
        """Listen until the pipe closes, or for so long; all that was heard so far."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._pipe], [], [], left)[0]:
                if not (piece := os.read(self._pipe, 65536)):
                    break
                self.heard += piece
        return self.heard

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        if not self._ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ended(self, seconds: float) -> bool:
        """Whether it ends by itself, after this long at the latest."""
        self.hear(seconds)
        self._ended = self._ended or os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return self._ended

    def end(self) -> None:
        """Kill it if it is still there, and let it go."""
        self.kill(signal.SIGKILL)
        if not self._ended:
            os.waitpid(self.pid, 0)
        os.close(self._pipe)
