"""A program in a pseudo-terminal, and the screen that it paints there.

Needs a system with pseudo-terminals and, for `Screen`, the package pyte, which reads the screen; it
comes with the extra `dev`.
"""

from __future__ import annotations

import os
import re
import select
import signal
import struct
import subprocess
import time
from collections.abc import Sequence

from workbench.errors import WorkbenchError

ROWS, COLUMNS = 48, 160
PATIENCE = 180.0
"""Seconds to wait for a model to load."""

CURSOR = "▸"
PANEL = "2 Edges"

# What does not print: control sequences, and what newer terminals are asked and told.
_CONTROL = re.compile(
    rb"\x1b\[[0-9;:<>=?$]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b_[^\x1b]*\x1b\\|\x1b[=>78]"
)
_ERASED = re.compile(rb"\x1b\[(\d+)X")
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;<>=?$]*|_[^\x1b]*\x1b?)?$")
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=?][0-9;]*(?:u|\$p|q|m)|\x1b_[^\x1b]*\x1b\\")


class Child:
    """A program in a pseudo-terminal of its own.

    Args:
        size: rows and columns of the terminal.

    Attributes:
        started: when it was started.
        chunks: (when, bytes) of all that it wrote.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        size: tuple[int, int] = (ROWS, COLUMNS),
    ) -> None:
        import fcntl
        import pty
        import termios

        # A size in the environment would go before the terminal's own.
        inherited = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self.chunks: list[tuple[float, bytes]] = []
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**inherited, **environment, "TERM": "xterm-256color"},
        )
        os.close(slave)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    def read(self, seconds: float) -> bool:
        """Take in what it writes within so many seconds; False once it has ended."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not self._take_in(left):
                return False
        return True

    def _take_in(self, seconds: float) -> bool:
        """Take in one chunk, waiting so long at most; False if the program has ended."""
        if select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                return False
            self.chunks.append((time.perf_counter(), data))
        return True

    def read_some(self, seconds: float) -> bool:
        """Take in what it writes next, waiting so long at most; whether it wrote anything."""
        before = len(self.chunks)
        end = time.perf_counter() + seconds
        while len(self.chunks) == before and (left := end - time.perf_counter()) > 0:
            if not self._take_in(left):
                return False
        return len(self.chunks) > before

    def write(self, keys: bytes) -> float:
        """Press keys; returns when."""
        os.write(self._master, keys)
        return time.perf_counter()

    def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal so many rows and columns, and tell the program."""
        import fcntl
        import termios

        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self._process.send_signal(signal.SIGWINCH)

    def text(self) -> str:
        """All that it printed so far, without control sequences."""
        return _CONTROL.sub(b"", self._whole()).decode("utf-8", "ignore")

    def painted(self) -> int:
        """How many cells it wrote or erased so far."""
        return len(self.text()) + sum(map(int, _ERASED.findall(self._whole())))

    def _whole(self) -> bytes:
        return b"".join(data for _, data in self.chunks)


class Screen:
    """What a terminal shows after the chunks that were taken in."""

    def __init__(self) -> None:
        try:
            import pyte
        except ImportError:
            raise WorkbenchError(
                "`bench --app` reads the screen with pyte: pip install pyte."
            ) from None
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._taken = 0
        self._rest = b""

    def _feed(self, data: bytes) -> None:
        data = self._rest + data
        cut = _UNFINISHED.search(data)
        end = cut.start() if cut else len(data)
        self._rest = data[end:]
        self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", data[:end]))

    def take(self, child: Child) -> str:
        """Show all that the child wrote by now; returns the screen's text."""
        for _, data in child.chunks[self._taken :]:
            self._feed(data)
        self._taken = len(child.chunks)
        return "\n".join(self._screen.display)

    def wait_for(self, pattern: str, child: Child) -> None:
        """Wait until the screen's text matches.

        Raises:
            WorkbenchError: it does not in `PATIENCE` seconds, or the app ended.
        """
        end = time.perf_counter() + PATIENCE
        while not re.search(pattern, self.take(child)):
            if time.perf_counter() > end or not child.read(0.1):
                shown = " ".join(" ".join(self._screen.display).split())[:200]
                raise WorkbenchError(f"The app did not come up; it showed: {shown}")

    def cursor(self) -> int | None:
        """The row of the cursor in the panel of edges."""
        lines = list(self._screen.display)
        panel = max(line.find(PANEL) for line in lines)
        if panel < 0:
            return None
        for number, line in enumerate(lines):
            if CURSOR in line[panel - 2 : panel + 4]:
                return number
        return None

    def cursor_moved(self, child: Child, until: float) -> float:
        """Wait for the cursor to stand elsewhere than at the last `take`.

        Returns:
            When the bytes came that moved it; `until`, if it did not move until then.
        """
        at = self.cursor()
        while True:
            for when, data in child.chunks[self._taken :]:
                self._feed(data)
                self._taken += 1
                if self.cursor() not in (at, None):
                    return when
            if time.perf_counter() > until or not child.read_some(until - time.perf_counter()):
                return until
