"""How long the app takes to be seen and to answer, from outside, in a pseudo-terminal.

Needs a system with pseudo-terminals and the package pyte, which reads the screen; it comes with the
extra `dev`.
"""

from __future__ import annotations

import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from workbench.base.progress import Progress
from workbench.benchmarks.figures import Figure, quantile
from workbench.errors import WorkbenchError

EMPTY_APP = "from textual.app import App\nApp().run()"

ROWS, COLUMNS = 40, 150
FILLED = 0.8
"""Share of the screen's cells that has to be written before the first frame counts as painted."""

PATIENCE = 180.0
"""Seconds to wait for a model to load."""

KEYS = 60
"""Keys pressed during each computation."""

METHODS = ("eap-ig", "acdc", "edge-pruning")
"""The discoveries during which keys are pressed: by gradients, by search, and learned."""

PAUSE = 0.25
"""Seconds between two keys: a person pressing an arrow again and again."""

DOWN, UP = b"\x1b[B", b"\x1b[A"
CURSOR = "▸"
PANEL = "2 Edges"

# What does not print: control sequences, and what newer terminals are asked and told.
_CONTROL = re.compile(
    rb"\x1b\[[0-9;:<>=?$]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b_[^\x1b]*\x1b\\|\x1b[=>78]"
)
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
            if not select.select([self._master], [], [], left)[0]:
                return True
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                return False
            self.chunks.append((time.perf_counter(), data))
        return True

    def write(self, keys: bytes) -> float:
        """Press keys; returns when."""
        os.write(self._master, keys)
        return time.perf_counter()

    def text(self) -> str:
        """All that it printed so far, without control sequences."""
        whole = b"".join(data for _, data in self.chunks)
        return _CONTROL.sub(b"", whole).decode("utf-8", "ignore")


def measure_app(
    model: str,
    task: str,
    pairs: int,
    node: str,
    rounds: int,
    device: str | None,
    say: Progress,
) -> list[Figure]:
    """First paint, and the answer to a key while a sweep or a discovery runs.

    Args:
        model, task, pairs, device: what to open for the sweep.
        node: whose incoming edges are swept: a head in the middle of the model, so that it takes
            long.
        rounds: how often the first paint is timed.
        say: told what is being measured.

    Raises:
        WorkbenchError: no pseudo-terminals or no pyte here, or the app did not come up.
    """
    if sys.platform == "win32":
        raise WorkbenchError("`bench --app` needs a system with pseudo-terminals.")
    with tempfile.TemporaryDirectory() as state:
        environment = {"WORKBENCH_STATE": state}
        figures = _first_paints(model, task, max(rounds, 3), environment, say)
        flags = ["--task", task, "--pairs", str(pairs)]
        if device is not None:
            flags += ["--device", device]
        figures += _keys(model, node, flags, environment, say)
    return figures


def _first_paints(
    model: str, task: str, rounds: int, environment: dict[str, str], say: Progress
) -> list[Figure]:
    workbench = [sys.executable, "-m", "workbench"]
    commands = {
        "an empty Textual app": [sys.executable, "-c", EMPTY_APP],
        "workbench": workbench,
        "workbench open": [*workbench, "open", model, "--task", task],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds):
        say("Measuring the first paint", number / rounds)
        for name, command in commands.items():
            times[name].append(first_paint(command, environment))
    empty = times.pop("an empty Textual app")
    figures = [Figure.of("first paint of an empty Textual app", empty, "s")]
    for name, taken in times.items():
        ratios = [t / e for t, e in zip(taken, empty, strict=True)]
        figures.append(
            Figure.of(f"first paint of `{name}`, to that", ratios, "x", aim=2.0, seconds=taken)
        )
    return figures


def first_paint(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds from a command's start until it has written to most of the screen.

    Raises:
        WorkbenchError: it ended before.
    """
    with Child(command, environment) as child:
        while len(child.text()) < FILLED * ROWS * COLUMNS:
            if not child.read(0.005) or time.perf_counter() - child.started > PATIENCE:
                raise WorkbenchError(f"{' '.join(command)} painted nothing.")
        return child.chunks[-1][0] - child.started


def _keys(
    model: str, node: str, flags: list[str], environment: dict[str, str], say: Progress
) -> list[Figure]:
    """Times from a key to its effect on screen, while a sweep or a discovery computes."""
    screen = Screen()
    say("Waiting for the app", None)
    with Child([sys.executable, "-m", "workbench", "open", model, *flags], environment) as child:
        screen.wait_for(r"faithfulness", child)
        _type(child, b"J", node.encode(), b"\r")
        screen.wait_for(rf"Edges into {re.escape(node)}", child)
        _type(child, b"2")  # into the panel of edges
        figures = [_key_times("a sweep", child, screen, say)]
        for method in METHODS:
            _type(child, b"c")  # a sweep would compute beside it
            _type(child, b"D", b"/", method.encode(), b"\r", b"\r")
            screen.wait_for(rf"{method} .*S stop", child)
            _type(child, b"2")
            figures.append(_key_times(method, child, screen, say))
            _type(child, b"S")
            screen.wait_for(rf"(?s)^(?!.*{method} .*S stop)", child)
            _type(child, b"\x1b", b"\x1b")
    return figures


def _type(child: Child, *keys: bytes) -> None:
    """Press keys as somebody does who looks what comes of each."""
    for key in keys:
        child.write(key)
        child.read(0.5)


def _key_times(what: str, child: Child, screen: Screen, say: Progress) -> Figure:
    """Move the cursor up and down among the edges, and time each move."""
    screen.take(child)
    presses: list[float] = []
    for number in range(KEYS):
        say(f"Measuring the answer to keys during {what}", number / KEYS)
        presses.append(child.write(DOWN if number % 20 < 10 else UP))
        child.read(PAUSE)
    before = screen.progress()
    delays = [1000 * delay for delay in screen.delays(child, presses)]
    if not delays:
        raise WorkbenchError("The app's cursor was not seen to move, so no key could be timed.")
    moved = f"{before} when the first key came, {screen.progress()} after the last"
    return Figure(
        f"a key's effect on screen during {what}, 95th percentile",
        quantile(delays, 0.95),
        "ms",
        low=min(delays),
        high=max(delays),
        aim=50.0,
        note=f"median {quantile(delays, 0.5):.0f}, {len(delays)} of {KEYS} keys; {moved}",
    )


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

    def progress(self) -> str:
        """How far the discovery is, or else the sweep, as the screen says it."""
        shown = "\n".join(self._screen.display)
        found = re.search(r"\d+%(?=.*S stop)|exact:? (all )?[\d,]+(/[\d,]+)?", shown)
        return found.group(0) if found else "nothing"

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

    def delays(self, child: Child, presses: Sequence[float]) -> list[float]:
        """For each press, the seconds until the cursor stood elsewhere; those never seen left out.

        Shows the chunks written since the last `take`, one after the other.
        """
        delays = []
        at = self.cursor()
        waiting = list(presses)
        for when, data in child.chunks[self._taken :]:
            self._feed(data)
            now = self.cursor()
            if now != at and now is not None:
                done = [press for press in waiting if press < when]
                delays += [when - press for press in done[-1:]]
                waiting = waiting[len(done) :]
                at = now
        self._taken = len(child.chunks)
        return delays
