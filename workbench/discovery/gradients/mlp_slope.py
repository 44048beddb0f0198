"""The slope of an MLP: from the gradient of what it writes to that of what it reads.

Where its inside can be told (projections, activation, product, projection), its linear maps are
multiplied with directly, so that the last product of its forward pass is never done again, and
backward rules for activation and product can be followed. Layers of experts go by automatic
differentiation, by calculus only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.discovery.gradients.backward_rules import Rules
from workbench.discovery.gradients.norm_slope import NormSlope
from workbench.errors import WorkbenchError
from workbench.transformer.edits import EditedLinear
from workbench.transformer.families.modules import Scaled, WithoutResidual
from workbench.transformer.parts import Layer

# Names of an MLP's projections in, activation and projection out. With two projections in, or one
# that puts out both, the first goes through the activation and is multiplied by the second.
_GATED = (
    (("gate_proj", "up_proj"), "act_fn", "down_proj"),
    (("gate_proj", "up_proj"), "activation_fn", "down_proj"),
)
_FUSED = ((("gate_up_proj",), "activation_fn", "down_proj"),)
_SIMPLE = (
    (("c_fc",), "act", "c_proj"),
    (("fc1",), "activation_fn", "fc2"),
    (("fc_in",), "act", "fc_out"),
    (("dense_h_to_4h",), "act", "dense_4h_to_h"),
    (("dense_h_to_4h",), "gelu_impl", "dense_4h_to_h"),
    (("up_proj",), "act_fn", "down_proj"),
    (("up_proj",), "act", "down_proj"),
    (("0",), "1", "2"),
)


@dataclass(frozen=True)
class Inside:
    """What an MLP consists of.

    Attributes:
        into: its projections in.
        activation: applied to the first half of what they put out, or to all of it.
        out: its projection out.
        gated: the activation's output is multiplied by the second half.
        factor: on all that it writes.
    """

    into: tuple[Any, ...]
    activation: Any
    out: Any
    gated: bool
    factor: float | Tensor = 1.0

    def before(self, normed: Tensor) -> tuple[Tensor, ...]:
        """What goes into the activation and, in a gated MLP, into the product."""
        values = tuple(_projected(projection, normed) for projection in self.into)
        return tuple(values[0].chunk(2, -1)) if self.gated and len(values) == 1 else values

    def write(self, before: tuple[Tensor, ...]) -> Tensor:
        """What the MLP makes of that."""
        hidden = self.activation(before[0])
        out: Tensor = self.out(hidden * before[1] if self.gated else hidden)
        return out if isinstance(self.factor, float) and self.factor == 1 else out * self.factor

    def back(self, before: tuple[Tensor, ...], gradient: Tensor, rules: Rules) -> Tensor:
        """The gradient at the MLP's input of one at its output, both [..., d_model]."""
        at_hidden = _before_neurons(self.out, gradient * self.factor)
        with torch.enable_grad():
            leaves = [value.detach().requires_grad_() for value in before]
            hidden = _activated(self.activation, leaves[0], rules.ratio)
            if self.gated:
                hidden = hidden * leaves[1]
            found = torch.autograd.grad(hidden, leaves, at_hidden)
        if self.gated and rules.product != 1:
            found = tuple(value * rules.product for value in found)
        if len(self.into) < len(found):
            found = (torch.cat(found, dim=-1),)
        total = _transposed(self.into[0], found[0])
        for projection, value in zip(self.into[1:], found[1:], strict=True):
            total = total + _transposed(projection, value)
        return total


def inside_of(mlp: nn.Module) -> Inside | None:
    """What an MLP consists of; None if that is not one of the usual forms."""
    if isinstance(mlp, Scaled):
        inner = inside_of(mlp.module)
        if inner is None:
            return None
        return Inside(inner.into, inner.activation, inner.out, inner.gated, mlp.factor)
    if isinstance(mlp, WithoutResidual):
        return inside_of(mlp.module)
    children = dict(mlp.named_children())
    for forms, gated in ((_GATED, True), (_FUSED, True), (_SIMPLE, False)):
        for into, activation, out in forms:
            if {*into, activation, out} <= children.keys() <= {*into, activation, out, *_IDLE}:
                projections = tuple(children[name] for name in into)
                return Inside(projections, children[activation], children[out], gated)
    return None


