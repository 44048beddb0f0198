"""Tape: what a backward pass needs of one run of some pairs, layer by layer.

No graph of automatic differentiation is ever held: a layer's inputs, queries, keys and values are
enough to take the slope of each of its parts anew. A tape is a view of a recorded run, or it is
made by running the pairs on from some residual.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.discovery.gradients.mlp_slope import inside_of
from workbench.transformer.forward import run_heads, write_heads
from workbench.transformer.parts import Layer, ModelParts, Rotation
from workbench.transformer.recording import LayerRecord, Recording, Run


@dataclass
class LayerTape:
    """One layer of one run, at the positions from the first difference on.

    Attributes:
        attn_in: [pair, position, d_model], the residual that attention reads.
        mlp_in: the same that the MLP reads; None if it is to be made again.
        q: [head, pair, position, d_head]; k, v: [kv_head, pair, position, d_head]; q and k rotated.
        attn_sum: [pair, position, d_model], what the heads and the output bias write together; None
            where no norm follows that.
        before: `mlp_slope.Inside.before` at `mlp_in`; None if it is not kept.
    """

    attn_in: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    mlp_in: Tensor | None
    attn_sum: Tensor | None
    before: tuple[Tensor, ...] | None = None

    @classmethod
    def of(cls, record: LayerRecord, pairs: slice) -> LayerTape:
        """Of some pairs of a recorded layer; views."""
        return cls(
            record.attn_in[pairs],
            record.q[:, pairs],
            record.k[:, pairs],
            record.v[:, pairs],
            record.mlp_in[pairs],
            None if record.attn_sum is None else record.attn_sum[pairs],
        )


@dataclass
class Tape:
    """One run, or the end of one.

    Attributes:
        layers: by number; the first ones may be missing.
        final: [pair, 1, d_model], the last residual at the last position.
        prefix: each layer's keys (rotated) and values [kv_head, pair, prefix, d_head] of the
            positions before the first difference; None where there are none.
        rotary: each layer's rotation of the positions from the first difference on.

    Glossary: docs/glossary.md#tape.
    """

    parts: ModelParts
    layers: dict[int, LayerTape]
    final: Tensor
    prefix: list[tuple[Tensor, Tensor] | None]
    rotary: tuple[Rotation | None, ...]

    @classmethod
    def of(cls, recording: Recording, run: Run, pairs: slice) -> Tape:
        """Some pairs of a recorded run; views."""
        layers = {index: LayerTape.of(layer, pairs) for index, layer in enumerate(run.layers)}
        final = run.final[pairs, -1:]
        parts = recording.parts.of_pairs(pairs)
        return cls(parts, layers, final, _prefixes(recording, pairs), recording.rotary)

    @classmethod
    def run(
        cls, recording: Recording, pairs: slice | Tensor, residual: Tensor, first: int = 0
    ) -> Tape:
        """Run some pairs on to the end.

        Args:
            pairs: their places in the recording, of which the positions before the first difference
                are taken; a tensor of indices may repeat them.
            residual: [pair, position, d_model], before layer `first`.
        """
        parts, prefix = recording.parts.of_pairs(pairs), _prefixes(recording, pairs)
        layers = {}
        with torch.no_grad():
            for index in range(first, len(parts.layers)):
                layers[index], residual = _run_layer(
                    parts, index, residual, recording.rotary[index], prefix[index]
                )
        return cls(parts, layers, residual[:, -1:], prefix, recording.rotary)


def _run_layer(
    parts: ModelParts,
    index: int,
    attn_in: Tensor,
    rotary: Rotation | None,
    prefix: tuple[Tensor, Tensor] | None,
) -> tuple[LayerTape, Tensor]:
    """One layer of a run, and the residual after it; of the last, at the last position alone."""
    layer = parts.layers[index]
    q, k, v, z = run_heads(layer, attn_in[:, None], rotary, prefix)
    attn_sum = write_heads(layer, z)[:, 0]
    residual = attn_in + layer.after_attention(attn_sum)
    mlp_in = attn_in if parts.parallel else residual
    n = 1 if index == len(parts.layers) - 1 else residual.shape[1]
    before, written = run_mlp(layer, mlp_in[:, -n:])
    kept = None if layer.post_attention is None else attn_sum
    heads = (q[:, :, 0], k[:, :, 0], v[:, :, 0])
    return LayerTape(attn_in, *heads, mlp_in, kept, before), residual[:, -n:] + written


def run_mlp(layer: Layer, mlp_in: Tensor) -> tuple[tuple[Tensor, ...] | None, Tensor]:
    """An MLP's `Inside.before`, if its inside is known, and what it writes."""
    inside = inside_of(layer.mlp)
    if inside is None:
        return None, layer.run_mlp(mlp_in)
    before = inside.before(layer.norm2(mlp_in))
    return before, layer.finish_mlp(inside.write(before))


def _prefixes(recording: Recording, pairs: slice | Tensor) -> list[tuple[Tensor, Tensor] | None]:
    prefixes: list[tuple[Tensor, Tensor] | None] = []
    for index in range(len(recording.parts.layers)):
        k, v = recording.prefix(index)
        prefixes.append(None if k is None or v is None else (k[:, pairs], v[:, pairs]))
    return prefixes
