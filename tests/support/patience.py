"""A limit of time that counts only while a process could have run.

On a machine that does other things besides, a minute may hold a second of what is waited for: by
the clock it would seem to hang. What sleeps or waits for something else could have run.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

LOOK = 0.2
"""Seconds between two looks at how long its threads have waited for a processor."""


class Patience:
    """So many seconds from now on.

    Args:
        seconds: how many.
        pid: of a process; None: this one.
        processes: where the system tells of them.
    """

    def __init__(
        self, seconds: float, pid: int | None = None, processes: Path = Path("/proc")
    ) -> None:
        self._left = seconds
        self._tasks = processes / str(pid or os.getpid()) / "task"
        self._looked, self._waited = time.monotonic(), self._waits()

    def _waits(self) -> dict[str, float]:
        """Seconds that each thread has waited for a processor; none where the system tells none."""
        found = {}
        with suppress(OSError, ValueError, IndexError):
            for task in self._tasks.iterdir():
                found[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
        return found

    def over(self) -> bool:
        """Whether the time is over."""
        now = time.monotonic()
        if (passed := now - self._looked) >= LOOK or passed >= self._left:
            waits = self._waits()
            waited = max((s - self._waited.get(task, 0.0) for task, s in waits.items()), default=0)
            self._left -= passed - min(passed, max(0.0, waited))
            self._looked, self._waited = now, waits
        return self._left <= 0
