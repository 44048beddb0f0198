"""Effects of all nodes, layer by layer: estimates at once, exact values as they come.

Into the metric a node's effect is that of activation patching: all its readers see the ablated
output. Into one node, or one input of a head, it is that of path patching: this reader alone does.
The ablation is the sweep's own, whatever the experiment has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.discovery.estimates import estimates
from workbench.effects.definitions import METRIC
from workbench.effects.map_results import NodeMap
from workbench.effects.requests import MapRequest
from workbench.effects.self_repair import RUNS
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import effects_into, node_effects
from workbench.errors import Cancelled, WorkbenchError
from workbench.metrics.catalogue import changes_in_steps

if TYPE_CHECKING:
    from collections.abc import Generator

    from workbench.experiment.experiment import Experiment


def destinations(graph: Graph, into: str) -> tuple[str, ...]:
    """The inputs that a map is into; none stands for the metric.

    Raises:
        WorkbenchError: there is no such node or input, or nothing feeds it.
    """
    if into == METRIC:
        return ()
    if into in graph.destinations:
        return (into,)
    if graph.has_node(into) and (found := graph.destinations_of(into)):
        return tuple(found)
    raise WorkbenchError(
        f"No map can be into {into!r}: name a node that reads (a3.h1, m4, logits), one input of a "
        f"head (a3.h1<q>), or {METRIC}."
    )


def node_map(
    experiment: Experiment,
    into: str = METRIC,
    *,
    ablation: str | None = None,
    run: str = "clean",
    pair: int | None = None,
    exact: bool = True,
    progress: Callable[[float], None] | None = None,
    cancel: Stop | None = None,
) -> NodeMap:
    """The effect of every node on the metric, or through one reader.

    Args:
        experiment: from `prepare`.
        into: `metric`; a node (`a9.h1`, `m10`, `logits`), all of whose inputs are taken together;
            or one input (`a9.h1<q>`).
        ablation: what an ablated node writes; None: the experiment's.
        run: whose prompts are run, `clean` or `corrupted`.
        pair: a pair's number, or None for the mean over all.
        exact: False: the estimates alone.

    Raises:
        WorkbenchError: there is no such destination, ablation or run.
        Cancelled: if `cancel` was set.
    """
    found = None
    for found in maps(experiment, MapRequest(into, ablation, run, pair), cancel=cancel):
        if progress is not None:
            progress(found.n_exact / max(1, int(found.reaches.sum())))
        if not exact:
            break
    if cancel is not None and cancel.is_set():
        raise Cancelled
    assert found is not None
    return found


def maps(
    experiment: Experiment,
    request: MapRequest,
    known: NodeMap | None = None,
    *,
    cancel: Stop | None = None,
) -> Generator[NodeMap, None, None]:
    """The same map again and again: first of estimates, then with ever more exact values.

    Those of the largest estimates come first.

    Args:
        request: which map.
        known: what was yielded before for the same request; it goes on from there.
        cancel: checked between batches.
    """
    into, run = request.into, request.run
    graph = experiment.graph
    columns = destinations(graph, into)
    if run not in RUNS:
        raise WorkbenchError(f"There is no run {run!r} here; choose one of: {', '.join(RUNS)}.")
    under = experiment.under(request.ablation or experiment.ablation, swapped=run == "corrupted")
    if request.pair is not None:
        under = under.alone(request.pair)
    reaches = np.arange(graph.n_sources) < max(
        (graph.n_parents(graph.destination_index(name)) for name in columns),
        default=graph.n_sources,
    )
    guessed = _estimates(under, columns, reaches) if known is None else known.estimates
    now = known or NodeMap(
        graph=graph,
        into=into,
        estimates=guessed,
        exact=np.full(graph.n_sources, np.nan),
        reaches=reaches,
        ablation=under.ablation,
        run=run,
        metric_name=under.metric_name,
        pair=request.pair,
    )
    yield now
    order = np.flatnonzero(reaches & np.isnan(now.exact))
    if guessed is not None:
        order = order[np.argsort(-np.abs(guessed[order]), kind="stable")]
    names = [graph.sources[i] for i in order]
    evaluator = Evaluator(under, Circuit.empty(graph))
    chunks = (
        effects_into(evaluator, columns, names, cancel=cancel)
        if columns
        else node_effects(evaluator, names, cancel=cancel)
    )
    for batch, values in chunks:
        exact = now.exact.copy()
        exact[[graph.source_index(name) for name in batch]] = values
        now = replace(now, exact=exact)
        yield now


def _estimates(
    experiment: Experiment, columns: tuple[str, ...], reaches: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Sums of the estimates of a node's edges: all, or those into these inputs."""
    if changes_in_steps(experiment.metric_name):
        return None
    edges = estimates(experiment).astype(np.float64)
    if columns:
        edges = edges[:, [experiment.graph.destination_index(name) for name in columns]]
    return np.where(reaches, edges.sum(axis=1), np.nan)
