"""AtP*: attribution patching with QK fix and GradDrop (Kramar et al. 2024, 2403.00745).

GradDrop: direct and indirect effects that cancel in the gradient hide a node. So there is a
backward pass for each of the L layers in which that layer's contribution to the residual (of
attention and MLP together) counts as constant, and

    c(n) = mean over pairs of  1 / (L - 1)  sum over layers l of | (n' - n) . dL_l/dn |.

It is L - 1, since in the pass of its own layer a node has no effect; the input, which no pass
stops, is divided by L. A model of one layer has nothing to drop. Scores have no sign. A node all of
whose paths go through k other layers loses k of its L - 1 terms: in a model of few layers that
hides what acts through most of them.

A head stands for four nodes: its output z W_O, and its query, key and value (`qk_fix`). They are
scored one by one, the query and key with the QK fix, and the head's score is the largest of the
four. All keys of a head are corrupted together for its score, and one for its score at a position.
Where sources are ablated to constants, a corrupted query, key or value is the head's when it reads
the residual that the constants make.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of
from workbench.base.work import Work, part
from workbench.circuits.graph import Graph
from workbench.circuits.names import mlp_name
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.node_gradients import (
    Block,
    BlockGradients,
    dot,
    gradient_at_end,
    neuron_remarks,
    require_slope,
    slices,
)
from workbench.discovery.gradients.qk_fix import HeadInputs
from workbench.discovery.options import Options
from workbench.discovery.positions import columns, longest
from workbench.discovery.slice_sums import SliceSums
from workbench.experiment.experiment import Experiment
from workbench.metrics.metric import Metric
from workbench.transformer.recording import Recording

OF_HEADS = ("output", "query", "key", "value")
"""The four nodes of a head, in the order in which `Magnitudes` holds them."""

FEW_LAYERS = 8
"""With fewer the user is told what dropping layers hides."""


@dataclass
class Magnitudes:
    """Magnitudes of effects, summed over pairs and averaged over passes.

    Attributes:
        nodes: [which of OF_HEADS, source]; an MLP and the input have an output only.
        positions: [which of OF_HEADS, source, position].
        neurons: MLP's name -> [neuron].
    """

    nodes: NDArray[np.float64]
    positions: NDArray[np.float64]
    neurons: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def none(cls, graph: Graph, positions: int) -> Magnitudes:
        """Sums of nothing yet."""
        kinds = len(OF_HEADS)
        return cls(
            np.zeros((kinds, graph.n_sources)), np.zeros((kinds, graph.n_sources, positions))
        )

    def add(self, kind: int, sources: slice, weight: float, effects: Tensor) -> None:
        """Of nodes whose effect at all positions is the sum of those at each one.

        Args:
            effects: of one pass, [source, pair, position].
        """
        self.nodes[kind, sources] += weight * _total(effects.sum(-1).abs().sum(1))
        self.positions[kind, sources] += weight * _total(effects.abs().sum(1))


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.nodes`, `findings.positions`, `findings.neurons`, all without a sign.

    Raises:
        WorkbenchError: the metric has no slope at the clean run.
    """
    yield from magnitudes(experiment, findings)
    findings.complete = True


