"""Heads' queries, keys or values out of one latent that all heads share.

Multi-head latent attention (DeepSeek V2 and V3; DeepSeek-AI 2024, 2405.04434): one projection for
all heads puts out the latent, which is normed, and then projected by each head in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.base.transfers import kept_index


@dataclass(frozen=True)
class FromLatent:
    """What each head makes of what the projection puts out: a step of its attention.

    That is the latent and, for keys, beside it what every head takes as it is: what is rotated.

    Attributes:
        norm: of the latent.
        up: [head, rank, width], each head's own projection of it.
    """

    norm: nn.Module
    up: Tensor

    @property
    def rank(self) -> int:
        """Width of the latent."""
        return int(self.up.shape[1])

    def __call__(self, x: Tensor, heads: list[int] | None) -> Tensor:
        """Heads' own numbers [head, ..., width], behind those that stood beside the latent.

        Args:
            x: [head, ..., rank and beside].
            heads: which heads x has; None for all.
        """
        up = self.up if heads is None else self.up[kept_index(tuple(heads), self.up.device)]
        latent, beside = x[..., : self.rank], x[..., self.rank :]
        # One input for all heads is normed once, unless somebody asks for each head's slope.
        shared = latent.stride(0) == 0 and not latent.requires_grad
        normed = self.norm(latent[:1] if shared else latent)
        rows = normed.reshape(len(normed), -1, self.rank)
        made = torch.bmm(rows.expand(len(up), -1, -1), up).view(*x.shape[:-1], up.shape[-1])
        return made if beside.shape[-1] == 0 else torch.cat((beside, made), dim=-1)
