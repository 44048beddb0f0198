"""How long a key waits for its effect on the screen while the app computes.

The app runs in a pseudo-terminal with a model. While it computes, the cursor of the edges is moved
up and down by arrow keys, as a person does who looks at each row: a key is pressed, the screen is
read until the cursor stands on another row, and after a pause the next key is pressed. The time of
a key is that from writing it to the terminal to reading the bytes after which the cursor had moved.
None is left out: one that has no effect for `GIVEN_UP` seconds counts as so long.

First keys are timed while nothing computes: on a busy machine they wait too, and the others' times
are to be read beside theirs.

A key counts only if the computation ran before and after it. One that is over too soon for `KEYS`
keys is begun again, `ROUNDS` times at most.

After each key the app does what it does for everybody: the cursor rests, the readouts of the new
row are computed beside the computation, and both are drawn.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.base.progress import Progress
from workbench.benchmarks.figures import Figure, quantile
from workbench.benchmarks.pseudo_terminal import Child, Screen
from workbench.errors import WorkbenchError

KEYS = 60
"""Keys timed during each computation."""

ROUNDS = 12
"""How often a computation is begun, at most, until so many keys are timed."""

AIM = 50.0
"""Milliseconds in which nineteen of twenty keys should be answered."""

METHODS = ("eap-ig", "acdc", "edge-pruning")
"""The discoveries during which keys are pressed: by gradients, by search, and learned."""

PAUSES = (0.15, 0.35)
"""Seconds between an answer and the next key, the least and the most: a person pressing an arrow
again and again, out of step with the pieces of a computation."""

GIVEN_UP = 5.0
"""Seconds after which a key is taken to have had no effect."""

BEGINS = 3.0
"""Seconds in which a computation that was asked for is seen to run, unless it is over by then."""

ROW = 10
"""Keys in one direction before the cursor turns back."""

KNOWN = r"exact: all \d"
"""What the panel of edges shows once the sweep that it began with is over."""

DOWN, UP = b"\x1b[B", b"\x1b[A"


@dataclass(frozen=True)
class Computation:
    """What is computed while keys are pressed.

    Attributes:
        name: as figures name it.
        running: what the screen shows of it as long as it runs.
        node: whose edges are swept; empty: a discovery.
    """

    name: str
    running: str
    node: str = ""


def sweep_of(node: str) -> Computation:
    """The exact effects of all edges into a node."""
    return Computation("a sweep", r"exact:? [\d,]+/[\d,]+… ", node)


def discovery_by(method: str) -> Computation:
    """A discovery with the method's own options."""
    return Computation(method, rf"(?m)^ {method} .*S stop")


def measure_keys(
    model: str,
    nodes: Sequence[str],
    flags: Sequence[str],
    environment: dict[str, str],
    say: Progress,
) -> list[Figure]:
    """Times from a key to its effect on screen, while a sweep or a discovery computes.

    Args:
        model, flags: what to open, as `workbench open` is told.
        nodes: whose incoming edges are swept, one after the other: what is known of a node is not
            computed again. Heads in the middle of the model, so that it takes long.
        environment: of the app, beside this process's own.
        say: told what is being measured.

    Raises:
        WorkbenchError: the app did not come up, or a computation was over before any key.
    """
    say("Waiting for the app", None)
    command = [sys.executable, "-m", "workbench", "open", model, *flags]
    with Child(command, environment) as child:
        app = _App(child)
        app.wait_for(r"faithfulness")
        app.press(b"\t", b"2")  # into the panel of edges
        figures = [app.measure_resting(say), app.measure([sweep_of(node) for node in nodes], say)]
        app.press(b"c")  # a sweep would compute beside what comes
        for method in METHODS:
            figures.append(app.measure([discovery_by(method)] * ROUNDS, say))
            app.stop(discovery_by(method))
    return figures


class _App:
    """The app under measurement, and what its terminal shows."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._screen = Screen()
        self._pauses = random.Random(0)
        self._pressed = 0

    def wait_for(self, pattern: str) -> None:
        self._screen.wait_for(pattern, self._child)

    def press(self, *keys: bytes) -> None:
        """Press keys as somebody does who looks what comes of each."""
        for key in keys:
            self._child.write(key)
            self._child.read(0.5)

    def measure(self, computations: Sequence[Computation], say: Progress) -> Figure:
        """Press keys while these run, one after the other, until `KEYS` were timed."""
        name = computations[0].name
        times: list[float] = []
        begun = 0
        for what in computations[:ROUNDS]:
            if len(times) >= KEYS:
                break
            begun += 1
            self._begin(what)
            if self._runs(what, BEGINS):
                self._press_while(what, times, say)
        if not times:
            raise WorkbenchError(
                f"{name} is over before a key can be pressed: take a larger model, or more pairs."
            )
        again = f", begun {begun} times" if begun > 1 else ""
        return _figure(f"during {name}", times, again)

    def measure_resting(self, say: Progress) -> Figure:
        """Press keys while nothing is computed but what each of them asks for."""
        self.wait_for(KNOWN)
        times: list[float] = []
        while len(times) < KEYS:
            say("Measuring the answer to keys while nothing computes", len(times) / KEYS)
            self._child.read(self._pauses.uniform(*PAUSES))
            self._screen.take(self._child)
            times.append(1000 * self._press_one())
        return _figure("while nothing computes", times)

    def stop(self, what: Computation) -> None:
        """End a discovery, whose result stays in the list."""
        if self._runs(what):
            self.press(b"S")
            while self._runs(what) and self._child.read(0.1):
                pass

    def _begin(self, what: Computation) -> None:
        if what.node:
            self.press(b"J", what.node.encode(), b"\r")
            self.wait_for(rf"Edges into {re.escape(what.node)}")
            self.press(b"2")
            return
        self.press(b"D")
        self.wait_for("Discover a circuit|Results of discoveries")
        if "Results of discoveries" in self._screen.take(self._child):
            self.press(b"D")
            self.wait_for("Discover a circuit")
        self.press(b"/", what.name.encode(), b"\r", b"\r")

    def _runs(self, what: Computation, seconds: float = 0.0) -> bool:
        """Whether the screen says that it runs, now or within so many seconds."""
        end = time.perf_counter() + seconds
        while not re.search(what.running, self._screen.take(self._child)):
            if time.perf_counter() > end:
                return False
            self._child.read(0.02)
        return True

    def _press_while(self, what: Computation, times: list[float], say: Progress) -> None:
        """Time keys until the computation ends or `KEYS` were timed."""
        while len(times) < KEYS:
            say(f"Measuring the answer to keys during {what.name}", len(times) / KEYS)
            self._child.read(self._pauses.uniform(*PAUSES))
            if not self._runs(what):
                return
            taken = self._press_one()
            if self._runs(what):
                times.append(1000 * taken)

    def _press_one(self) -> float:
        """Move the cursor; returns the seconds until it has moved."""
        key = DOWN if self._pressed // ROW % 2 == 0 else UP
        self._pressed += 1
        pressed = self._child.write(key)
        return self._screen.cursor_moved(self._child, pressed + GIVEN_UP) - pressed


def _figure(when: str, times: Sequence[float], note: str = "") -> Figure:
    """Milliseconds that keys took."""
    return Figure(
        f"a key's effect on screen {when}, 95th percentile",
        quantile(times, 0.95),
        "ms",
        low=min(times),
        high=max(times),
        aim=AIM,
        note=f"median {quantile(times, 0.5):.0f}; {len(times)} keys{note}",
    )
