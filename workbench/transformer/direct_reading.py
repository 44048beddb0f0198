"""What each node writes along one direction of the logits, all norms held as in one run.

With the scales of the final norm, and of the norm that follows a layer's heads if one does, held
at a run's own, what a node writes counts linearly: a dot product with a direction that is brought
back through weight, centring and scale once, to d_model for an MLP and to d_head for a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.transformer.forward import write_heads
from workbench.transformer.frozen_norm import FrozenNorm
from workbench.transformer.parts import ModelParts
from workbench.transformer.recording import Run


@dataclass(frozen=True)
class HeadReading:
    """How one layer's heads are read.

    Attributes:
        by_head: [head, pair, d_head], for values before W_O.
        of_sum: [pair, d_model], for what all heads and the bias write together.
        norm: what follows the heads, and its scale [pair, 1] in the run; None if nothing does.
    """

    by_head: Tensor
    of_sum: Tensor
    norm: tuple[FrozenNorm, Tensor] | None


class DirectReading:
    """The direct effect of everything that is written at the last position of a run.

    Args:
        parts: the model's.
        run: whose scales are held, [pair, position, ...].
        direction: [pair, d_model] in the unembedding's input, float32, the factor on the logits
            included.

    Attributes:
        norm: the final norm; direction: as given.
        scale: [pair, 1] of the final norm in the run.
        reading: [pair, d_model], for what is added to the residual.
        layers: how each layer's heads are read.

    Glossary: docs/glossary.md#direct-effect.
    """

    def __init__(self, parts: ModelParts, run: Run, direction: Tensor) -> None:
        self.parts = parts
        self.direction = direction
        self.norm = FrozenNorm.of(parts.norm_final)
        self.scale = self.norm.scale(run.final[:, -1])
        self.reading = self.norm.wider(self.norm.centre(direction * self.norm.weight) * self.scale)
        self.layers = [self._heads(run, index) for index in range(len(parts.layers))]

    def _heads(self, run: Run, index: int) -> HeadReading:
        layer = self.parts.layers[index]
        attention, of_sum, norm = layer.attention, self.reading, None
        if layer.post_attention is not None:
            summed = run.layers[index].attn_sum
            assert summed is not None, index
            after = FrozenNorm.of(layer.post_attention)
            norm = after, after.scale(summed[:, -1])
            of_sum = after.centre(of_sum * after.weight) * norm[1]
        by_head = torch.einsum("hem,pm->hpe", wide(attention.w_o), of_sum)
        return HeadReading(by_head * attention.multiplier, of_sum, norm)

    def of_heads(self, index: int, z: Tensor) -> Tensor:
        """[pair, alternative, head] of values before W_O [head, pair, alternative, d_head]."""
        return torch.einsum("hpke,hpe->pkh", wide(z), self.layers[index].by_head)

    def of_residual(self, x: Tensor) -> Tensor:
        """[pair, alternative] of something added to the residual, [pair, alternative, d_model]."""
        return torch.einsum("pkm,pm->pk", wide(x), self.reading)

    def everything(self, run: Run) -> Tensor:
        """The direct effects [pair, source] of a run of the same pairs, in the graph's order."""
        rows = [self.of_residual(run.embedding[:, -1:])]
        for index, layer in enumerate(run.layers):
            rows.append(self.of_heads(index, layer.z[:, :, -1:])[:, 0])
            rows.append(self.of_residual(layer.mlp_out[:, -1:]))
        return torch.cat(rows, dim=1)

    def norm_after_heads(self, index: int, z: Tensor) -> Tensor | None:
        """What the norm behind a layer's heads adds by another scale than the one that is held.

        Args:
            z: values before W_O at the last position, [head, pair, alternative, d_head].

        Returns:
            [pair, alternative]; None where there is no such norm.
        """
        layer, held = self.parts.layers[index], self.layers[index].norm
        if held is None:
            return None
        norm, scale = held
        summed = write_heads(layer, z[:, :, :, None])[:, :, 0]
        own = norm.centre(summed) * (norm.scale(summed) - scale[:, None]) * norm.weight
        return self.of_residual(own)

    def final_norm(self, final: Tensor) -> tuple[Tensor, Tensor]:
        """What logits along the direction come to, and what of that is the norm's other scale.

        Args:
            final: the last residual, [pair, alternative, d_model].

        Returns:
            Twice [pair, alternative]: the value (constants that no node writes left out: the
            norm's and the unembedding's bias), and its part that comes of the final norm's scale.
        """
        along = self.norm.centre(final) @ (self.direction * self.norm.weight)[:, :, None]
        own = self.norm.scale(final)[..., 0]
        return along[..., 0] * own, along[..., 0] * (own - self.scale)
