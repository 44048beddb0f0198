"""How long the app takes to be seen and to answer, from outside, in a pseudo-terminal.

Needs a system with pseudo-terminals and the package pyte, which reads the screen; it comes with the
extra `dev`.
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Sequence

from workbench.base.progress import Progress
from workbench.benchmarks.figures import Figure, quantile
from workbench.benchmarks.pseudo_terminal import COLUMNS, PATIENCE, ROWS, Child, Screen
from workbench.errors import WorkbenchError

EMPTY_APP = "from textual.app import App\nApp().run()"

FILLED = 0.8
"""Share of the screen's cells that has to be written before the first frame counts as painted."""

KEYS = 60
"""Keys pressed during each computation."""

METHODS = ("eap-ig", "acdc", "edge-pruning")
"""The discoveries during which keys are pressed: by gradients, by search, and learned."""

PAUSE = 0.25
"""Seconds between two keys: a person pressing an arrow again and again."""

DOWN, UP = b"\x1b[B", b"\x1b[A"


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
        # The user's own keys are not those that are pressed here.
        environment = {"WORKBENCH_STATE": state, "WORKBENCH_CONFIG": state}
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
