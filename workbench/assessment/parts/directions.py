"""Noising and denoising: a node or edge corrupted, or clean in the corrupted run.

An OR of two paths is invisible to noising, since with one of them corrupted the other still does
it; an AND is invisible to denoising, since one of its inputs alone does nothing. So both are done,
exactly, for every node and edge of the circuit, and where they disagree it is said.

Denoising is the same computation with the two runs exchanged. With an ablation other than patching
the corrupted run is one of constants; what the clean component reaches is computed from what it
reads there, and what it does not reach goes on writing its constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from workbench.assessment.results.directions import Component, Directions, Gate
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.carrying import with_kept
from workbench.assessment.tools.variants import complement
from workbench.base.work import Work, part
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import INPUT, LOGITS
from workbench.circuits.names import is_edge, split_role
from workbench.engine.baseline import CleanBaseline
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import kept_edges, role_bits
from workbench.engine.node_patching import corrupted_finals
from workbench.engine.plan import make_plan
from workbench.engine.reach import Alternative
from workbench.experiment.experiment import Experiment
from workbench.transformer.recording import Recording


def assess_part(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Directions]:
    """Both directions, for each of the circuit's nodes and edges and for all of it.

    Raises:
        WorkbenchError: the circuit is another model's.
    """
    evaluator = Evaluator(experiment, circuit)
    sufficiency = experiment.faithfulness(evaluator.value().metric)
    yield 0.02
    circuit = evaluator.circuit  # with the roles of these prompts
    closed = replace(circuit, open=frozenset(), neurons={})
    rest = with_kept(closed, complement(circuit.graph, kept_edges(closed)))
    without = Evaluator(experiment, rest).value().metric
    yield 0.04
    nodes = [node for node in circuit.nodes() if node != LOGITS]
    edges = circuit.parts()
    both = experiment.recordings, [_exchanged(recording) for recording in experiment.recordings]
    inner = [node for node in nodes if node != INPUT]
    found = []
    for i, recordings in enumerate(both):
        start = 0.04 + 0.48 * i
        by_node = yield from part(_of_nodes(experiment, recordings, inner), start, start + 0.12)
        by_edge = yield from part(
            _of_edges(evaluator, recordings, edges), start + 0.12, start + 0.48
        )
        found.append(by_node | by_edge)
    noised, denoised = found
    model, corrupted = experiment.clean.metric, experiment.corrupted.metric
    # All that is clean comes in by the input, and goes with it.
    noised[INPUT], denoised[INPUT] = corrupted, model

    components = []
    for name in (*nodes, *edges):
        one, other = noised[name], denoised[name]
        left = experiment.faithfulness(one)
        noising = None if left is None else 1 - left
        denoising = experiment.faithfulness(other)
        components.append(
            Component(
                name=name,
                kind="edge" if is_edge(name) else "node",
                noised=one,
                denoised=other,
                noising=noising,
                denoising=denoising,
                gate=gate(noising, denoising, settings.strong, settings.weak),
            )
        )
    left = experiment.faithfulness(without)
    return Directions(
        model=model,
        corrupted=corrupted,
        nodes=tuple(components[: len(nodes)]),
        edges=tuple(components[len(nodes) :]),
        sufficiency=sufficiency,
        without=without,
        necessity=None if left is None else 1 - left,
        strong=settings.strong,
        weak=settings.weak,
    )


def gate(noising: float | None, denoising: float | None, strong: float, weak: float) -> Gate | None:
    """What one direction sees and the other does not; None if they agree well enough.

    Args:
        noising, denoising: shares of the span.
        strong, weak: they disagree if the larger is at least `strong`, and the other less than
            `weak` times as large, or of the other sign.
    """
    if noising is None or denoising is None:
        return None
    large, small = sorted((noising, denoising), key=abs, reverse=True)
    if abs(large) < strong or small / large >= weak:
        return None
    if small / large <= -weak:
        return "sign"
    return "and" if large == noising else "or"


def _exchanged(recording: Recording) -> Recording:
    """The same with clean and corrupted in each other's place. Before `start` they are equal."""
    return replace(recording, clean=recording.corrupted, corrupted=recording.clean)


def _of_nodes(
    experiment: Experiment, recordings: Sequence[Recording], nodes: Sequence[str]
) -> Work[dict[str, float]]:
    """Mean metric of the clean run with all that a node writes taken from the other."""
    metrics = {}
    for node in nodes:
        source = [experiment.graph.source_index(node)]
        with torch.no_grad():
            values = [
                metric.of_residual(corrupted_finals(experiment.graph, recording, source))
                for metric, recording in zip(experiment.metrics, recordings, strict=True)
            ]
        metrics[node] = float(experiment.in_order(values).mean())
        yield len(metrics) / len(nodes)
    return metrics


def _of_edges(
    evaluator: Evaluator, recordings: Sequence[Recording], edges: Sequence[str]
) -> Work[dict[str, float]]:
    """The same of what an edge carries."""
    graph = evaluator.graph
    every = all_edges(graph)
    plan = make_plan(graph, every, np.zeros(graph.n_destinations, dtype=bool))
    bases = [CleanBaseline(graph, recording, every) for recording in recordings]
    names = evaluator.circuit.at.names
    split = [split_role(edge) for edge in edges]
    changes = [
        Alternative(
            ((*graph.parse_edge(edge), -1),), roles=(role_bits(names, [role]),) if role else ()
        )
        for edge, role in split
    ]
    metrics = {}
    for which, values in evaluator.run(bases, plan, changes):
        for k, value in zip(which, values.mean(axis=1), strict=True):
            metrics[edges[k]] = float(value)
        yield len(metrics) / len(edges)
    return metrics
