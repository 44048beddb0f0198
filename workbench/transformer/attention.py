"""Attention, head by head and input by input: projections, rotation and the pattern.

Rotation is by position. Every function takes several alternatives at once. Layouts: x is [...,
pair, alternative, position, d_model]; q, k, v and z are [head, pair, alternative, position,
d_head]. All positions here are those from the first one on at which any clean and corrupted prompt
differ; what the shared prefix contributes, its keys and values, comes in as [kv_head, pair, prefix,
d_head].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import linear

from workbench.base.numbers import wide
from workbench.base.transfers import kept_index
from workbench.transformer.parts import Attention, Rotation

Q, K, V = 0, 1, 2

SMALL_MASK = 2**16
"""Queries times keys up to which a mask is kept."""

Softmax: TypeAlias = Callable[[Tensor], Tensor]
"""From scores to probabilities, over the last axis."""


def plain_softmax(scores: Tensor) -> Tensor:
    """The softmax of every model."""
    return scores.softmax(-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False) -> Tensor:
    """Rotary position embedding (Su et al. 2021, 2104.09864).

    Args:
        x: [..., position, d_head].
        cos, sin: [position, n_rotary]; dimensions past n_rotary pass through (GPT-NeoX). They may
            be in float32 where x is not; then the products are too.
        interleaved: neighbouring dimensions are rotated against each other, not the two halves.
    """
    n_rotary = cos.shape[-1]
    turned, passed = x[..., :n_rotary], x[..., n_rotary:]
    if interleaved:
        crossed = torch.stack((-turned[..., 1::2], turned[..., ::2]), dim=-1).flatten(-2)
    else:
        half = n_rotary // 2
        crossed = torch.cat((-turned[..., half:], turned[..., :half]), dim=-1)
    turned = (turned * cos + crossed * sin).to(x.dtype)
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
    if attention.joint[which] is not None:
        out = project_jointly(attention, which, normed)
        if heads is not None:
            out = out[..., _on_device(_weight_heads(attention, which, heads), out), :]
        return out.permute(3, 0, 1, 2, 4)
    weight, bias = attention.weight(which), attention.bias(which)
    if weight.stride(0) == 0:  # of a latent, which all heads share
        n = len(weight) if heads is None else len(heads)
        latent = linear(normed, weight[0].T, None if bias is None else bias[0])
        return latent.expand(n, *latent.shape)
    if heads is not None:
        index = _on_device(_weight_heads(attention, which, heads), weight)
        weight = weight[index]
        bias = None if bias is None else bias[index]
    n, d_model, d_head = weight.shape
    flat = weight.permute(1, 0, 2).reshape(d_model, n * d_head)
    rows = normed.reshape(-1, d_model)
    out = rows @ flat if bias is None else torch.addmm(bias.reshape(-1), rows, flat)
    return out.view(*normed.shape[:-1], n, d_head).permute(3, 0, 1, 2, 4)


def project_each(attention: Attention, which: int, normed: Tensor, heads: list[int]) -> Tensor:
    """q, k or v (before rotation) of heads that each read their own input.

    Args:
        normed: [head, pair, alternative, position, d_model], after the norm.
        heads: query heads.

    Returns:
        [head, pair, alternative, position, d_head].
    """
    index = _weight_heads(attention, which, heads)
    if attention.joint[which] is not None:
        every = project_jointly(attention, which, normed)
        return torch.stack([every[i, ..., head, :] for i, head in enumerate(index)])
    weight, bias = attention.weight(which), attention.bias(which)
    n, d_model = normed.shape[0], normed.shape[-1]
    if n == 1:
        out = (normed.reshape(-1, d_model) @ weight[index[0]])[None]
    else:
        whole = len(index) == weight.shape[0] and index == list(range(len(index)))
        out = torch.bmm(
            normed.reshape(n, -1, d_model), weight if whole else weight[_on_device(index, weight)]
        )
    if bias is not None:
        out = out + bias[_on_device(index, bias)][:, None, :]
    return out.view(*normed.shape[:-1], weight.shape[-1])


def project_jointly(attention: Attention, which: int, normed: Tensor) -> Tensor:
    """q or k of all heads of the weight, normed together, where the family does that.

    Args:
        normed: [..., d_model].

    Returns:
        [..., head, d_head].
    """
    weight, joint = attention.weight(which), attention.joint[which]
    assert joint is not None
    flat = normed @ weight.permute(1, 0, 2).reshape(weight.shape[1], -1)
    return joint(flat).unflatten(-1, (weight.shape[0], weight.shape[2]))


def finish_projection(
    attention: Attention,
    which: int,
    projected: Tensor,
    heads: list[int] | None,
    rotation: Rotation | None,
) -> Tensor:
    """q, k or v as the scores and the pattern take them.

    Clipped, normed, rotated, as the family has it.

    Args:
        projected: [head, ..., position, d_head].
        heads: query heads, or None for every head of the weight.
        rotation: of these positions, or None.
    """
    step = attention.steps[which]
    if step is not None:
        own = None if heads is None else _weight_heads(attention, which, heads)
        projected = step(projected, own)
    if which == V or rotation is None:
        return projected
    return rotate(projected, *rotation, attention.interleaved)


def _weight_heads(attention: Attention, which: int, heads: list[int]) -> list[int]:
    if which == Q or attention.w_k.shape[0] == attention.w_q.shape[0]:
        return heads
    group = attention.w_q.shape[0] // attention.w_k.shape[0]
    return [head // group for head in heads]


def _on_device(heads: list[int], beside: Tensor) -> Tensor:
    """Heads as an index of a tensor, on its device."""
    return kept_index(tuple(heads), beside.device)


def kv_head_of(attention: Attention, head: int) -> int:
    """Which head of keys and values a query head reads, as `kv_of` says on the device."""
    return head * attention.w_k.shape[0] // attention.w_q.shape[0]


def attend(
    attention: Attention,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    early: tuple[Tensor, Tensor] | None,
    softmax: Softmax = plain_softmax,
    heads: list[int] | None = None,
) -> Tensor:
    """Heads' values before W_O.

    Args:
        q: [head, pair, alternative, query, d_head], rotated; the queries are the last positions.
        k, v: [head, pair, alternative or 1, position, d_head], rotated.
        early: keys and values of the prefix, [head, pair, prefix, d_head]; None for no prefix.
        softmax: over the last axis; another one may have another slope. Where there are sinks, the
            first entry is theirs.
        heads: which query heads these are; None: all.

    Returns:
        [head, pair, alternative, query, d_head].
    """
    n, pairs, alternatives, queries, d_head = q.shape
    positions = k.shape[3]
    prefix_k, prefix_v = (None, None) if early is None else early
    prefix = 0 if prefix_k is None else prefix_k.shape[2]
    windowed = sees_not_all(attention, prefix + positions)
    if attention.upcast:
        q, k = wide(q), wide(k)
        prefix_k = None if prefix_k is None else wide(prefix_k)
    # In short formats rounded as the models do it: the product first, then its scale.
    short = q.dtype != torch.float32
    q = q if short else q * attention.scale
    scores = _per_alternative(q, k.transpose(-1, -2))
    scores = capped(attention, scores * attention.scale if short else scores)
    bias = bias_of_keys(attention, prefix + positions, heads)
    if bias is not None:
        scores = scores + bias[:, None, None, None, prefix:].to(scores.dtype)
    own = knocked_out(attention, queries, prefix + positions, heads)
    everywhere = windowed or own is not None
    hidden = hidden_keys(attention, queries, positions + (prefix if everywhere else 0), q.device)
    if own is not None:
        hidden = (hidden | own)[:, None, None]
    scores = scores.masked_fill(hidden[..., -positions:], float("-inf"))
    sink = sink_of_heads(attention, heads)
    before = [] if sink is None else [sink.to(scores.dtype).expand(*scores.shape[:-1], 1)]
    if prefix_k is None or prefix_v is None:
        if sink is None:
            return _per_alternative(softmax(scores).to(v.dtype), v)
        pattern = softmax(torch.cat((*before, scores), dim=-1))[..., 1:]
        return _per_alternative(pattern.to(v.dtype), v)
    # All alternatives see the same prefix, so they can be rows of one product.
    rows = q.reshape(n * pairs, alternatives * queries, d_head)
    seen = torch.bmm(rows, prefix_k.reshape(n * pairs, prefix, d_head).transpose(1, 2))
    seen = seen.view(n, pairs, alternatives, queries, prefix)
    seen = capped(attention, seen * attention.scale if short else seen)
    if bias is not None:
        seen = seen + bias[:, None, None, None, :prefix].to(seen.dtype)
    if everywhere:
        seen = seen.masked_fill(hidden[..., :prefix], float("-inf"))
    pattern = softmax(torch.cat((*before, seen, scores), dim=-1))[..., len(before) :].to(v.dtype)
    seen = pattern[..., :prefix].reshape(n * pairs, alternatives * queries, prefix)
    out = torch.bmm(seen, prefix_v.reshape(n * pairs, prefix, v.shape[-1]))
    out = out.view(n, pairs, alternatives, queries, v.shape[-1])
    return out + _per_alternative(pattern[..., prefix:], v)


def bias_of_keys(attention: Attention, keys: int, heads: list[int] | None = None) -> Tensor | None:
    """What is added to scores by key, [head, key], of all positions from the first; or None."""
    if attention.key_bias is None:
        return None
    bias = attention.key_bias(keys)
    return bias if heads is None else bias[_on_device(heads, bias)]


def sink_of_heads(attention: Attention, heads: list[int] | None = None) -> Tensor | None:
    """The score [head, 1, 1, 1, 1] of a key before all others whose value is nothing; or None."""
    if attention.sinks is None:
        return None
    sinks = attention.sinks
    if heads is not None:
        sinks = sinks[_on_device(heads, sinks)]
    return sinks[:, None, None, None, None]


def head_scores(attention: Attention, head: int, products: Tensor) -> Tensor:
    """One head's scores as its softmax takes them, -inf where a query may not look.

    Args:
        products: q . k times the scale, [..., query, key]; the keys are those of all positions from
            the first on, the queries the last of them.

    Returns:
        [..., query, key]; before them, where there are sinks, the sink's.
    """
    queries, keys = products.shape[-2:]
    scores, bias = capped(attention, products), bias_of_keys(attention, keys, [head])
    if bias is not None:
        scores = scores + bias[0].to(scores.dtype)
    hidden = hidden_keys(attention, queries, keys, products.device)
    own = knocked_out(attention, queries, keys, [head])
    if own is not None:
        hidden = hidden | own[0]
    scores = scores.masked_fill(hidden, float("-inf"))
    if attention.sinks is None:
        return scores
    sink = attention.sinks[head].to(scores.dtype).expand(*scores.shape[:-1], 1)
    return torch.cat((sink, scores), dim=-1)


def head_pattern(attention: Attention, head: int, products: Tensor) -> Tensor:
    """Where one head looks, [..., query, key]; what a sink takes is missing from the sum.

    Args:
        products: as of `head_scores`.
    """
    pattern = head_scores(attention, head, products).softmax(-1)
    return pattern if attention.sinks is None else pattern[..., 1:]


def capped(attention: Attention, scores: Tensor) -> Tensor:
    """Scores, softly kept below the cap if there is one."""
    cap = attention.softcap
    return scores if cap is None else (scores / cap).tanh() * cap


def sees_not_all(attention: Attention, keys: int) -> bool:
    """Whether a query sees only some of so many positions before it."""
    limits = (attention.window, attention.chunk)
    return any(limit is not None and keys > limit for limit in limits)


def hidden_keys(attention: Attention, queries: int, keys: int, device: torch.device) -> Tensor:
    """bool [query, key], true where a query may not look.

    That is ahead of itself, beyond the window, and in chunks before its own. The queries are the
    last of the keys, and where there are chunks the keys begin at the first position. Nobody may
    write into it: small ones are kept.
    """
    shape = queries, keys, attention.window, attention.chunk, device
    return _hidden_keys(*shape) if queries * keys > SMALL_MASK else _kept_hidden_keys(*shape)


def _hidden_keys(
    queries: int, keys: int, window: int | None, chunk: int | None, device: torch.device
) -> Tensor:
    everywhere = torch.ones(queries, keys, dtype=torch.bool, device=device)
    hidden = everywhere.triu(keys - queries + 1)
    if window is not None and keys > window:
        hidden |= everywhere.tril(keys - queries - window)
    if chunk is not None and keys > chunk:
        chunks = torch.arange(keys, device=device) // chunk
        hidden |= chunks[None] < chunks[keys - queries :, None]
    return hidden


_kept_hidden_keys = lru_cache(maxsize=64)(_hidden_keys)


def knocked_out(
    attention: Attention, queries: int, keys: int, heads: list[int] | None = None
) -> Tensor | None:
    """bool [head, query, key], which keys an intervention hides; None where it hides none.

    The queries are the last of the keys. `heads`: which heads; None: all.
    """
    if attention.hidden is None:
        return None
    own = attention.hidden
    if heads is not None:
        own = own[_on_device(heads, own)]
    return own[:, keys - queries : keys, :keys]


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
