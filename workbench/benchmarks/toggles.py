"""Toggles of edges in a circuit, timed; prompts that differ early, where they cost most."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.benchmarks.figures import Figure
from workbench.benchmarks.stopwatch import Stopwatch
from workbench.circuits.circuit import Circuit, all_edges
from workbench.engine.evaluator import Edit, Evaluator
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import Batch

TOGGLES = 50
"""Kept edges, and as many dropped ones, that are toggled in each circuit."""

FORWARD_EVERY = 10
"""Toggles between two plain forward passes."""

AIMS = {"a kept edge": (0.02, 0.10)}
EARLY_AIMS = {"a kept edge": (0.03, 0.10)}
"""What toggles of a circuit of `SMALL` edges should take, median and 90th percentile."""

EARLY = ", differing early"
"""How figures of prompts that differ from the first token on are named."""


def toggled_edges(circuit: Circuit, generator: random.Random, n: int) -> list[str]:
    """n random kept and n random dropped edges of a circuit, mixed."""
    graph = circuit.graph

    def some(mask: NDArray[np.bool_]) -> list[str]:
        places = np.argwhere(mask)
        chosen = generator.sample(range(len(places)), min(n, len(places)))
        return [graph.edge_name(int(s), int(d)) for s, d in places[chosen]]

    edges = some(circuit.mask) + some(all_edges(graph) & ~circuit.mask)
    generator.shuffle(edges)
    return edges


def among_its_nodes(circuit: Circuit) -> NDArray[np.bool_]:
    """Dropped edges between two nodes of a circuit: those that somebody would really toggle."""
    graph, nodes = circuit.graph, set(circuit.nodes())
    sources = np.array([name in nodes for name in graph.sources])
    destinations = np.array([graph.node_of(name) in nodes for name in graph.destinations])
    return all_edges(graph) & ~circuit.mask & sources[:, None] & destinations[None, :]


def toggle_kinds(circuit: Circuit) -> dict[str, NDArray[np.bool_]]:
    """Edges whose toggles cost differently, bool [source, destination] by what they are."""
    dropped, inside = all_edges(circuit.graph) & ~circuit.mask, among_its_nodes(circuit)
    return {
        "a kept edge": circuit.mask,
        "an edge between two of its nodes": inside,
        "a dropped edge outside its nodes": dropped & ~inside,
    }


def toggle_figures(
    experiment: Experiment,
    watch: Stopwatch,
    circuit: Circuit,
    seed: int,
    rounds: int,
    aims: Mapping[str, tuple[float, float]],
    when: str = "",
) -> list[Figure]:
    """Toggles of each kind: until the metric is known, and of kept edges with accuracy and KL.

    Args:
        rounds: below 5, fewer edges are toggled.
        aims: the median and the 90th percentile that a kind should not exceed.
        when: what to say of the prompts.
    """
    graph, generator, figures = circuit.graph, random.Random(seed), []
    for kind, mask in toggle_kinds(circuit).items():
        places = np.argwhere(mask)
        chosen = generator.sample(
            range(len(places)), min(TOGGLES * min(rounds, 5) // 5, len(places))
        )
        edges = [graph.edge_name(int(s), int(d)) for s, d in places[chosen]]
        if not edges:
            continue
        name = f"toggling {kind} in {circuit.n_edges} edges{when}"
        aim, aim_p90 = aims.get(kind, (None, None))
        ratios, seconds = toggle_times(experiment, watch, circuit, edges)
        how: dict[str, Any] = {"percentile": True, "seconds": seconds}
        figures.append(Figure.of(name, ratios, "F", aim=aim, aim_p90=aim_p90, **how))
        if mask is circuit.mask:
            ratios, seconds = toggle_times(experiment, watch, circuit, edges, whole=True)
            how = {"percentile": True, "seconds": seconds}
            figures.append(Figure.of("  and accuracy and KL, which follow", ratios, "F", **how))
    return figures


def toggle_times(
    experiment: Experiment,
    watch: Stopwatch,
    circuit: Circuit,
    edges: Sequence[str],
    *,
    whole: bool = False,
) -> tuple[list[float], list[float]]:
    """Each toggle's time in F and in seconds; each is taken back before the next.

    `whole`: accuracy and KL too, not the metric alone.
    """
    evaluator = Evaluator(experiment, circuit)
    evaluator.value()
    ratios, times = [], []
    forward = watch.forward()
    for number, edge in enumerate(edges):
        if number % FORWARD_EVERY == 0:
            forward = (watch.forward() + watch.forward()) / 2
        edit = Edit(toggle=(edge,))

        def work(edit: Edit = edit) -> object:
            value = evaluator.commit(edit)
            return value.kl if whole else value.metric

        taken = watch.seconds(work)
        ratios.append(taken / forward)
        times.append(taken)
        evaluator.commit(edit)
    return ratios, times


def differing_early(batch: Batch) -> Batch:
    """The batch with another first word in every corrupted prompt: its own last token.

    After a token that begins every sequence, if there is one.
    """
    groups = []
    for group in batch.groups:
        corrupted, at = group.corrupted.clone(), min(int(batch.prepend_bos), group.length - 1)
        other = torch.where(
            group.clean[:, -1] == group.clean[:, at], group.clean[:, -2], group.clean[:, -1]
        )
        corrupted[:, at] = other
        groups.append(replace(group, corrupted=corrupted, first_difference=at))
    return replace(batch, groups=tuple(groups))
