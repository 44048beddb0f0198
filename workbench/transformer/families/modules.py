"""Around a model's own modules: plain copies, multipliers, experts, head norms."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.base.transfers import uploaded
from workbench.transformer.parts import Rotary, Rotation, Step
from workbench.transformer.torch_modules import children, with_children, with_weight


def plain(module: Any) -> Any:
    """A model's modules anew, sharing weights and buffers, without wrappers at any depth.

    TransformerLens's bridge wraps modules in place, each in one that has it as
    `original_component`. The hot loops call modules thousands of times, and a wrapper's hooks cost
    more than small products do.
    """
    while hasattr(module, "original_component"):
        module = module.original_component
    own = {
        name: None if child is None else plain(child) for name, child in children(module).items()
    }
    return with_children(module, own)


class Scaled(nn.Module):
    """A module whose output is multiplied."""

    def __init__(self, module: nn.Module, factor: float | Tensor) -> None:
        super().__init__()
        self.module = module
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """What the module makes of x, times the factor."""
        out: Tensor = self.module(x) * self.factor
        return out


class Experts(nn.Module):
    """A layer of experts with its router, which takes [batch, position, d_model] only."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_model] to [..., d_model]; every position is routed anew, by itself."""
        out = self.module(x.reshape(1, -1, x.shape[-1]))
        # Some versions return the router's logits too.
        out = out[0] if isinstance(out, tuple) else out
        return out.reshape(x.shape)


class WithoutResidual(nn.Module):
    """An MLP that takes the residual, too, and adds it itself (BLOOM, MPT)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """What it writes, of x [..., d_model]: what it makes of a residual of nothing."""
        out: Tensor = self.module(x, torch.zeros_like(x))
        return out


def as_it_is(table: Tensor) -> Tensor:
    """Cosines or sines of all dimensions that are rotated."""
    return table


def for_both_halves(table: Tensor) -> Tensor:
    """Cosines or sines of half of the dimensions, for both halves."""
    return torch.cat((table, table), dim=-1)


def for_neighbours(table: Tensor) -> Tensor:
    """Cosines or sines that both halves share, for neighbours in their place."""
    return table[..., : table.shape[-1] // 2].repeat_interleave(2, dim=-1)


def module_rotary(
    module: nn.Module,
    like: Tensor,
    *,
    dtype: Any = None,
    laid_out: Callable[[Tensor], Tensor] = as_it_is,
    **kind: Any,
) -> Rotary:
    """A model's rotary module as a function of positions.

    Args:
        module: maps a tensor, of which it reads dtype and device, and positions [1, position] to
            cosines and sines [1, position, n_rotary].
        like: a weight of the model.
        dtype: numbers to rotate in, if not the module's.
        laid_out: puts the module's numbers where the dimensions are that they rotate.
        kind: further arguments of the module (the layer's type, in Gemma 3).
    """

    def rotary(positions: Tensor) -> Rotation:
        empty = torch.zeros(1, dtype=like.dtype, device=like.device)
        with torch.no_grad():
            cos, sin = module(empty, uploaded(positions, like.device)[None], **kind)
        cos, sin = laid_out(cos[0]), laid_out(sin[0])
        return cos.to(dtype or cos.dtype), sin.to(dtype or sin.dtype)

    return rotary


def rotary_by_kind(module: nn.Module, like: Tensor, kinds: Iterable[str]) -> dict[str, Rotary]:
    """A rotary module as a function of positions for every kind of layer.

    Args:
        module: rotates each kind in its own way, or, in some releases, all alike.
        like: a weight of the model.
        kinds: the layers' types.
    """
    if not hasattr(module, "layer_types"):
        alike = module_rotary(module, like)
        return dict.fromkeys(kinds, alike)
    return {kind: module_rotary(module, like, layer_type=kind) for kind in set(kinds)}


def complex_rotary(module: nn.Module, like: Tensor) -> Rotary:
    """A rotary module that puts out complex numbers, by which neighbours are multiplied.

    In float32, as the models do it.
    """

    def rotary(positions: Tensor) -> Rotation:
        empty = torch.zeros(1, dtype=like.dtype, device=like.device)
        with torch.no_grad():
            turns = module(empty, uploaded(positions, like.device)[None])[0]
        return turns.real.repeat_interleave(2, -1), turns.imag.repeat_interleave(2, -1)

    return rotary


@dataclass(frozen=True)
class HeadNorms:
    """Norms of every head's values.

    Attributes:
        norms: one for every head of the weight, or one for all of them.
    """

    norms: tuple[nn.Module, ...]

    def __call__(self, x: Tensor, heads: list[int] | None) -> Tensor:
        """Norm each head by its own norm; `heads`: which heads x has, None for all."""
        if len(self.norms) == 1:
            normed: Tensor = self.norms[0](x)
            return normed
        chosen = range(len(self.norms)) if heads is None else heads
        return torch.stack([self.norms[h](row) for h, row in zip(chosen, x, strict=True)])


def shared_norm(norm: nn.Module) -> Step:
    """The same norm of every head's values."""
    return HeadNorms((norm,))


def norm_of_each(norms: Sequence[nn.Module]) -> Step:
    """A norm of its own for every head of the weight."""
    return HeadNorms(tuple(norms))


def clipped(limit: float) -> Step:
    """Values beyond the limit are cut off."""
    return lambda x, heads: x.clamp(-limit, limit)


def with_divided_input(norm: Any, factor: float) -> Any:
    """An RMSNorm that makes of x what this one makes of factor * x; the weight is shared."""
    if factor == 1:
        return norm
    divided = copy.copy(norm)
    divided.eps = norm.eps / factor**2
    return divided


def with_divided_output(norm: Any, factor: float) -> Any:
    """An RMSNorm that puts out what this one does, divided by the factor."""
    return norm if factor == 1 else with_weight(norm, norm.weight.detach() / factor)
