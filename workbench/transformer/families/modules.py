"""Around a model's own modules: plain copies, multipliers, experts, head norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from workbench.transformer.parts import Rotary, Rotation, Step
from workbench.transformer.torch_modules import children, with_children


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


def module_rotary(module: nn.Module, like: Tensor, *, dtype: Any = None, **kind: Any) -> Rotary:
    """A model's rotary module as a function of positions.

    Args:
        module: maps a tensor, of which it reads dtype and device, and positions [1, position] to
            cosines and sines [1, position, n_rotary].
        like: a weight of the model.
        dtype: numbers to rotate in, if not the module's.
        kind: further arguments of the module (the layer's type, in Gemma 3).
    """

    def rotary(positions: Tensor) -> Rotation:
        empty = torch.zeros(1, dtype=like.dtype, device=like.device)
        with torch.no_grad():
            cos, sin = module(empty, positions.to(like.device)[None], **kind)
        return cos[0].to(dtype or cos.dtype), sin[0].to(dtype or sin.dtype)

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
