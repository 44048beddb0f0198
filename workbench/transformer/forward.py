"""The pieces of a forward pass: embedding, the heads of a layer, unembedding."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.transformer.attention import (
    K,
    Q,
    Softmax,
    V,
    attend,
    finish_projection,
    plain_softmax,
    project_shared,
)
from workbench.transformer.parts import Layer, ModelParts, Rotation


def unembed(parts: ModelParts, residual: Tensor) -> Tensor:
    """Logits [..., vocabulary] of a final residual [..., d_model], the final norm included."""
    logits = uncapped_logits(parts, residual)
    cap = parts.logit_cap
    return logits if cap is None else (logits / cap).tanh() * cap


def uncapped_logits(parts: ModelParts, residual: Tensor) -> Tensor:
    """As `unembed`, before the soft cap if there is one: linear in the final norm's output."""
    logits = parts.norm_final(residual) @ parts.w_u
    if parts.b_u is not None:
        logits = logits + parts.b_u
    return logits if parts.logit_scale == 1 else logits * parts.logit_scale


def embed(parts: ModelParts, tokens: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """What `input` writes, and the residual that it begins, both [pair, position, d_model].

    They differ where positions are embedded by a table, and by what changed edges carry whatever
    their source writes: these parts are the same in both runs and belong to no source.
    """
    embedding = parts.token_embedding(tokens)
    residual = embedding
    if parts.position_embedding is not None:
        positions = torch.arange(start, start + tokens.shape[1], device=tokens.device)
        residual = embedding + parts.position_embedding(positions)
    if parts.copies is None:
        return embedding, residual
    own = parts.copies.apply(embedding)
    residual = torch.cat([residual, own[..., residual.shape[-1] :]], dim=-1)
    if parts.start is not None:
        residual = residual + parts.start[:, start : start + tokens.shape[1]]
    return own, residual


def run_heads(
    layer: Layer,
    x: Tensor,
    rotary: Rotation | None,
    prefix: tuple[Tensor, Tensor] | None,
    softmax: Softmax = plain_softmax,
    *,
    last: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All heads of a layer on one residual: the ordinary attention of the model.

    Args:
        x: [pair, alternative, position, d_model], before the norm.
        rotary: the layer's rotation of these positions.
        prefix: keys and values [kv_head, pair, prefix, d_head] of the positions before.
        softmax: of scores [head, pair, alternative, position, prefix + position].
        last: the last position alone asks; q and z are of it.

    Returns:
        q [head, ...], k and v [kv_head, ...], z [head, pair, alternative, position, d_head].
    """
    attention = layer.attention
    normed = layer.norm1(x)
    asking, own = normed, rotary
    if last:
        asking = normed[..., -1:, :]
        own = None if rotary is None else (rotary[0][-1:], rotary[1][-1:])
    q, k, v = (
        finish_projection(attention, which, project_shared(attention, which, x, None), None, turn)
        for which, x, turn in ((Q, asking, own), (K, normed, rotary), (V, normed, rotary))
    )
    if k.shape[0] == q.shape[0]:
        z = attend(attention, q, k, v, prefix, softmax)
    else:
        of = attention.kv_of
        z = attend(
            attention,
            q,
            k[of],
            v[of],
            None if prefix is None else (prefix[0][of], prefix[1][of]),
            softmax,
        )
    return q, k, v, z if attention.edit is None else attention.edit.apply(z)


def write_heads(layer: Layer, z: Tensor) -> Tensor:
    """What all heads together, and the output bias, write; before a norm that follows it.

    Args:
        z: [head, pair, alternative, position, d_head].

    Returns:
        [pair, alternative, position, d_model].
    """
    attention = layer.attention
    n, d_head, d_model = attention.w_o.shape
    flat = z.permute(1, 2, 3, 0, 4).reshape(-1, n * d_head)
    w_o = attention.w_o.reshape(n * d_head, d_model)
    out = flat @ w_o if attention.b_o is None else torch.addmm(attention.b_o, flat, w_o)
    if attention.multiplier != 1:
        out = out * attention.multiplier
    out = out.view(*z.shape[1:4], d_model)
    return out if attention.edit is None else attention.edit.write(out)
