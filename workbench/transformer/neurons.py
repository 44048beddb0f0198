"""The hidden neurons of an MLP: what enters its last linear map.

Found in the transformers module itself, whatever the family calls its parts: modules list their
maps in the order in which they are used, so the last one with a weight matrix writes the output.
The tests hold that to every family. The original module is left as it is.

An MLP of which some neurons only are kept writes what its last linear map, and the norm after it if
there is one, make of hidden values that are its own at the kept neurons and given at all others:
`narrowed_mlp` is the one place where that is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.transformer.families.modules import Scaled, plain
from workbench.transformer.parts import Layer

Mix: TypeAlias = Callable[[Tensor], Tensor]
"""Makes of an MLP's hidden values [..., neuron] those that its last linear map is given."""


class Neurons(nn.Module):
    """The last linear map of an MLP, which keeps what it is given.

    Attributes:
        seen: the neurons' activations [..., neuron] of the last run.
        mix: what the map is given in their place; None: they themselves.
    """

    seen: Tensor

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.mix: Mix | None = None

    @property
    def width(self) -> int:
        """How many neurons there are."""
        weight = self.linear.weight
        assert isinstance(weight, Tensor)
        # A Linear's weight is [out, in], a Conv1D's [in, out].
        return int(weight.shape[0 if type(self.linear).__name__ == "Conv1D" else 1])

    def forward(self, x: Tensor) -> Tensor:
        """As the map itself, of the mixed values."""
        self.seen = x
        out: Tensor = self.linear(x if self.mix is None else self.mix(x))
        return out


def with_neurons(layer: Layer) -> tuple[Layer, Neurons] | None:
    """The same layer with an MLP that keeps its neurons' activations, and where it keeps them.

    None where there is no one set of neurons: in a layer of experts every token has others.
    """
    if layer.routed:
        return None
    mlp = plain(layer.mlp)
    maps = [
        name
        for name, module in mlp.named_modules()
        if isinstance(weight := getattr(module, "weight", None), Tensor) and weight.dim() == 2
    ]
    if not maps:
        return None
    owner, _, leaf = maps[-1].rpartition(".")
    parent = mlp.get_submodule(owner)
    neurons = Neurons(parent.get_submodule(leaf))
    parent.add_module(leaf, neurons)
    return replace(layer, mlp=mlp), neurons


def require_neurons(layer: Layer, name: str) -> tuple[Layer, Neurons]:
    """As `with_neurons`.

    Args:
        name: of the MLP, for the sentence.

    Raises:
        WorkbenchError: the MLP has no neurons of its own.
    """
    tapped = with_neurons(layer)
    if tapped is None:
        raise WorkbenchError(
            f"{name} is a layer of experts: every token has other neurons there, so that none can "
            "be looked at or kept by itself. Choose another MLP."
        )
    return tapped


def n_neurons(layer: Layer) -> int | None:
    """How many neurons a layer's MLP has; None where there is no one set of them."""
    tapped = with_neurons(layer)
    return None if tapped is None else tapped[1].width


def hidden_values(layer: Layer, residual: Tensor) -> Tensor:
    """The neurons' activations [..., neuron] when the MLP reads this residual [..., d_model]."""
    tapped, neurons = require_neurons(layer, "This MLP")
    # Nothing of what is written is wanted, so the last map is given as few rows as there may be.
    neurons.linear = _Nothing(neurons.linear, residual.shape[-1])
    tapped.mlp(tapped.norm2(residual))
    return neurons.seen


def narrowed_mlp(layer: Layer, residual: Tensor, mix: Mix) -> Tensor:
    """What the MLP writes, [..., d_model], when other hidden values enter its last linear map.

    Args:
        residual: what it reads, [..., d_model].
        mix: makes these values [..., neuron] of its own. With
            `torch.where(kept, own, corrupted)`, out(mixed) - out(corrupted) is the sum over the
            kept neurons of (act - act') W_out[n], if no norm follows the MLP.
    """
    tapped, neurons = require_neurons(layer, "This MLP")
    neurons.mix = mix
    return tapped.run_mlp(residual)


def written_by(layer: Layer, hidden: Tensor) -> Tensor:
    """What the MLP makes of hidden values [..., neuron] before a norm that may follow it.

    The output bias and a factor on all that it writes are in it.
    """
    tapped, neurons = require_neurons(layer, "This MLP")
    neurons.mix = lambda own: hidden.reshape(*own.shape[:2], -1)
    width = _d_model(layer)
    rows = hidden.reshape(1, -1, hidden.shape[-1])
    out: Tensor = tapped.mlp(rows.new_zeros(1, rows.shape[1], width))
    return out.reshape(*hidden.shape[:-1], width)


def output_rows(layer: Layer, chosen: Tensor | None = None) -> Tensor:
    """W_out of some neurons [neuron, d_model], a factor on all that the MLP writes in it.

    Args:
        chosen: their numbers; None: all.
    """
    _, neurons = require_neurons(layer, "This MLP")
    weight = neurons.linear.weight
    assert isinstance(weight, Tensor)
    rows = weight if type(neurons.linear).__name__ == "Conv1D" else weight.T
    if chosen is not None:
        rows = rows[chosen]
    return rows * _factor(layer)


def _factor(layer: Layer) -> float | Tensor:
    return layer.mlp.factor if isinstance(layer.mlp, Scaled) else 1.0


def output_bias(layer: Layer) -> Tensor | None:
    """The bias of the last linear map [d_model], times the factor; None where there is none."""
    _, neurons = require_neurons(layer, "This MLP")
    bias = getattr(neurons.linear, "bias", None)
    return bias * _factor(layer) if isinstance(bias, Tensor) else None


def _d_model(layer: Layer) -> int:
    wide = int(layer.attention.w_o.shape[-1])
    return wide if layer.copies is None else wide // (1 + len(layer.copies.factors))


class _Nothing(nn.Module):
    """In place of a last linear map whose output nobody reads."""

    def __init__(self, linear: nn.Module, width: int) -> None:
        super().__init__()
        self.weight = linear.weight
        self._width = width

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros((), dtype=x.dtype, device=x.device).expand(*x.shape[:-1], self._width)
