"""Activation patching: the exact effect of corrupting each node, and each position of it.

c(n) = m(model with n's output corrupted) - m(model), for every reader at once and everything else
as it follows (Vig et al. 2020, 2004.12265; Heimersheim and Nanda 2024, 2404.15255). At a single
position the effect is of corrupting the node there alone; a pair whose prompts are too short to
have the position, or whose runs do not differ there yet, counts as unchanged.
"""

from __future__ import annotations

import numpy as np

from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.positions import longest
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import node_effects
from workbench.experiment.experiment import Experiment


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.nodes`, then `findings.positions`, the last layer and position first."""
    graph = experiment.graph
    evaluator = Evaluator(experiment, Circuit.empty(graph))
    columns = longest(experiment)
    differing = max(recording.n_positions for recording in experiment.recordings)
    findings.nodes = np.full(graph.n_sources, np.nan, dtype=np.float32)
    findings.positions = np.full((graph.n_sources, columns), np.nan, dtype=np.float32)
    findings.positions[:, : columns - differing] = 0
    # What is run anew for a node is the layers after it, at the positions from its own on.
    layers = np.array([1 + graph.n_layers - graph.layer_of(node) for node in graph.sources])
    whole = layers.sum() * (differing + differing * (differing + 1) / 2)
    done = 0.0
    names = graph.sources[::-1]
    for position in (None, *range(differing)):
        column = findings.nodes if position is None else findings.positions[:, -1 - position]
        rows = differing if position is None else position + 1
        for batch, effects in node_effects(evaluator, names, position=position):
            sources = [graph.source_index(name) for name in batch]
            column[sources] = effects
            done += layers[sources].sum() * rows
            yield min(1.0, done / whole)
    findings.complete = True
