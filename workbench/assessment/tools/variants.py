"""Alternatives of a closed circuit, given as arrays of kept edges, and what they score.

A circuit that keeps edges at some roles goes by its parts: whole edges, and edges at single roles.
One of whole edges goes by these; both through the same functions.

A node that nothing clean reaches writes what it writes in the ablated run, whatever it would
compute from others' ablated outputs. So a change that cuts a node off from the input takes the
edges out of that node, too; then an alternative scores what the circuit of its edges scores.

Glossary: docs/glossary.md#variants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.assessment.tools.carrying import with_kept
from workbench.assessment.tools.edge_knockout import can_be_shared, final_without
from workbench.base.work import Work, part
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.circuits.names import split_role
from workbench.engine.baseline import CleanBaseline
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import (
    NOTHING,
    WHOLE,
    Bits,
    Kept,
    as_bits,
    has_roles,
    kept_edges,
    role_bits,
)
from workbench.engine.plan import Positions, live_and_read, make_plan, pruned_by_roles
from workbench.engine.reach import Alternative
from workbench.engine.role_layout import RoleLayout
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.prompts.roles import Roles

ROUNDING = 1e-5
"""Changes of the metric below this share of the clean or corrupted run's are rounding."""

_AT_ONCE = 16
"""Alternatives to a piece of work: about a forward pass."""

_MODELS_AT_ONCE = 4
"""Models without edges that are run together: more are no faster."""


def alive(circuit: Circuit, roles: Roles | None = None) -> Circuit:
    """The circuit without its dead edges, which change nothing.

    Args:
        roles: of the prompts, by which edges that are kept at some roles are dead at others; None
            where an edge counts as alive if it were so at all roles.

    Raises:
        WorkbenchError: something that the metric depends on is still open, or an edge is kept at a
            role that the prompts lack.
    """
    if not circuit.is_closed:
        raise WorkbenchError(
            f"The circuit is not closed ({circuit.open_reached()[0]} is still open), so that its "
            "metric is not its own: expand or close every open input before assessing it."
        )
    closed = circuit.copy()
    closed.mask[:, [circuit.graph.destination_index(name) for name in circuit.open]] = False
    closed.open = frozenset()
    if roles is None or not circuit.at:
        return closed.pruned()
    closed.at = closed.at.only(closed.edges())
    closed = on_roles(closed, roles)
    kept = as_bits(kept_edges(closed))
    return with_kept(closed, pruned_by_roles(closed.graph, kept, RoleLayout.of(roles)))


def on_roles(circuit: Circuit, roles: Roles) -> Circuit:
    """A circuit with the roles of these prompts, at all of which an edge is whole.

    Raises:
        WorkbenchError: an edge is kept at a role that they lack.
    """
    return replace(circuit, at=circuit.at.named(roles.names)) if circuit.at else circuit


def towards(
    graph: Graph, kept: Kept, target: Kept, layout: RoleLayout | None = None
) -> Alternative:
    """The change that makes one closed circuit of another.

    Args:
        kept: [source, destination], the edges of a circuit without dead edges.
        target: [source, destination], the edges that there are to be.
        layout: where roles stand, if either has edges at some roles.
    """
    if has_roles(kept) or has_roles(target):
        assert layout is not None
        return _towards_by_roles(graph, as_bits(kept), as_bits(target), layout)
    mask = kept
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


def _towards_by_roles(graph: Graph, kept: Bits, target: Bits, layout: RoleLayout) -> Alternative:
    """The same, role by role."""
    wanted = pruned_by_roles(graph, target, layout)
    read = live_and_read(graph, target, layout)[1] != NOTHING
    edges, roles = [], []
    for sign, bits in ((-1, kept & ~wanted), (1, wanted & ~kept)):
        for s, d in np.argwhere((bits != NOTHING) & read):
            edges.append((int(s), int(d), sign))
            roles.append(bits[s, d])
    return Alternative(tuple(edges), roles=tuple(roles))


def without_edge(circuit: Circuit, edge: str) -> Kept:
    """What the circuit keeps but one edge, or but an edge at a role: [source, destination]."""
    name, role = split_role(edge)
    kept = kept_edges(circuit)
    gone = role_bits(circuit.at.names, [role]) if role else WHOLE
    where = circuit.graph.parse_edge(name)
    kept[where] = kept[where] & ~gone if has_roles(kept) else False
    return kept


