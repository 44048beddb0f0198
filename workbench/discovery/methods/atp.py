"""Attribution patching of nodes, of nodes at single positions, and of MLP neurons.

c(n) = (n' - n) . dL/dn at the clean run (Nanda 2023; Kramar et al. 2024, 2403.00745), where L is
the mean metric over pairs: the first-order change of the metric when the node's output is
corrupted. The gradient is taken where the node writes, with all that follows in it; so where a norm
follows a layer's heads (`post_norm`), a head's score is through that norm, at the sum of all heads.
For a head n is z W_O, for a neuron what enters its MLP's last linear map. A node's score is the sum
of its scores by position, to which pairs that lack the position add nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workbench.base.numbers import wide
from workbench.base.transfers import array_of
from workbench.base.work import Work
from workbench.circuits.names import mlp_name
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.node_gradients import (
    Block,
    dot,
    gradient_at_end,
    neuron_remarks,
    require_slope,
    slices,
)
from workbench.discovery.options import Options
from workbench.discovery.positions import columns, longest
from workbench.discovery.slice_sums import SliceSums
from workbench.experiment.experiment import Experiment
from workbench.metrics.metric import Metric
from workbench.transformer.recording import Recording


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.nodes`, `findings.positions` and `findings.neurons`.

    Raises:
        WorkbenchError: the metric has no slope at the clean run.
    """
    require_slope(experiment)
    findings.remarks += neuron_remarks(experiment)
    n_columns, n_layers = longest(experiment), experiment.graph.n_layers
    sums = SliceSums(positions=np.zeros((experiment.graph.n_sources, n_columns)))
    positions = sums.arrays["positions"]
    neurons = {name: a for name, a in sums.arrays.items() if name != "positions"}
    done = 0

    def show() -> None:
        findings.positions = (positions / done).astype(np.float32)
        findings.nodes = (positions.sum(axis=1) / done).astype(np.float32)
        findings.neurons = {
            name: (total / done).astype(np.float32) for name, total in reversed(neurons.items())
        }

    for recording, metric in zip(experiment.recordings, experiment.metrics, strict=True):
        here = columns(recording, n_columns)
        for pairs in slices(recording, 1):
            n = pairs.stop - pairs.start
            if sums.has_next():
                done += n
                show()
                continue
            backward = _scores(experiment, recording, metric, pairs)
            for block, (sources, effects, of_neurons) in enumerate(backward):
                positions[sources, here] += effects
                if of_neurons is not None:
                    name = mlp_name(n_layers - 1 - block)
                    neurons[name] = neurons.get(name, 0) + of_neurons
                yield (done + n * (block + 1) / (n_layers + 1)) / experiment.n_pairs
            done += n
            sums.arrays |= neurons
            sums.added()
            show()
    sums.done()
    findings.complete = True


def _scores(
    experiment: Experiment, recording: Recording, metric: Metric, pairs: slice
) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64] | None]]:
    """Scores summed over some pairs, from the last block to the first, and last of the input.

    Yields:
        Which sources, their scores [source, position], and those of the block's neurons [neuron].
    """
    graph = experiment.graph
    gradient = gradient_at_end(recording, metric, pairs)
    for index in reversed(range(graph.n_layers)):
        block = Block(recording, index, pairs)
        gradients = block.backward(gradient)
        gradient = gradients.residual
        heads = dot(block.z, gradients.z).sum(1)
        mlp = dot(block.mlp_out, gradients.mlp_out).sum(0)
        effects = np.concatenate((array_of(heads), array_of(mlp[None])))
        differences, of_neurons = block.neuron_differences(experiment.ablation), None
        if differences is not None and gradients.neurons is not None:
            moved = wide(differences) * wide(gradients.neurons)
            of_neurons = array_of(moved.sum((0, 1))).astype(np.float64)
        sources = graph.layer_rows(index)
        yield sources, effects.astype(np.float64), of_neurons
    moved = recording.corrupted.embedding[pairs] - recording.clean.embedding[pairs]
    effects = array_of(dot(moved, gradient).sum(0)[None])
    yield slice(0, 1), effects.astype(np.float64), None
