"""Patterns on random tokens: where each head looks in texts that say everything twice.

A sequence is what the tokenizer puts before a text (BOS, or nothing) and then T random tokens,
twice in a row. Since the tokens mean nothing, a head that looks at what followed the same token
before does so by the repetition alone. T is 50, or fewer where the model has not so many positions;
within a sequence no token is drawn twice if there are enough. Scores are means of the pattern along
diagonals over the 2T random tokens, as in Olsson et al. (2022, 2209.11895).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import on_host, uploaded
from workbench.base.work import Work
from workbench.readouts.heads.columns import RANDOM_TOKENS, SEQUENCES
from workbench.transformer.attention import head_pattern, kv_head_of
from workbench.transformer.forward import embed, run_heads, write_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.transformer.parts import Layer, ModelParts

MAX_TOKENS = 2**11
"""Tokens that go through the model at once."""

PATTERNS = ("previous", "duplicate", "induction", "self", "first", "entropy", "distance")
"""The columns that are measured here."""


@dataclass(frozen=True)
class Repeated:
    """Sequences that say everything twice.

    Attributes:
        tokens: ids [sequence, prefix + 2 length].
        prefix: tokens before the random ones.
        length: T, of which each comes twice.
    """

    tokens: Tensor
    prefix: int
    length: int


def repeated_tokens(
    valid: Sequence[int],
    prefix: Sequence[int],
    *,
    seed: int,
    positions: int | None,
    sequences: int = SEQUENCES,
    length: int = RANDOM_TOKENS,
) -> Repeated:
    """Seeded sequences.

    Args:
        valid: the tokens that are drawn from.
        prefix: what stands before them.
        positions: how many tokens the model can take; None: any number.
        sequences, length: how many, and how long before they are repeated.
    """
    if positions is not None:
        length = max(2, min(length, (positions - len(prefix)) // 2))
    drawn = random.Random(seed)
    rows = []
    for _ in range(sequences):
        enough = len(valid) >= length
        half = drawn.sample(list(valid), length) if enough else drawn.choices(valid, k=length)
        rows.append([*prefix, *half, *half])
    return Repeated(torch.tensor(rows, dtype=torch.long), len(prefix), length)


def pattern_scores(parts: ModelParts, repeated: Repeated) -> Work[dict[str, Tensor]]:
    """Columns [layer, head], yielding the fraction done after every layer."""
    n, width = repeated.tokens.shape
    step = max(1, MAX_TOKENS // width)
    starts = range(0, n, step)
    totals = {name: torch.zeros(len(parts.layers), parts.n_heads) for name in PATTERNS}
    done, whole = 0, len(starts) * len(parts.layers)
    for start in starts:
        rows = uploaded(repeated.tokens[start : start + step], parts.device)
        with torch.no_grad():
            _, residual = embed(parts, rows, 0)
            rotary = parts.rotations(torch.arange(width))
        for index, layer in enumerate(parts.layers):
            with torch.no_grad():
                q, k, _, z = run_heads(layer, residual[:, None], rotary[index], None)
                found = _measured(layer, q[:, :, 0], k[:, :, 0], repeated)
                for name, values in found.items():
                    totals[name][index] += on_host(values) * (len(rows) / n)
                if index + 1 < len(parts.layers):
                    residual = _after(parts, layer, residual, z)
            done += 1
            yield done / whole
    return totals


def _after(parts: ModelParts, layer: Layer, residual: Tensor, z: Tensor) -> Tensor:
    """The residual after a layer."""
    added = layer.after_attention(write_heads(layer, z)[:, 0])
    reads = residual if parts.parallel else residual + added
    return residual + added + layer.run_mlp(reads)


def _measured(layer: Layer, q: Tensor, k: Tensor, repeated: Repeated) -> dict[str, Tensor]:
    """Columns [head] of q [head, row, position, d_head] and k [kv_head, ...]."""
    attention = layer.attention
    found: dict[str, list[Tensor]] = {name: [] for name in PATTERNS}
    for head in range(q.shape[0]):
        keys = wide(k[kv_head_of(attention, head)])
        products = (wide(q[head]) * attention.scale) @ keys.transpose(-1, -2)
        pattern = head_pattern(attention, head, products)
        for name, value in scores_of(pattern, repeated.prefix, repeated.length).items():
            found[name].append(value)
    return {name: torch.stack(values) for name, values in found.items()}


def scores_of(pattern: Tensor, prefix: int, length: int) -> dict[str, Tensor]:
    """The numbers of one head's patterns [row, query, key], each a mean over the rows."""
    places = torch.arange(pattern.shape[-1], device=pattern.device, dtype=pattern.dtype)
    back = (places[:, None] - places[None, :]) * (pattern > 0)
    twice = pattern[:, prefix:, prefix:]
    entropy = -torch.xlogy(pattern, pattern).sum(-1)

    def diagonal(by: int) -> Tensor:
        return twice.diagonal(by, 1, 2).mean()

    return {
        "previous": diagonal(-1),
        "duplicate": diagonal(-length),
        "induction": diagonal(1 - length),
        "self": diagonal(0),
        "first": pattern[:, 1:, 0].mean(),
        "entropy": entropy[:, 1:].mean(),
        "distance": (pattern * back).sum(-1)[:, 1:].mean(),
    }
