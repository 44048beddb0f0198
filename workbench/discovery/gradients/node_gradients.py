"""Gradients at the outputs of nodes: a backward pass over the recorded clean run.

Every block is run anew from its recorded residual, so that one block's graph is there at a time;
and only at the positions from `start` on, since before it nothing is ever corrupted. Several
gradients can be taken back through one block, as passes that leave out different layers need.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.circuits.names import mlp_name
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import PATCHING, ZERO
from workbench.experiment.experiment import Experiment
from workbench.metrics.catalogue import changes_in_steps
from workbench.metrics.metric import Metric
from workbench.transformer.forward import run_heads, write_heads
from workbench.transformer.neurons import with_neurons
from workbench.transformer.recording import Recording

# What one slice of pairs may take, in bytes.
SLICE_BYTES = 128 * 2**20
# One block's values [position, d_model] that autograd keeps: norms, q, k, v, z and gated MLPs.
_BLOCK_ROWS = 32
# Its values [head, query, key]: scores, their cap and mask, the pattern, and what is made of them.
_PATTERNS = 12


def require_slope(experiment: Experiment) -> None:
    """Refuse a metric whose gradient at the clean run says nothing.

    Raises:
        WorkbenchError: it changes in steps, or is at its least there.
    """
    name = experiment.metric_name
    if name == "kl" or changes_in_steps(name):
        why = "changes in steps" if name != "kl" else "is at its least, and so level, there"
        raise WorkbenchError(
            f"Attribution patching follows a metric's slope at the clean run, and {name} {why}; "
            "choose another metric."
        )


def slices(recording: Recording, gradients: int) -> Iterator[slice]:
    """Runs of a group's pairs, each as long as memory allows.

    Args:
        gradients: how many are taken back through each block.
    """
    parts = recording.parts
    positions = recording.n_positions
    row = positions * parts.d_model * (_BLOCK_ROWS + gradients)
    patterns = _PATTERNS * parts.n_heads * positions * (recording.start + positions)
    per_pair = (row + patterns) * recording.clean.final.element_size()
    room = max(1, SLICE_BYTES // per_pair)
    for start in range(0, recording.n_pairs, room):
        yield slice(start, min(start + room, recording.n_pairs))


def gradient_at_end(recording: Recording, metric: Metric, pairs: slice) -> Tensor:
    """Gradient of the metric, summed over the pairs, at the final residual of the clean run.

    Returns:
        [pair, position, d_model].
    """
    with torch.enable_grad():
        final = recording.clean.final[pairs].detach().requires_grad_()
        values = metric.part(pairs).of_residual(final[:, -1:])
        (gradient,) = torch.autograd.grad(values.sum(), final)
    return gradient


@dataclass
class BlockGradients:
    """Gradients of the metric, summed over the pairs, at one block's values.

    Attributes:
        z: at heads' values before W_O, [head, pair, position, d_head].
        mlp_out: at what the MLP writes, [pair, position, d_model].
        neurons: at the MLP's neurons, [pair, position, neuron]; None if it has none.
        residual: at the residual that the block reads, [pair, position, d_model].
    """

    z: Tensor
    mlp_out: Tensor
    neurons: Tensor | None
    residual: Tensor


class Block:
    """One block of the clean run of some pairs, with its graph.

    Attributes:
        z, mlp_out: what its nodes write in the corrupted less the clean run, in the layouts of
            `BlockGradients`.
        neurons: activations of the MLP's neurons, [pair, position, neuron], or None.
    """

    def __init__(self, recording: Recording, index: int, pairs: slice) -> None:
        self.recording, self.index, self.pairs = recording, index, pairs
        clean, corrupted = recording.clean.layers[index], recording.corrupted.layers[index]
        self.z = corrupted.z[:, pairs] - clean.z[:, pairs]
        self.mlp_out = corrupted.mlp_out[pairs] - clean.mlp_out[pairs]
        layer = recording.parts.layers[index].of_pairs(pairs)
        tapped = with_neurons(layer)
        if tapped is not None:
            layer = tapped[0]
        prefix_k, prefix_v = recording.prefix(index)
        prefix = None
        if prefix_k is not None and prefix_v is not None:
            prefix = prefix_k[:, pairs], prefix_v[:, pairs]
        with torch.enable_grad():
            x = clean.attn_in[pairs].detach()[:, None].requires_grad_()
            z = run_heads(layer, x, recording.rotary[index], prefix)[3]
            after = x + layer.after_attention(write_heads(layer, z))
            mlp_in = x if recording.parts.parallel else after
            self._out = after + layer.run_mlp(mlp_in[:, 0])[:, None]
        self.neurons = None if tapped is None else tapped[1].seen
        self._at = [x, z] if self.neurons is None else [x, z, self.neurons]

    def backward(self, gradient: Tensor) -> BlockGradients:
        """Take a gradient at the residual after the block [pair, position, d_model] back."""
        found = torch.autograd.grad(self._out, self._at, gradient[:, None], retain_graph=True)
        neurons = found[2] if len(found) > 2 else None
        return BlockGradients(found[1][:, :, 0], gradient, neurons, found[0][:, 0])

    def neuron_differences(self, ablation: str) -> Tensor | None:
        """a' - a of the MLP's neurons, [pair, position, neuron], as `neurons`.

        None where it has none, and for ablations that give no single neuron a value.
        """
        if self.neurons is None or ablation not in (PATCHING, ZERO):
            return None
        clean = self.neurons.detach()
        if ablation == ZERO:
            return -clean
        tapped = with_neurons(self.recording.parts.layers[self.index].of_pairs(self.pairs))
        assert tapped is not None
        layer, neurons = tapped
        with torch.no_grad():
            layer.run_mlp(self.recording.corrupted.layers[self.index].mlp_in[self.pairs])
        return neurons.seen - clean


def neuron_remarks(experiment: Experiment) -> list[str]:
    """What to say of neurons that have no scores."""
    if experiment.ablation not in (PATCHING, ZERO):
        return [
            f"Neurons have no scores with the ablation {experiment.ablation}: it says what a whole "
            "MLP writes, not what a neuron of it would be."
        ]
    layers = enumerate(experiment.parts.layers)
    without = [mlp_name(index) for index, layer in layers if with_neurons(layer) is None]
    if not without:
        return []
    return [
        f"The neurons of {', '.join(without)} have no scores: which experts a token takes differs "
        "from prompt to prompt."
    ]


def dot(difference: Tensor, gradient: Tensor) -> Tensor:
    """The product summed over the last dimension, in float32."""
    return (wide(difference) * wide(gradient)).sum(-1)