def magnitudes(experiment: Experiment, findings: Findings) -> Work[Magnitudes]:
    """As `find`; returns the mean magnitudes over pairs of a head's four nodes, too."""
    require_slope(experiment)
    findings.needed = 0
    graph, n_columns = experiment.graph, longest(experiment)
    findings.remarks.append(
        "A head's score is the largest of those of its output, query, key and value."
    )
    if 1 < graph.n_layers < FEW_LAYERS:
        findings.remarks.append(
            f"Of {graph.n_layers} layers every pass leaves one out, so that nodes that act through "
            "most of the others score low: compare with atp."
        )
    findings.remarks += neuron_remarks(experiment)
    none = Magnitudes.none(graph, n_columns)
    sums = SliceSums(nodes=none.nodes, positions=none.positions)
    own = "nodes", "positions"
    neurons = {name: values for name, values in sums.arrays.items() if name not in own}
    whole, done = Magnitudes(sums.arrays["nodes"], sums.arrays["positions"], neurons), 0

    def show() -> None:
        findings.nodes = (whole.nodes.max(axis=0) / done).astype(np.float32)
        findings.positions = (whole.positions.max(axis=0) / done).astype(np.float32)
        findings.neurons = {
            name: (values / done).astype(np.float32)
            for name, values in reversed(whole.neurons.items())
        }

    for recording, metric in zip(experiment.recordings, experiment.metrics, strict=True):
        here = columns(recording, n_columns)
        for pairs in slices(recording, 1 + graph.n_layers):
            n = pairs.stop - pairs.start
            if sums.has_next():
                done += n
                show()
                continue
            passes = _of_slice(experiment, recording, metric, pairs)
            ends = done / experiment.n_pairs, (done + n) / experiment.n_pairs
            found = yield from part(passes, *ends)
            whole.nodes += found.nodes
            whole.positions[..., here] += found.positions
            for name, values in found.neurons.items():
                whole.neurons[name] = whole.neurons.get(name, 0) + values
            done += n
            sums.arrays |= whole.neurons
            sums.added()
            show()
    sums.done()
    neurons = {name: values / done for name, values in whole.neurons.items()}
    return Magnitudes(whole.nodes / done, whole.positions / done, neurons)


def _of_slice(
    experiment: Experiment, recording: Recording, metric: Metric, pairs: slice
) -> Work[Magnitudes]:
    """All passes over some pairs, together: from the last block to the first.

    Above the block that it stops, a pass is the plain backward pass; so a block takes back the
    plain gradient, which counts for all the passes that stop an earlier block, and one gradient for
    each that stopped a later one.
    """
    graph = experiment.graph
    n_layers = graph.n_layers
    found = Magnitudes.none(graph, recording.n_positions)
    plain = gradient_at_end(recording, metric, pairs)
    stopped: list[Tensor] = []
    steps, step = n_layers * (n_layers + 1) / 2, 0
    for index in reversed(range(n_layers)):
        block = Block(recording, index, pairs)
        inputs = HeadInputs(recording, index, pairs)
        moved = block.neuron_differences(experiment.ablation)
        below = []
        for place, gradient in enumerate((plain, *stopped)):
            gradients = block.backward(gradient)
            below.append(gradients.residual)
            passes = index if place == 0 else 1
            weight = passes / (n_layers - 1) if n_layers > 1 else 1.0
            _add_block(found, graph, block, inputs, moved, gradients, weight)
            step += 1
            yield step / steps
        stopped = [plain, *below[1:]]
        plain = below[0]
    difference = recording.corrupted.embedding[pairs] - recording.clean.embedding[pairs]
    at_input = stopped if n_layers > 1 else [plain]
    for gradient in at_input:
        found.add(0, slice(0, 1), 1 / len(at_input), dot(difference, gradient)[None])
    return found


def _add_block(
    found: Magnitudes,
    graph: Graph,
    block: Block,
    inputs: HeadInputs,
    moved: Tensor | None,
    gradients: BlockGradients,
    weight: float,
) -> None:
    """Add what one pass says of a block's nodes; `moved` is how far its neurons move."""
    mlp = graph.mlp_source(block.index)
    heads = graph.head_rows(block.index)
    found.add(0, slice(mlp, mlp + 1), weight, dot(block.mlp_out, gradients.mlp_out)[None])
    found.add(0, heads, weight, dot(block.z, gradients.z))
    effects = inputs.effects(gradients.z)
    found.add(1, heads, weight, effects.query)
    found.add(3, heads, weight, effects.value)
    found.nodes[2, heads] += weight * _total(effects.keys.abs().sum(1))
    found.positions[2, heads] += weight * _total(effects.key.abs().sum(1))
    if moved is not None and gradients.neurons is not None:
        by_pair = torch.einsum("pin,pin->pn", wide(moved), wide(gradients.neurons))
        values = weight * _total(by_pair.abs().sum(0))
        name = mlp_name(block.index)
        found.neurons[name] = found.neurons.get(name, 0) + values


def _total(values: Tensor) -> NDArray[np.float64]:
    return array_of(values).astype(np.float64)
