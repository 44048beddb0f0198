"""What the app writes to its terminal for each key, in bytes on the line."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.base.progress import Progress
from workbench.benchmarks.figures import Figure
from workbench.benchmarks.pseudo_terminal import PATIENCE, Child
from workbench.errors import WorkbenchError

LARGE, SMALL = (48, 160), (24, 80)
"""Rows and columns of a large and of a small terminal."""

REST = 1.0
"""Seconds without a byte after which what a key asked for has been shown."""

MOST = 2.0
"""Seconds for which what a key made it write is listened to at most: a large model goes on
computing, and a sweep has a figure of its own."""

SWEPT = 12.0
"""Seconds for which a sweep is listened to at most."""

IDLE = 5.0
"""Seconds for which an app that has nothing to do is listened to."""

FILLING = 1.0
"""Seconds after which two panels have been filled anew."""

TIMES = 4
"""How often a key is pressed."""

ASKED = b"\x1b[?2026$p"
ANSWER = b"\x1b[?2026;2$y"
FRAME = b"\x1b[?2026h"
"""Asked whether it can hold a frame back until it is whole, the terminal says yes: so each frame
begins with a mark."""

READY = b"faithfulness"

FIRST_SIGHT = "a cursor step to a node not seen before"


@dataclass(frozen=True)
class Step:
    """Keys that are measured.

    Attributes:
        name: what they do.
        before: keys pressed before, and not measured.
        keys: pressed one after the other, each measured.
        most: bytes that one may cost on the large terminal; half of it on the small one.
    """

    name: str
    before: tuple[bytes, ...]
    keys: tuple[bytes, ...]
    most: int | None


STEPS = (
    Step("expanding a node", (b"1",), (b"e",), None),
    Step(FIRST_SIGHT, (b"1",), (b"j",) * 3, 4096),
    Step("a cursor step in the circuit", (b"1",), (b"k", b"j") * (TIMES // 2), 4096),
    Step("a cursor step in the edges", (b"2",), (b"j",) * TIMES, 4096),
    Step("keeping or dropping an edge", (b"2",), (b" ",) * TIMES, 2048),
    Step("a step of the threshold", (b"2",), (b"]",) * TIMES, 4096),
    Step("a step of the readouts", (b"3",), (b">", b"<", b",", b"."), 4096),
    Step("another readout", (b"3",), (b"l",) * 3 + (b"h",) * 3, 4096),
    Step("a step of the cut through all edges", (b"1", b"}"), (b"}", b"{") * (TIMES // 2), 4096),
    Step("opening or closing a dialog", (b"\x1b", b"2"), (b"D", b"\x1b") * 2, 6144),
    Step("opening or closing the history", (b"\x1b", b"2"), (b"H", b"\x1b") * 2, 10240),
    Step("the help", (b"\x1b", b"2"), (b"?",), 6144),
)


@dataclass(frozen=True)
class Cost:
    """What was written after each press of a key.

    Attributes:
        step: the keys.
        bytes, frames: one number a press.
        most: the bytes that a press may cost; None: any.
    """

    step: Step
    bytes: tuple[int, ...]
    frames: tuple[int, ...]
    most: int | None


class Listener:
    """An app in a pseudo-terminal, listened to until it rests.

    Args:
        pause: seconds without a byte after which what a key asked for has been shown.
    """

    def __init__(self, child: Child, pause: float = REST) -> None:
        self.child = child
        self.pause = pause
        self._seen = 0
        self._answered = False

    def wait(self, mark: bytes) -> None:
        """Wait until it writes `mark`.

        Raises:
            WorkbenchError: it does not in `PATIENCE` seconds, or ended.
        """
        end = time.perf_counter() + PATIENCE
        while mark not in self._whole():
            if not self.child.read(0.1) or time.perf_counter() > end:
                raise WorkbenchError("The app did not come up.")
            self._answer()

    def rest(self, seconds: float = REST, most: float = PATIENCE) -> bytes:
        """Listen until nothing was written for so long; returns what was, since the last call.

        Args:
            most: seconds after which it is listened to no more.
        """
        last = len(self.child.chunks)
        end = time.perf_counter() + most
        until = time.perf_counter() + seconds
        while time.perf_counter() < min(until, end):
            self.child.read(0.05)
            self._answer()
            if len(self.child.chunks) > last:
                last = len(self.child.chunks)
                until = time.perf_counter() + seconds
        data = b"".join(data for _, data in self.child.chunks[self._seen :])
        self._seen = last
        return data

    def press(self, keys: bytes) -> bytes:
        """Press keys; returns what they made it write until it rested."""
        self.child.write(keys)
        self.child.read_some(REST)  # a busy machine may take longer to begin than to pause
        return self.rest(self.pause, MOST)

    def _whole(self) -> bytes:
        return b"".join(data for _, data in self.child.chunks)

    def _answer(self) -> None:
        if not self._answered and ASKED in self._whole():
            self._answered = True
            self.child.write(ANSWER)


def open_app(
    model: str,
    flags: Sequence[str],
    environment: dict[str, str],
    size: tuple[int, int] = LARGE,
) -> Child:
    """Start the app with a model, in a terminal of so many rows and columns, in all colours."""
    command = [sys.executable, "-m", "workbench", "open", model, *flags]
    # The user's own keys are not those that are pressed here.
    own = {"WORKBENCH_CONFIG": environment["WORKBENCH_STATE"], "COLORTERM": "truecolor"}
    return Child(command, {**environment, **own}, size)


def key_costs(app: Listener, size: tuple[int, int], presses: int | None = None) -> list[Cost]:
    """Press the keys of all `STEPS`, each after the one before has been shown.

    Args:
        size: of the terminal, in rows and columns.
        presses: so many of each step at most; None: all.
    """
    costs = []
    for step in STEPS:
        for key in step.before:
            app.press(key)
        written = [app.press(key) for key in step.keys[:presses]]
        most = step.most if size == LARGE or step.most is None else step.most // 2
        frames = tuple(data.count(FRAME) for data in written)
        costs.append(Cost(step, tuple(map(len, written)), frames, most))
    app.press(b"\x1b")
    return costs


def sweep_rate(app: Listener, node: str) -> tuple[float, float]:
    """Listen while a node's edges are swept: the most bytes in a second, and the seconds.

    The node's edges and readouts, which fill two panels at once, are not counted.
    """
    for keys in (b"1", b"J", node.encode()):
        app.press(keys)
    first = len(app.child.chunks)
    app.child.write(b"\r")
    app.rest(4 * REST, SWEPT)  # the first values of many pairs take their time
    chunks = app.child.chunks[first:]
    shown = chunks[0][0] + FILLING
    written = [(when, len(data)) for when, data in chunks if when > shown]
    if not written:
        return 0.0, 0.0
    most = max(sum(n for at, n in written if when <= at < when + 1) for when, _ in written)
    return float(most), written[-1][0] - shown


def measure_line(
    model: str, task: str, pairs: int, node: str, device: str | None, say: Progress
) -> list[Figure]:
    """Bytes and frames for each key, the bytes of a sweep, and those of an app that rests.

    Args:
        model, task, pairs, device: what to open.
        node: whose incoming edges are swept.
        say: told what is being measured.

    Raises:
        WorkbenchError: the app did not come up.
    """
    flags = ["--task", task, "--pairs", str(pairs)]
    if device is not None:
        flags += ["--device", device]
    figures = []
    for size in (LARGE, SMALL):
        where = f"at {size[1]} x {size[0]}"
        with (
            tempfile.TemporaryDirectory() as state,
            open_app(model, flags, {"WORKBENCH_STATE": state}, size) as child,
        ):
            app = Listener(child)
            say(f"Measuring the bytes of keys {where}", None)
            app.wait(READY)
            app.rest(3 * REST, SWEPT)
            for cost in key_costs(app, size):
                figures.append(_figure(cost, where))
            rate, seconds = sweep_rate(app, node)
            aim = 4.0 if size == LARGE else 2.0
            figures.append(
                Figure(
                    f"a second of a sweep {where}",
                    rate / 1024,
                    "KiB",
                    aim=aim,
                    note=f"the second that wrote most, of {seconds:.1f}",
                )
            )
            app.press(b"c")  # stops what a large model computes still
            app.rest(2 * REST)
            before = len(child.chunks)
            child.read(IDLE)
            idle = sum(len(data) for _, data in child.chunks[before:])
            figures.append(Figure(f"{IDLE:.0f} idle seconds {where}", idle, "bytes", aim=0.0))
    return figures


def _figure(cost: Cost, where: str) -> Figure:
    """The press that wrote most."""
    return Figure(
        f"{cost.step.name} {where}",
        max(cost.bytes) / 1024,
        "KiB",
        min(cost.bytes) / 1024,
        max(cost.bytes) / 1024,
        aim=None if cost.most is None else cost.most / 1024,
        note=f"the dearest of {len(cost.bytes)}; frames: {', '.join(map(str, cost.frames))}",
    )


def main() -> None:
    """`python -m workbench.benchmarks.line [model [task [pairs [node]]]]`."""
    model, task, pairs, node = (
        *sys.argv[1:],
        *("pocket", "ioi", "4", "logits")[len(sys.argv) - 1 :],
    )
    for figure in measure_line(model, task, int(pairs), node, "cpu", lambda *_: None):
        print(figure.line())


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
