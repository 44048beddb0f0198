"""Attention, head by head and input by input: projections, rotation by position, and the pattern.

Every function takes several alternatives at once. Layouts: x is [..., pair, alternative, position,
d_model]; q, k, v and z are [head, pair, alternative, position, d_head]. All positions here are
those from the first one on at which any clean and corrupted prompt differ; what the shared prefix
contributes, its keys and values, comes in as [kv_head, pair, prefix, d_head].
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.parts import Attention

Q, K, V = 0, 1, 2


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021, 2104.09864), halves rotated against each other.

    Args:
        x: [..., position, d_head].
        cos, sin: [position, n_rotary]; dimensions past n_rotary pass through (GPT-NeoX).
    """
    n_rotary = cos.shape[-1]
    turned, passed = x[..., :n_rotary], x[..., n_rotary:]
    half = n_rotary // 2
    crossed = torch.cat((-turned[..., half:], turned[..., :half]), dim=-1)
    turned = turned * cos + crossed * sin
    return turned if passed.shape[-1] == 0 else torch.cat((turned, passed), dim=-1)


def project_shared(
    attention: Attention, which: int, normed: Tensor, heads: list[int] | None
) -> Tensor:
    """q, k or v (before rotation) of heads that all read the same input.

    Args:
        normed: [pair, alternative, position, d_model], after the norm.
        heads: query heads, or None for every head of the weight (key-value heads, for k and v).

    Returns:
        [head, pair, alternative, position, d_head].
    """
    weight, bias = attention.weight(which), attention.bias(which)
    if heads is not None:
        index = _weight_heads(attention, which, heads)
        weight = weight[index]
        bias = None if bias is None else bias[index]
    n, d_model, d_head = weight.shape
    flat = weight.permute(1, 0, 2).reshape(d_model, n * d_head)
    out = normed.reshape(-1, d_model) @ flat
    if bias is not None:
        out = out + bias.reshape(-1)
    return out.view(*normed.shape[:-1], n, d_head).permute(3, 0, 1, 2, 4)


def project_each(attention: Attention, which: int, normed: Tensor, heads: list[int]) -> Tensor:
    """q, k or v (before rotation) of heads that each read their own input.

    Args:
        normed: [head, pair, alternative, position, d_model], after the norm.
        heads: query heads.

    Returns:
        [head, pair, alternative, position, d_head].
    """
    weight, bias = attention.weight(which), attention.bias(which)
    n, d_model = normed.shape[0], normed.shape[-1]
    index = _weight_heads(attention, which, heads)
    if n == 1:
        out = (normed.reshape(-1, d_model) @ weight[index[0]])[None]
    else:
        whole = len(index) == weight.shape[0] and index == list(range(len(index)))
        out = torch.bmm(normed.reshape(n, -1, d_model), weight if whole else weight[index])
    if bias is not None:
        out = out + bias[index][:, None, :]
    return out.view(*normed.shape[:-1], weight.shape[-1])


def _weight_heads(attention: Attention, which: int, heads: list[int]) -> list[int]:
    if which == Q or attention.w_k.shape[0] == attention.w_q.shape[0]:
        return heads
    group = attention.w_q.shape[0] // attention.w_k.shape[0]
    return [head // group for head in heads]


def attend(
    attention: Attention,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    prefix_k: Tensor | None,
    prefix_v: Tensor | None,
) -> Tensor:
    """Heads' values before W_O.

    Args:
        q: [head, pair, alternative, query, d_head], rotated; the queries are the last positions.
        k, v: [head, pair, alternative or 1, position, d_head], rotated.
        prefix_k, prefix_v: [head, pair, prefix, d_head], or None where there is no prefix.

    Returns:
        [head, pair, alternative, query, d_head].
    """
    n, pairs, alternatives, queries, d_head = q.shape
    positions = k.shape[3]
    q = q * attention.scale
    scores = _per_alternative(q, k.transpose(-1, -2))
    future = torch.ones(queries, positions, dtype=torch.bool, device=q.device)
    future = future.triu(positions - queries + 1)
    scores = scores.masked_fill(future, float("-inf"))
    if prefix_k is None or prefix_v is None:
        return _per_alternative(scores.softmax(-1), v)
    prefix = prefix_k.shape[2]
    # All alternatives see the same prefix, so they can be rows of one product.
    rows = q.reshape(n * pairs, alternatives * queries, d_head)
    early = torch.bmm(rows, prefix_k.reshape(n * pairs, prefix, d_head).transpose(1, 2))
    early = early.view(n, pairs, alternatives, queries, prefix)
    pattern = torch.cat((early, scores), dim=-1).softmax(-1)
    early = pattern[..., :prefix].reshape(n * pairs, alternatives * queries, prefix)
    out = torch.bmm(early, prefix_v.reshape(n * pairs, prefix, d_head)).view(q.shape)
    return out + _per_alternative(pattern[..., prefix:], v)


def _per_alternative(left: Tensor, right: Tensor) -> Tensor:
    """Batched product of [n, pair, alternative, a, b] and [n, pair, alternative or 1, b, c]."""
    n, pairs, alternatives, a, b = left.shape
    if right.shape[2] == 1:
        out = torch.bmm(
            left.reshape(n * pairs, alternatives * a, b),
            right.reshape(n * pairs, b, right.shape[-1]),
        )
    else:
        out = torch.bmm(left.reshape(-1, a, b), right.reshape(-1, b, right.shape[-1]))
    return out.view(n, pairs, alternatives, a, right.shape[-1])
