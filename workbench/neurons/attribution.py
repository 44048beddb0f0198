"""What neurons write directly to the logit difference, and how active they are.

A neuron writes act_n W_out[n]; through the final norm with its scale frozen at the run's that is a
number for each pair, and with what the MLP's bias writes they sum to the MLP's own direct
attribution exactly (see `readouts.direct_logit_attribution`). Where a norm follows the MLP its
scale is frozen, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of
from workbench.circuits.names import mlp_name
from workbench.readouts.activations import Activations, activations, mean_columns
from workbench.readouts.results import Position
from workbench.transformer.frozen_norm import FrozenNorm
from workbench.transformer.neurons import output_bias, output_rows, written_by

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


@dataclass(frozen=True)
class NeuronValues:
    """Means over pairs, at one position.

    Attributes:
        clean, corrupted: activations [neuron].
        direct, direct_corrupted: direct attribution in both runs [neuron], each through its own
            final norm; None where pairs lack answers.
        of_bias, of_mlp: what the biases, and the whole MLP, write directly in the clean run.
        of_bias_corrupted, of_mlp_corrupted: and in the corrupted one.
    """

    clean: NDArray[np.float64]
    corrupted: NDArray[np.float64]
    direct: NDArray[np.float64] | None
    of_bias: float | None
    of_mlp: float | None
    direct_corrupted: NDArray[np.float64] | None = None
    of_bias_corrupted: float | None = None
    of_mlp_corrupted: float | None = None


def neuron_values(
    experiment: Experiment, layer: int, *, position: Position = -1, pair: int | None = None
) -> NeuronValues:
    """Activations and direct attributions of a layer's neurons.

    Args:
        position: from the end of each prompt if negative, else from its start; or a role, read at
            its last token in those of the pairs that have it.
        pair: a pair's number, or None for the mean over all pairs.

    Raises:
        WorkbenchError: there is no such pair or position, or the MLP has no neurons of its own.
    """
    with torch.no_grad():
        runs = [activations(experiment, position, pair, run) for run in ("clean", "corrupted")]
        clean, corrupted = (torch.cat([s.neurons(layer) for s in run]) for run in runs)
        answered = all(r and w for s in runs[0] for r, w in zip(*s.answers(), strict=True))
        if not answered:
            return NeuronValues(_mean(clean), _mean(corrupted), None, None, None)
        own, other = (_direct(run, layer) for run in runs)
    return NeuronValues(
        _mean(clean),
        _mean(corrupted),
        _mean(own[0]),
        float(array_of(own[1].mean())),
        float(array_of(own[2].mean())),
        _mean(other[0]),
        float(array_of(other[1].mean())),
        float(array_of(other[2].mean())),
    )


def _mean(values: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = array_of(values.double().mean(0))
    return found


def _direct(selections: list[Activations], layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Contributions of neurons [pair, neuron], and of the biases and the MLP [pair]."""
    by_neuron, by_bias, by_mlp = [], [], []
    for selection in selections:
        own = selection.parts.layers[layer]
        reading = logit_reading(selection)
        by_mlp.append((wide(selection.output(mlp_name(layer))) * reading).sum(-1))
        hidden = selection.neurons(layer)
        rest = torch.zeros_like(reading[:, 0])
        if own.copies is not None:
            reading = own.copies.back(reading)
        if own.edit is not None:
            at = selection.position
            if own.edit.offset is not None:
                offset = wide(own.edit.offset[:, at])
                rest = rest + (
                    reading * (offset if len(offset) == 1 else offset[selection.rows])
                ).sum(-1)
            reading = reading * wide(own.edit.factor[at])
        if own.post_mlp is not None:
            norm = FrozenNorm.of(own.post_mlp)
            if norm.bias is not None:
                rest = rest + reading @ norm.bias
            written = written_by(own, hidden)
            reading = norm.centre(reading * norm.weight) * norm.scale(written)
        bias = output_bias(own)
        if bias is not None:
            rest = rest + reading @ wide(bias)
        by_neuron.append(wide(hidden) * (reading @ wide(output_rows(own)).T))
        by_bias.append(rest)
    return torch.cat(by_neuron), torch.cat(by_bias), torch.cat(by_mlp)


def logit_reading(selection: Activations) -> Tensor:
    """What reads a write as its share of the logit difference, [pair, d_model], float32.

    With blocks beside the residual it is as wide as they are together.
    """
    parts = selection.parts
    norm = FrozenNorm.of(parts.norm_final)
    right, wrong = selection.answers()
    direction = mean_columns(parts.w_u, right) - mean_columns(parts.w_u, wrong)
    scale = norm.scale(selection.output("logits"))
    return norm.wider(norm.centre(direction * parts.logit_scale * norm.weight) * scale)
