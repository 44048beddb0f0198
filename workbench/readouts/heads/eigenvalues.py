"""Copying by eigenvalues: whether a head maps the vocabulary onto itself.

A head maps each token t, given as x_t, to the logits of all tokens,

    M = N(X) W_V W_O C W_U          [vocabulary, vocabulary],

with N the head's own input norm of each row of X (its bias left out) and C the final norm's
centring and weight (its scale left out, which is positive); the norm after attention, where there
is one, in the same way. Its non-zero eigenvalues λ are those of the small product

    W_O C W_U N(X) W_V              [d_head, d_head],

the only one that is computed. Where values come out of a latent (DeepSeek), N(X) W_V stands for
what the latent's norm makes of it, too, times the head's own projection. Where t raises itself, λ
are positive: the score is Σ Re λ / Σ |λ|. After Elhage et al. (2021), "A Mathematical Framework for
Transformer Circuits". Clipping of values, which some sizes of one family have, is no linear map and
is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from workbench.base.numbers import wide
from workbench.base.transfers import on_host
from workbench.readouts.heads.inputs import vocabulary_chunks, vocabulary_inputs
from workbench.transformer.attention import V
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.transformer.parts import ModelParts


ROUNDING = 1e-7
"""Of the size that the product's factors allow, what rounding alone may leave of it."""


class VocabularyProduct:
    """W_U X̂ [d_model, d_model], X̂ the vocabulary's inputs, each with its norm's own scale.

    Heads whose norms differ in their weights alone share one: it is added up chunk by chunk. Where
    values come out of a latent, X̂ are the normed latents, [d_model, rank], of each layer its own.
    """

    def __init__(self, parts: ModelParts, layer: int, source: str) -> None:
        """`layer`: one of those that share it."""
        self._parts = parts
        self._layer = layer
        self._source = source
        norm = parts.layers[layer].norm1
        self._norm = None if isinstance(norm, nn.Identity) else FrozenNorm.of(norm)
        self._attention = parts.layers[layer].attention
        self._latent = self._attention.latent(V)
        width = parts.d_model if self._latent is None else self._latent.rank
        self._sum = torch.zeros(parts.d_model, width, device=parts.device)

    @torch.no_grad()
    def add(self, chunk: range) -> None:
        """Add a piece of the vocabulary."""
        parts = self._parts
        x = wide(vocabulary_inputs(parts, chunk, self._layer, self._source))
        if self._norm is not None:
            x = self._norm.centre(x) * self._norm.scale(x)
        if self._latent is not None:
            x = x if self._norm is None else x * self._norm.weight
            latent, inner = x @ wide(self._attention.w_v[0]), FrozenNorm.of(self._latent.norm)
            x = inner.centre(latent) * inner.scale(latent) * inner.weight
        self._sum += wide(parts.w_u[:, chunk.start : chunk.stop]) @ x

    def value(self) -> Tensor:
        """The product over all that was added."""
        return self._sum


def shares(parts: ModelParts) -> list[list[int]]:
    """The layers in groups that share a product: the first by itself, then by kind of norm."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for layer, block in enumerate(parts.layers):
        if block.attention.latent(V) is not None:
            kind: tuple[object, ...] = (layer, "latent")
        elif isinstance(block.norm1, nn.Identity):
            kind = (layer == 0, None)
        else:
            norm = FrozenNorm.of(block.norm1)
            kind = (layer == 0, norm.centred, norm.eps)
        groups.setdefault(kind, []).append(layer)
    return list(groups.values())


def products(parts: ModelParts, source: str) -> list[tuple[list[int], VocabularyProduct]]:
    """A product, still empty, for each group of layers."""
    return [(layers, VocabularyProduct(parts, layers[0], source)) for layers in shares(parts)]


def all_chunks(parts: ModelParts) -> list[range]:
    """The pieces of the vocabulary that a product is made of."""
    return vocabulary_chunks(parts)


@torch.no_grad()
def eigenvalue_scores(parts: ModelParts, layer: int, product: Tensor) -> Tensor:
    """[head], NaN where a head moves nothing at all.

    Args:
        product: the `value` of the layer's `VocabularyProduct`.
    """
    block = parts.layers[layer]
    attention = block.attention
    read, latent = product, attention.latent(V)
    if latent is None and not isinstance(block.norm1, nn.Identity):
        read = read * FrozenNorm.of(block.norm1).weight
    w_v = wide(attention.w_v[attention.kv_of] if latent is None else latent.up)
    written = wide(attention.w_o)
    for module in (block.post_attention, parts.norm_final):
        if module is not None:
            norm = FrozenNorm.of(module)
            written = norm.centre(written) * norm.weight
    small = on_host((written @ read @ w_v).double())
    values = torch.linalg.eigvals(small)
    sizes = values.abs().sum(-1)
    # What cancels leaves rounding, whose eigenvalues would say something of nothing.
    largest = written.norm(dim=(1, 2)) * read.norm() * w_v.norm(dim=(1, 2))
    nothing = sizes <= ROUNDING * on_host(largest.double())
    return torch.where(nothing, torch.nan, values.real.sum(-1) / sizes)
