"""Minimality: what the circuit loses with each edge and each node, exactly.

m(C without e) - m(C), everything outside the circuit ablated. An edge on no path from the input to
the logits is dead: without it nothing changes, by definition. An edge that is kept at some roles is
dropped at each of them alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from workbench.assessment.results.minimality import Loss, Minimality
from workbench.base.work import Work, part
from workbench.circuits.graph import INPUT, LOGITS
from workbench.circuits.names import edge_ends, split_role

if TYPE_CHECKING:
    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment


def assess_part(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Minimality]:
    """Drop every edge and every node of the circuit, one at a time.

    Raises:
        WorkbenchError: the circuit is not closed.
    """
    from workbench.assessment.tools.variants import (
        alive,
        on_roles,
        scores,
        without_edge,
        without_nodes,
    )
    from workbench.engine.evaluator import Evaluator

    circuit = on_roles(circuit, experiment.batch.roles)
    kept = alive(circuit, experiment.batch.roles)
    evaluator = Evaluator(experiment, kept)
    whole = evaluator.value().metric
    edges, nodes = kept.parts(), _inner_nodes(kept)
    by_edge = yield from part(
        scores(evaluator, [partial(without_edge, kept, edge) for edge in edges]), 0.0, 0.8
    )
    by_node = yield from part(
        scores(evaluator, [partial(without_nodes, kept, [node]) for node in nodes]), 0.8, 1.0
    )
    edge_sizes = dict.fromkeys(circuit.parts(), 1)
    return Minimality(
        experiment.metric_name,
        whole,
        experiment.faithfulness(whole),
        _losses(experiment, whole, edge_sizes, dict(zip(edges, by_edge.mean(axis=1), strict=True))),
        _losses(
            experiment, whole, _sizes(circuit), dict(zip(nodes, by_node.mean(axis=1), strict=True))
        ),
    )


def _inner_nodes(circuit: Circuit) -> list[str]:
    return [node for node in circuit.nodes() if node not in (INPUT, LOGITS)]


def _sizes(circuit: Circuit) -> dict[str, int]:
    """How many kept edges, or edges at roles, enter or leave each node."""
    ends = [edge_ends(split_role(name)[0]) for name in circuit.parts()]
    sizes = dict.fromkeys(_inner_nodes(circuit), 0)
    for source, destination in ends:
        for node in {source, circuit.graph.node_of(destination)} & sizes.keys():
            sizes[node] += 1
    return sizes


def _losses(
    experiment: Experiment, whole: float, sizes: Mapping[str, int], metrics: Mapping[str, float]
) -> tuple[Loss, ...]:
    """Of everything in `sizes`; what has no metric of its own is dead."""
    from workbench.assessment.tools.variants import change_of_faithfulness, rounding

    changes = {name: float(metrics.get(name, whole)) - whole for name in sizes}
    total = sum(abs(change) for change in changes.values())
    sign = -1 if experiment.metric_name == "kl" else 1
    return tuple(
        Loss(
            name=name,
            edges=sizes[name],
            metric=whole + change,
            change=change,
            faithfulness=change_of_faithfulness(experiment, change),
            share=abs(change) / total if total else 0.0,
            improves=sign * change > rounding(experiment),
            dead=name not in metrics,
        )
        for name, change in sorted(changes.items(), key=lambda item: -abs(item[1]))
    )
