"""The slope of a norm at some rows: gradients backward through it, small changes forward.

A norm of one scale for a row, y = g . r Cx + b with r = 1 / sqrt(mean((Cx)^2) + eps), where C takes
the mean off (LayerNorm) or does nothing (RMSNorm), has the Jacobian

    dy/dx = g r (C - xh xh^T / d),    xh = r Cx,

so that gradients of many destinations that read one row need no copies of it. With the scale r
frozen the last term is missing. Norms of another kind go by automatic differentiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from workbench.base.numbers import wide
from workbench.errors import WorkbenchError
from workbench.transformer.edge_edits import Parted, Reading


@dataclass(frozen=True)
class _Scaling:
    """What a norm of one scale for a row consists of; `gain` None for ones."""

    gain: Tensor | None
    centred: bool
    epsilon: float

    def normalised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """xh [..., d] and r [..., 1], in float32 at least."""
        x = wide(x)
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        scale = (x.square().mean(-1, keepdim=True) + self.epsilon).rsqrt()
        return x * scale, scale


def _scaling_of(norm: nn.Module) -> _Scaling | None:
    """None if the norm is of a class that is not known here."""
    name, weight = type(norm).__name__, getattr(norm, "weight", None)
    epsilon: Any = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    if isinstance(norm, nn.LayerNorm) or name in ("CohereLayerNorm", "Cohere2LayerNorm"):
        # Nemotron's, a LayerNorm, too, multiplies by one plus its weight.
        return _Scaling(_gain(weight, name.endswith("1P")), True, float(epsilon))
    if name == "OlmoLayerNorm":
        return _Scaling(None, True, 1e-5)
    if name.endswith(("RMSNorm", "L2Norm")) and epsilon is not None:
        # Those of Gemma 1 to 3 multiply by one plus their weight; some of later families have none.
        one_plus = name in ("GemmaRMSNorm", "Gemma2RMSNorm", "Gemma3RMSNorm")
        return _Scaling(_gain(weight, one_plus), False, float(epsilon))
    return None


def _gain(weight: Tensor | None, one_plus: bool) -> Tensor | None:
    return weight if weight is None or not one_plus else 1 + weight


class NormSlope:
    """A norm's slope at rows x [..., d].

    Args:
        frozen: take its scale for a constant.

    Raises:
        WorkbenchError: `frozen`, and the norm is of an unknown kind, so that its scale cannot be
            told from what else it does.

    Glossary: docs/glossary.md#slope.
    """

    def __init__(self, norm: nn.Module, x: Tensor, frozen: bool = False) -> None:
        self._norm, self._x, self._frozen = norm, x, frozen
        self._parts: _Several | None = None
        if isinstance(norm, Reading):
            self._parts = _OfReading(norm, x, frozen)
        elif isinstance(norm, Parted):
            self._parts = _OfParted(norm, x, frozen)
        if self._parts is not None:
            return
        self._identity = isinstance(norm, nn.Identity)
        self._scaling = None if self._identity else _scaling_of(norm)
        if self._scaling is None:
            if frozen and not self._identity:
                raise WorkbenchError(_UNKNOWN.format(type(norm).__name__))
            return
        row, scale = self._scaling.normalised(x)
        gain = self._scaling.gain
        self._row = row.to(x.dtype)
        self._factor = (scale.expand_as(row) if gain is None else scale * gain).to(x.dtype)

    def back(self, gradient: Tensor) -> Tensor:
        """Gradients at x of gradients [..., *x.shape] at the norm's output."""
        if self._parts is not None:
            return self._parts.back(gradient)
        if self._identity:
            return gradient
        if self._scaling is None:
            return self._back_by_autograd(gradient)
        return self._scaled_back(gradient * self._factor, self._scaling)

    def back_in_place(self, gradient: Tensor) -> None:
        """`back`, put in the place of the gradients given."""
        if self._parts is None and self._identity:
            return
        if self._parts is not None or self._scaling is None:
            gradient.copy_(self.back(gradient))
            return
        self._scaled_back(gradient.mul_(self._factor), self._scaling)

    def _scaled_back(self, out: Tensor, scaling: _Scaling) -> Tensor:
        """What is left to do in place when the factor of every value is multiplied in."""
        if scaling.centred:
            out -= out.mean(-1, keepdim=True)
        if not self._frozen:
            share = torch.linalg.vecdot(out, self._row) / -out.shape[-1]
            out.addcmul_(self._row.expand_as(out), share[..., None])
        return out

    def forth(self, change: Tensor) -> Tensor:
        """To first order, what changes [..., *x.shape] of x make in the norm's output."""
        if self._parts is not None:
            return self._parts.forth(change)
        if self._identity:
            return change
        if self._scaling is None:
            here = self._x.expand_as(change).clone()
            out: Tensor = torch.func.jvp(self._norm, (here,), (change,))[1]
            return out
        centred = change - change.mean(-1, keepdim=True) if self._scaling.centred else change
        if not self._frozen:
            share = torch.linalg.vecdot(centred, self._row) / change.shape[-1]
            centred = centred - self._row * share[..., None]
        return centred * self._factor

    def _back_by_autograd(self, gradient: Tensor) -> Tensor:
        with torch.enable_grad():
            x = self._x.detach().expand_as(gradient).clone().requires_grad_()
            (out,) = torch.autograd.grad(self._norm(x), x, gradient)
        return out


