"""Alternatives of a closed circuit, given as masks, and what they score.

A node that nothing clean reaches writes what it writes in the ablated run, whatever it would
compute from others' ablated outputs. So a change that cuts a node off from the input takes the
edges out of that node, too; then an alternative scores what the circuit of its edges scores.

Glossary: docs/glossary.md#variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.base.text import counted
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.engine.baseline import CleanBaseline
from workbench.engine.evaluator import Evaluator
from workbench.engine.plan import Positions, make_plan
from workbench.engine.reach import Alternative
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment

Mask = NDArray[np.bool_]

ROUNDING = 1e-5
"""Changes of the metric below this share of the clean or corrupted run's are rounding."""

_AT_ONCE = 16
"""Alternatives to a piece of work: about a forward pass."""


def require_whole_edges(circuit: Circuit) -> None:
    """Refuse a circuit that keeps edges at some roles only.

    Raises:
        WorkbenchError: it does.
    """
    if circuit.at:
        edges = counted(len(circuit.at.kept), "edge")
        raise WorkbenchError(
            f"The circuit keeps {edges} at some roles only, and this part of the assessment goes "
            "by whole edges: assess the circuit of whole edges."
        )


def alive(circuit: Circuit, *, at_roles: bool = False) -> Circuit:
    """The circuit without its dead edges, which change nothing.

    Args:
        at_roles: it may keep edges at some roles only.

    Raises:
        WorkbenchError: something that the metric depends on is still open, or edges are kept at
            some roles where they may not be.
    """
    if not at_roles:
        require_whole_edges(circuit)
    if not circuit.is_closed:
        raise WorkbenchError(
            f"The circuit is not closed ({circuit.open_reached()[0]} is still open), so that its "
            "metric is not its own: expand or close every open input before assessing it."
        )
    closed = circuit.copy()
    closed.mask[:, [circuit.graph.destination_index(name) for name in circuit.open]] = False
    closed.open = frozenset()
    return closed.pruned()


def towards(graph: Graph, mask: Mask, target: Mask) -> Alternative:
    """The change that makes one closed circuit of another.

    Args:
        mask: bool [source, destination], the edges of a circuit without dead edges.
        target: bool [source, destination], the edges that there are to be.
    """
    plan = make_plan(graph, target, np.zeros(graph.n_destinations, dtype=bool))
    wanted = target & plan.live[:, None]
    # What no way leads from to the logits any more need not be computed anew.
    sources, columns = np.nonzero((wanted != mask) & (plan.need_in > Positions.NONE))
    return Alternative(
        tuple(
            (int(s), int(d), 1 if wanted[s, d] else -1)
            for s, d in zip(sources, columns, strict=True)
        )
    )


def without_edge(circuit: Circuit, edge: str) -> Mask:
    """The circuit's edges but one, bool [source, destination]."""
    mask = circuit.mask.copy()
    mask[circuit.graph.parse_edge(edge)] = False
    return mask


def without_nodes(circuit: Circuit, nodes: Iterable[str]) -> Mask:
    """The circuit's edges that neither leave nor enter these nodes.

    They are given as bool [source, destination]. The logits may not be among the nodes.
    """
    graph, mask = circuit.graph, circuit.mask.copy()
    for node in nodes:
        mask[graph.source_index(node)] = False
        mask[:, [graph.destination_index(name) for name in graph.destinations_of(node)]] = False
    return mask


def scores(
    evaluator: Evaluator, targets: Sequence[Callable[[], Mask]]
) -> Work[NDArray[np.float64]]:
    """The metric [target, pair] of circuits, as changes of the evaluator's.

    Args:
        evaluator: of a circuit without dead edges.
        targets: make bool [source, destination] each; the fewer edges they differ in the faster.
    """
    graph, mask = evaluator.graph, evaluator.circuit.mask
    found = np.empty((len(targets), evaluator.experiment.n_pairs))
    for start in range(0, len(targets), _AT_ONCE):
        changes = [towards(graph, mask, target()) for target in targets[start : start + _AT_ONCE]]
        for which, values in evaluator.evaluate(changes):
            found[start + which] = values
        yield min(1.0, (start + _AT_ONCE) / len(targets))
    return found


def complement_scores(experiment: Experiment, masks: Sequence[Mask]) -> Work[NDArray[np.float64]]:
    """The metric [circuit, pair] of the model without each circuit's edges, exactly.

    Args:
        masks: bool [source, destination] each, the edges that are taken away.
    """
    graph, every = experiment.graph, all_edges(experiment.graph)
    evaluator = Evaluator(experiment, Circuit.empty(graph))
    plan = make_plan(graph, every, np.zeros(graph.n_destinations, dtype=bool))
    bases = [CleanBaseline(graph, recording, every) for recording in experiment.recordings]
    found = np.empty((len(masks), experiment.n_pairs))
    for i, mask in enumerate(masks):
        change = towards(graph, every, every & ~mask)
        for _, values in evaluator.run(bases, plan, [change]):
            found[i] = values
        yield (i + 1) / len(masks)
    return found


def rounding(experiment: Experiment) -> float:
    """What differences of the metric have to exceed to be more than rounding."""
    return ROUNDING * max(abs(experiment.clean.metric), abs(experiment.corrupted.metric), 1e-6)


def change_of_faithfulness(experiment: Experiment, change: float) -> float | None:
    """What a change of the metric does to the faithfulness; None where there is none."""
    if experiment.faithfulness(experiment.clean.metric) is None:
        return None
    return change / (experiment.clean.metric - experiment.corrupted.metric)
