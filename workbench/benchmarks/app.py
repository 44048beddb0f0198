"""How long the app takes to be seen and to answer, from outside, in a pseudo-terminal.

Needs a system with pseudo-terminals and the package pyte, which reads the screen; it comes with the
extra `dev`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence

from workbench.base.progress import Progress
from workbench.benchmarks.figures import Figure
from workbench.benchmarks.key_answers import measure_keys
from workbench.benchmarks.pseudo_terminal import COLUMNS, PATIENCE, ROWS, Child
from workbench.errors import WorkbenchError

EMPTY_APP = "from textual.app import App\nApp().run()"

FILLED = 0.8
"""Share of the screen's cells that has to be written before the first frame counts as painted."""


def measure_app(
    model: str,
    task: str,
    pairs: int,
    nodes: Sequence[str],
    rounds: int,
    device: str | None,
    say: Progress,
) -> list[Figure]:
    """First paint, and the answer to a key while a sweep or a discovery runs.

    Args:
        model, task, pairs, device: what to open for the sweep.
        nodes: whose incoming edges are swept, one after the other.
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
        figures = first_paints(model, task, max(rounds, 3), environment, say)
        flags = ["--task", task, "--pairs", str(pairs)]
        if device is not None:
            flags += ["--device", device]
        figures += measure_keys(model, nodes, flags, environment, say)
    return figures


def first_paints(
    model: str, task: str, rounds: int, environment: dict[str, str], say: Progress
) -> list[Figure]:
    """Seconds to the first frame of an empty Textual app, and how many times that ours take.

    Args:
        model, task: what `workbench open` is given.
        rounds: how often each is timed.
        environment: variables of the child processes besides this one's.

    Raises:
        WorkbenchError: one painted nothing.
    """
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
            Figure.of(f"first paint of `{name}`, to that", ratios, "x", aim=1.3, seconds=taken)
        )
    return figures


def first_paint(command: Sequence[str], environment: dict[str, str]) -> float:
    """Seconds from a command's start until it has written to most of the screen.

    Raises:
        WorkbenchError: it ended before.
    """
    with Child(command, environment) as child:
        while child.painted() < FILLED * ROWS * COLUMNS:
            if not child.read(0.005) or time.perf_counter() - child.started > PATIENCE:
                raise WorkbenchError(f"{' '.join(command)} painted nothing.")
        return child.chunks[-1][0] - child.started
