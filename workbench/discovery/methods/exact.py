"""The exact effect of every edge in the full model: what EAP and its kin estimate.

s(E) = m(model with the edge corrupted) - m(model). Every edge takes a run of its own from its
destination on, on the model's ordinary layers; edges into one stage of the model go together. That
is long work on anything but a small model, so the order matters to whoever looks on or stops it:
the edges of largest |EAP| first if that has been computed, else the last destinations first, which
cost least. An edge not yet reached has no score.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import Work
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.names import at_role, edge_ends, split_role
from workbench.discovery.estimates import known_estimates
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import edge_effects
from workbench.experiment.carrying import CarryingRoles
from workbench.experiment.experiment import Experiment

# Edges of largest |EAP| that come first, stage by stage; then so many times as many, and so on.
_FIRST, _GROWTH = 500, 4


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.edges`, stage by stage."""
    graph = experiment.graph
    evaluator = Evaluator(experiment, Circuit.empty(graph))
    # An edge costs the layers that are run anew.
    cost = np.zeros(graph.n_destinations)
    for stage in graph.stages:
        cost[stage.columns] = 1 + graph.n_layers - stage.layer
    whole = float((all_edges(graph) * cost).sum())
    done = 0.0
    for group in _groups(experiment):
        names = [graph.edge_name(int(s), int(d)) for s, d in group]
        for batch, effects in edge_effects(evaluator, names):
            sources, columns = np.array([graph.parse_edge(name) for name in batch]).T
            findings.edges[sources, columns] = effects
            if findings.at_roles is not None:
                _by_role(evaluator, findings, batch)
            findings.tried += len(batch)
            done += float(cost[columns].sum())
            yield min(1.0, done / whole)
    findings.complete = True


def _by_role(evaluator: Evaluator, findings: Findings, edges: list[str]) -> None:
    """Fill in the effects of these edges at every role, which do not add up to the edges'.

    At a role at which an edge carries nothing it has none.
    """
    assert findings.at_roles is not None
    graph, carrying = findings.graph, CarryingRoles.of_experiment(evaluator.experiment)
    for edge in edges:
        findings.at_roles[:, *graph.parse_edge(edge)] = 0
    names = [
        at_role(edge, role) for edge in edges for role in carrying.at(graph, edge_ends(edge)[1])
    ]
    places = {role: place for place, role in enumerate(findings.roles)}
    for batch, effects in edge_effects(evaluator, names):
        for name, effect in zip(batch, effects, strict=True):
            edge, role = split_role(name)
            findings.at_roles[places[role], *graph.parse_edge(edge)] = effect


def _groups(experiment: Experiment) -> Iterator[NDArray[np.int64]]:
    """All edges [edge, (source, destination)] in the order of their computation, by group.

    Those of one group go into one stage.
    """
    graph = experiment.graph
    edges = np.argwhere(all_edges(graph))
    bounds = [0, len(edges)]
    estimated = known_estimates(experiment)
    if estimated is not None:
        size = np.abs(estimated[edges[:, 0], edges[:, 1]])
        edges = edges[np.argsort(-size, kind="stable")]
        bounds, end = [0], _FIRST
        while bounds[-1] < len(edges):
            bounds.append(min(end, len(edges)))
            end *= _GROWTH
    for start, stop in pairwise(bounds):
        chosen = edges[start:stop]
        for stage in reversed(graph.stages):
            inside = (chosen[:, 1] >= stage.columns.start) & (chosen[:, 1] < stage.columns.stop)
            if inside.any():
                into = chosen[inside]
                yield into[np.argsort(into[:, 1], kind="stable")]
