"""A program in a real pseudo-terminal: keys go in, what it draws is read off a pyte screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backtab": "\x1b[Z",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "f1": "\x1bOP",
    "ctrl+c": "\x03",
    "ctrl+p": "\x10",
    "ctrl+q": "\x11",
    "ctrl+r": "\x12",
    "ctrl+u": "\x15",
    "ctrl+z": "\x1a",
}

# Questions and modes of newer terminals that pyte would print as text: `CSI > 1 u` and the like.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=?][0-9;]*(?:u|\$p|q|m)|\x1b_[^\x1b]*\x1b\\")
# Makes the terminal on standard input the program's controlling one, as a login does, and becomes
# the program: without it neither a hang-up nor a change of size would reach it.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;<>=?$]*|_[^\x1b]*\x1b?)?$")


class PseudoTerminal:
    """A child process with its own terminal of a given size.

    Use as a context manager: what still runs at the end is killed.

    Args:
        command: the program and its arguments.
        env: the child's whole environment (TERM and the size are added).
        rows, columns: the terminal's size.
        terminal: what the environment says of it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        rows: int = 36,
        columns: int = 120,
        terminal: Mapping[str, str] = {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._pending = b""
        self.output = b""
        self._master, slave = pty.openpty()
        self._set_size(rows, columns)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", _TAKE_TERMINAL, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**env, **terminal},
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.kill()
        self._close()

    def _close(self) -> None:
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _set_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows: int, columns: int) -> None:
        """Change the terminal's size, as when its window is dragged."""
        self._screen.resize(rows, columns)
        self._set_size(rows, columns)

    def hang_up(self, seconds: float = 90.0) -> int:
        """Take the terminal away, as when a connection drops; the program's exit status."""
        self._close()
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """`kill -9`, and wait until it is dead."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other: a name of `KEYS` or a single character."""
        for key in keys:
            os.write(self._master, KEYS.get(key, key).encode())
            self.read(0.05)

    def type(self, text: str) -> None:
        """Type a text at once, as pasting it does."""
        os.write(self._master, text.encode())
        self.read(0.05)

    def read(self, seconds: float) -> None:
        """Let the program draw for so long, and less if it ends."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                return
            try:
                data = os.read(self._master, 65536)
            except OSError:  # Linux: the other end is closed
                return
            if not data:
                return
            self.output += data
            data = self._pending + data
            cut = _UNFINISHED.search(data)
            end_of_text = cut.start() if cut else len(data)
            self._pending = data[end_of_text:]
            self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", data[:end_of_text]))

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The whole screen, one line a row."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = 60.0) -> re.Match[str]:
        """Wait until a regular expression matches the screen's text (flags: MULTILINE).

        Raises:
            AssertionError: with the screen, if it does not in so many seconds or the program ends.
        """
        end = time.monotonic() + seconds
        while True:
            if found := re.search(pattern, self.text, re.MULTILINE):
                return found
            if self.process.poll() is not None:
                self.read(0.2)
                if found := re.search(pattern, self.text, re.MULTILINE):
                    return found
                raise AssertionError(
                    f"ended with {self.process.returncode} before showing {pattern!r}:\n{self.text}"
                )
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} not shown in {seconds} s:\n{self.text}")
            self.read(0.1)

    def wait_until_gone(self, pattern: str, seconds: float = 60.0) -> None:
        """Wait until a regular expression no longer matches the screen's text."""
        end = time.monotonic() + seconds
        while re.search(pattern, self.text, re.MULTILINE):
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} still shown after {seconds} s:\n{self.text}")
            self.read(0.1)

    def wait_for_exit(self, seconds: float = 30.0) -> int:
        """Read on until the program has ended; its exit status (negative: a signal)."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise AssertionError(f"still running after {seconds} s:\n{self.text}")
            self.read(0.1)
        self.read(0.1)
        return self.process.returncode
