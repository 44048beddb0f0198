"""What corrupting a head's query, key or value alone does to z, and to the metric.

Scores saturate, so the slope of the softmax says little of what a corrupted query or key would do.
The QK fix of AtP* (Kramar et al. 2024, 2403.00745) computes the attention pattern anew with the
corrupted query, respectively key, and goes on with the gradient from there:

    c = (z(corrupted) - z) . dL/dz,   that is, (pattern(corrupted) - pattern) . dL/dpattern.

A query changes its own row of the pattern only, so that the rows are also its effects by position.
Keys are different: one corrupted alone moves its own weight p_t of every later row to p'_t, and all
others by one factor, so that the row's product with its gradient g changes by

    (p'_t - p_t) (g_t - mean of g over the other keys, weighted by the pattern),

which takes no more than the pattern does. Values enter z linearly and need no fix.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.discovery.gradients.node_gradients import dot
from workbench.transformer.attention import (
    attend,
    bias_of_keys,
    capped,
    hidden_keys,
    knocked_out,
    sink_of_heads,
)
from workbench.transformer.recording import Recording


@dataclass
class InputEffects:
    """Effects on the metric of corrupting the inputs of a layer's heads, one at a time.

    Attributes:
        query, key, value: at one position, [head, pair, position].
        keys: all of a head's keys at once, [head, pair].
    """

    query: Tensor
    key: Tensor
    value: Tensor
    keys: Tensor


class HeadInputs:
    """Queries, keys and values of a layer's heads in both runs of some pairs.

    Every query head has its own key and value, as in the graph.
    """

    def __init__(self, recording: Recording, index: int, pairs: slice) -> None:
        attention = recording.parts.of_pairs(pairs).layers[index].attention
        clean, corrupted = recording.clean.layers[index], recording.corrupted.layers[index]
        of = attention.kv_of
        q, other_q = clean.q[:, pairs], corrupted.q[:, pairs]
        k, v, other_k, other_v = (
            x[of][:, pairs] for x in (clean.k, clean.v, corrupted.k, corrupted.v)
        )
        prefix_k, prefix_v = recording.prefix(index)
        if prefix_k is not None and prefix_v is not None:
            prefix_k, prefix_v = prefix_k[of][:, pairs], prefix_v[of][:, pairs]

        early = None if prefix_k is None or prefix_v is None else (prefix_k, prefix_v)

        def moved(q: Tensor, k: Tensor) -> Tensor:
            """How far z is from the clean run's, [head, pair, position, d_head]."""
            new = attend(attention, q[:, :, None], k[:, :, None], v[:, :, None], early)
            if attention.edit is not None:
                new = attention.edit.apply(new)
            return new[:, :, 0] - clean.z[:, pairs]

        self._by_query, self._by_keys = moved(other_q, k), moved(q, other_k)
        self._v_moved = other_v - v
        every_k = k if prefix_k is None else torch.cat((prefix_k, k), dim=2)
        self._v = wide(v if prefix_v is None else torch.cat((prefix_v, v), dim=2))
        bias, sink = bias_of_keys(attention, every_k.shape[2]), sink_of_heads(attention)
        hidden = hidden_keys(attention, q.shape[2], every_k.shape[2], q.device)
        own = knocked_out(attention, q.shape[2], every_k.shape[2])
        if own is not None:
            hidden = (hidden | own)[:, None]

        def scores(keys: Tensor) -> Tensor:
            """[head, pair, query, key], of the last keys; -inf where a query may not look."""
            products = (wide(q) * attention.scale) @ wide(keys).transpose(-1, -2)
            unseen = hidden[..., hidden.shape[-1] - keys.shape[2] :]
            found = capped(attention, products)
            if bias is not None:
                found = found + wide(bias[:, None, None, -keys.shape[2] :])
            return found.masked_fill(unseen, float("-inf"))

        every = scores(every_k)
        if sink is not None:  # one more key, whose value is nothing
            every = torch.cat((wide(sink[..., 0]).expand(*every.shape[:-1], 1), every), dim=-1)
            self._v = torch.cat((torch.zeros_like(self._v[:, :, :1]), self._v), dim=2)
        self._row = _Row(every, scores(other_k))
        self._edit = attention.edit

    def effects(self, z: Tensor) -> InputEffects:
        """Effects by the gradient at the heads' values, [head, pair, position, d_head]."""
        z = wide(z)
        before = z if self._edit is None else self._edit.back(z[:, :, None])[:, :, 0]
        read = self._row.pattern[..., -self._v_moved.shape[2] :].transpose(-1, -2) @ before
        return InputEffects(
            query=dot(self._by_query, z),
            key=self._row.effects(before @ self._v.transpose(-1, -2)).sum(2),
            value=dot(self._v_moved, read),
            keys=dot(self._by_keys, z).sum(-1),
        )


class _Row:
    """Rows of the attention pattern with the score of one key at a time replaced.

    A weight near 1 leaves nothing of the others in 1 - p. There is at most one such key in a row,
    the one with the largest score, and for that the others are summed on their own.

    Args:
        scores: [..., query, key].
        other: the corrupted scores of the last keys, [..., query, changed key].
    """

    def __init__(self, scores: Tensor, other: Tensor) -> None:
        self.pattern = scores.softmax(-1)
        self._first = scores.argmax(-1, keepdim=True)
        rest = scores.scatter(-1, self._first, float("-inf"))
        # Where one key is all that a query sees nothing can move: no others, and no change.
        self._rest = rest.softmax(-1).nan_to_num()
        others = scores.logsumexp(-1, keepdim=True) + torch.log1p(-self.pattern)
        others = others.scatter(-1, self._first, rest.logsumexp(-1, keepdim=True))
        others = others[..., -other.shape[-1] :]
        before = scores[..., -other.shape[-1] :]
        self._change = (other - others).sigmoid() - (before - others).sigmoid()

    def effects(self, gradient: Tensor) -> Tensor:
        """Change of the product with a gradient [..., query, key] that each changed key makes.

        It is [..., query, changed key].
        """
        whole = (self.pattern * gradient).sum(-1, keepdim=True)
        others = (whole - self.pattern * gradient) / (1 - self.pattern)
        others = others.scatter(-1, self._first, (self._rest * gradient).sum(-1, keepdim=True))
        last = slice(-self._change.shape[-1], None)
        return self._change * (gradient - others)[..., last]