def without_nodes(circuit: Circuit, nodes: Iterable[str]) -> Kept:
    """The circuit's edges that neither leave nor enter these nodes, at whatever roles.

    They are given as [source, destination]. The logits may not be among the nodes.
    """
    graph, kept = circuit.graph, kept_edges(circuit)
    for node in nodes:
        kept[graph.source_index(node)] = 0
        kept[:, [graph.destination_index(name) for name in graph.destinations_of(node)]] = 0
    return kept


def scores(
    evaluator: Evaluator, targets: Sequence[Callable[[], Kept]]
) -> Work[NDArray[np.float64]]:
    """The metric [target, pair] of circuits, as changes of the evaluator's.

    Args:
        evaluator: of a circuit without dead edges.
        targets: make [source, destination] each; the fewer edges they differ in the faster.
    """
    graph, kept = evaluator.graph, kept_edges(evaluator.circuit)
    layout = RoleLayout.of(evaluator.experiment.batch.roles)
    found = np.empty((len(targets), evaluator.experiment.n_pairs))
    for start in range(0, len(targets), _AT_ONCE):
        some = targets[start : start + _AT_ONCE]
        changes = [towards(graph, kept, target(), layout) for target in some]
        for which, values in evaluator.evaluate(changes):
            found[start + which] = values
        yield min(1.0, (start + _AT_ONCE) / len(targets))
    return found


def complement(graph: Graph, taken: Kept) -> Kept:
    """All of the model's edges without these, [source, destination]."""
    every = all_edges(graph)
    return as_bits(every) & ~taken if has_roles(taken) else every & ~taken


def complement_scores(experiment: Experiment, taken: Sequence[Kept]) -> Work[NDArray[np.float64]]:
    """The metric [circuit, pair] of the model without each circuit's edges, exactly.

    Args:
        taken: [source, destination] each, the edges that are taken away.
    """
    graph, every = experiment.graph, all_edges(experiment.graph)
    evaluator = Evaluator(experiment, Circuit.empty(graph))
    plan = make_plan(graph, every, np.zeros(graph.n_destinations, dtype=bool))
    bases = [CleanBaseline(graph, recording, every) for recording in experiment.recordings]
    layout = RoleLayout.of(experiment.batch.roles)
    found = np.empty((len(taken), experiment.n_pairs))
    if can_be_shared(experiment) and not any(map(has_roles, taken)):
        changes = [towards(graph, every, complement(graph, edges)).edges for edges in taken]
        removed = [[(s, d) for s, d, _ in edges] for edges in changes]
        return (yield from _models_without(experiment, removed))
    for i, edges in enumerate(taken):
        change = towards(graph, every, complement(graph, edges), layout)
        for _, values in evaluator.run(bases, plan, [change]):
            found[i] = values
        yield (i + 1) / len(taken)
    return found


def _models_without(
    experiment: Experiment, removed: Sequence[Sequence[tuple[int, int]]]
) -> Work[NDArray[np.float64]]:
    """The metric [set, pair] of the model without sets of edges."""
    found = np.empty((len(removed), experiment.n_pairs))
    groups = list(zip(experiment.recordings, experiment.metrics, strict=True))
    for start in range(0, len(removed), _MODELS_AT_ONCE):
        some = removed[start : start + _MODELS_AT_ONCE]
        share, values = len(some) / len(removed) / len(groups), []
        for number, (recording, metric) in enumerate(groups):
            begin = start / len(removed) + number * share
            run = final_without(experiment.graph, recording, some)
            final = yield from part(run, begin, begin + share)
            with torch.no_grad():
                values.append(metric.of_residual(final))
        found[start : start + len(some)] = experiment.in_order(values).T
        yield (start + len(some)) / len(removed)
    return found


def rounding(experiment: Experiment) -> float:
    """What differences of the metric have to exceed to be more than rounding."""
    return ROUNDING * max(abs(experiment.clean.metric), abs(experiment.corrupted.metric), 1e-6)


def change_of_faithfulness(experiment: Experiment, change: float) -> float | None:
    """What a change of the metric does to the faithfulness; None where there is none."""
    if experiment.faithfulness(experiment.clean.metric) is None:
        return None
    return change / (experiment.clean.metric - experiment.corrupted.metric)
