"""All figures of the app: when it is first seen, how it answers, and what it writes."""

from __future__ import annotations

from workbench.base.progress import Progress, silent
from workbench.benchmarks.app import measure_app
from workbench.benchmarks.engine import prepared
from workbench.benchmarks.figures import Figures
from workbench.benchmarks.line import measure_line
from workbench.circuits.names import head_name


def measure_in_app(
    name: str,
    task: str = "ioi",
    *,
    pairs: int = 16,
    device: str | None = None,
    rounds: int = 5,
    progress: Progress | None = None,
) -> Figures:
    """Measure the app: its first paint, its answer to keys while it computes, and bytes a key.

    Args:
        name, device: as for `load_model`.
        task, pairs: as for `load_task`.
        rounds: how often the first paint is timed.
        progress: told what is being measured.

    Raises:
        WorkbenchError: the model or task cannot be loaded, or the app did not come up.
    """
    say = progress or silent
    figures, nodes = _about(name, task, pairs, device, say)
    for figure in measure_app(name, task, pairs, nodes, rounds, device, say):
        figures.add(figure)
    for figure in measure_line(name, task, pairs, nodes[0], device, say):
        figures.add(figure)
    return figures


def _about(
    name: str, task: str, pairs: int, device: str | None, say: Progress
) -> tuple[Figures, list[str]]:
    """What is measured, and the heads of a layer in the middle; the model is let go of.

    The app loads its own.
    """
    model, _, _, figures = prepared(name, task, pairs, 0, device, None, say)
    middle = model.graph.n_layers // 2
    return figures, [head_name(middle, head) for head in range(model.graph.n_heads)]