_FEW_ROWS = 48
"""Up to so many, weight times input took half the time of input times weight when it was tried."""

_IDLE = ("dropout",)
"""Children that do nothing while a model is not trained."""


def require_insides(layers: tuple[Layer, ...], method: str) -> None:
    """Refuse a model with MLPs whose inside cannot be told.

    Raises:
        WorkbenchError: it has one.
    """
    for index, layer in enumerate(layers):
        if inside_of(layer.mlp) is None:
            mlp = getattr(layer.mlp, "module", layer.mlp)
            raise WorkbenchError(
                f"{method} has rules for activations and products, and layer {index} of this model "
                f"has a {type(mlp).__name__}, whose inside the workbench cannot tell; choose eap."
            )


def mlp_back(
    layer: Layer,
    residual: Tensor,
    gradient: Tensor,
    rules: Rules,
    before: tuple[Tensor, ...] | None = None,
) -> Tensor:
    """The gradient at the residual that a layer's MLP reads.

    Args:
        residual: that residual, [..., d_model].
        gradient: at what the MLP writes, [..., d_model].
        before: `Inside.before` at this residual, if it is known.
    """
    inside = inside_of(layer.mlp)
    if inside is None:
        return _by_autograd(layer, residual, gradient, rules)
    if before is None:
        before = inside.before(layer.norm2(residual))
    if layer.copies is not None:
        gradient = layer.copies.back(gradient)
    if layer.edit is not None:
        gradient = layer.edit.back(gradient)
    if layer.post_mlp is not None:
        written = inside.write(before)
        gradient = NormSlope(layer.post_mlp, written, rules.frozen_norms).back(gradient)
    at_normed = inside.back(before, gradient, rules)
    return NormSlope(layer.norm2, residual, rules.frozen_norms).back(at_normed)


def _by_autograd(layer: Layer, residual: Tensor, gradient: Tensor, rules: Rules) -> Tensor:
    assert not (rules.into_mlps or rules.frozen_norms), "experts are refused before"
    with torch.enable_grad():
        x = residual.detach().requires_grad_()
        (out,) = torch.autograd.grad(layer.run_mlp(x), x, gradient)
    return out


def _activated(activation: Any, x: Tensor, ratio: bool) -> Tensor:
    """act(x); with the slope of x times the constant act(x) / x if `ratio`."""
    if not ratio:
        out: Tensor = activation(x)
        return out
    with torch.no_grad():
        # At zero the ratio is its limit.
        safe = torch.where(x.abs() < 1e-6, torch.full_like(x, 1e-6), x)
        constant = activation(safe) / safe
    return x * constant


def _projected(projection: Any, x: Tensor) -> Tensor:
    """The linear map itself, in the order of factors that is faster for few rows on a CPU."""
    rows = x.reshape(-1, x.shape[-1])
    few = len(rows) <= _FEW_ROWS and x.device.type == "cpu" and x.dtype == torch.float32
    if not few or type(projection).__name__ == "Conv1D":
        out: Tensor = projection(x)
        return out
    out = (projection.weight @ rows.T).T
    if projection.bias is not None:
        out = out + projection.bias
    return out.reshape(*x.shape[:-1], -1)


def _before_neurons(out: Any, gradient: Tensor) -> Tensor:
    """The gradient at an MLP's neurons, before an intervention changes them."""
    if isinstance(out, EditedLinear):
        return out.edit.back(_transposed(out.linear, gradient))
    return _transposed(out, gradient)


def _transposed(projection: Any, gradient: Tensor) -> Tensor:
    """The gradient at a linear map's input of one at its output."""
    weight = projection.weight
    # A Linear's weight is [out, in], a Conv1D's [in, out].
    return gradient @ (weight.T if type(projection).__name__ == "Conv1D" else weight)