class _OfReading:
    """The slope of a norm of several sums of a residual and blocks beside it."""

    def __init__(self, norm: Reading, x: Tensor, frozen: bool) -> None:
        self._norm = norm
        self._blocks = x.shape[-1] // norm.width
        self._slopes = [NormSlope(norm.norm, value, frozen) for value in norm.read(x)]

    def back(self, gradient: Tensor) -> Tensor:
        """Gradients [..., wider] of those at the norms of all sets."""
        width = self._norm.width
        out = gradient.new_zeros(*gradient.shape[:-1], self._blocks * width)
        shares = self._norm.shares(gradient)
        pieces = gradient.split(width, dim=-1)
        for slope, own, piece in zip(self._slopes, shares, pieces, strict=True):
            below = slope.back(piece)
            out[..., :width] += below
            for block, at in own:
                out[..., (1 + block) * width : (2 + block) * width] += below * at
        return out

    def forth(self, change: Tensor) -> Tensor:
        """What changes [..., wider] make in the norms of all sets."""
        moved = self._norm.read(change)
        made = [slope.forth(one) for slope, one in zip(self._slopes, moved, strict=True)]
        return torch.cat(made, dim=-1)


class _OfParted:
    """The slope of a norm behind heads, of what they write and of blocks added to it."""

    def __init__(self, norm: Parted, x: Tensor, frozen: bool) -> None:
        self._width = norm.width
        main, *blocks = x.split(norm.width, dim=-1)
        self._main = NormSlope(norm.norm, main, frozen)
        self._others = [NormSlope(norm.norm, main + block, frozen) for block in blocks]

    def back(self, gradient: Tensor) -> Tensor:
        """Gradients [..., wider] of those behind it."""
        main, *blocks = gradient.split(self._width, dim=-1)
        below = [slope.back(one) for slope, one in zip(self._others, blocks, strict=True)]
        own = self._main.back(main - sum(blocks)) + sum(below)
        return torch.cat([own, *below], dim=-1)

    def forth(self, change: Tensor) -> Tensor:
        """What changes [..., wider] make behind it."""
        main, *blocks = change.split(self._width, dim=-1)
        own = self._main.forth(main)
        others = [s.forth(main + one) - own for s, one in zip(self._others, blocks, strict=True)]
        return torch.cat([own, *others], dim=-1)


_Several: TypeAlias = _OfReading | _OfParted


def with_frozen_scale(norm: nn.Module) -> nn.Module:
    """The same norm as a module whose scale is a constant to automatic differentiation.

    Raises:
        WorkbenchError: it is of an unknown kind.
    """
    if isinstance(norm, nn.Identity):
        return norm
    if isinstance(norm, Reading):
        return norm.with_norm(with_frozen_scale(norm.norm))
    scaling = _scaling_of(norm)
    if scaling is None:
        raise WorkbenchError(_UNKNOWN.format(type(norm).__name__))
    return _Frozen(norm, scaling)


class _Frozen(nn.Module):
    def __init__(self, norm: nn.Module, scaling: _Scaling) -> None:
        super().__init__()
        self.norm, self.scaling = norm, scaling

    def forward(self, x: Tensor) -> Tensor:
        """The norm's own output, with the slope of the frozen norm."""
        with torch.no_grad():
            out, scale = self.norm(x), self.scaling.normalised(x)[1].to(x.dtype)
        moved = x - x.detach()
        if self.scaling.centred:
            moved = moved - moved.mean(-1, keepdim=True)
        moved = moved * scale
        gain = self.scaling.gain
        return out + (moved if gain is None else moved * gain).to(out.dtype)


_UNKNOWN = (
    "This method freezes the scale of every norm, and what a {} does is not known to the "
    "workbench; choose a method that follows plain gradients."
)
