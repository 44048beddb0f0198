"""Copying, suppression and succession: what all heads make of a list of words.

Each is a share of words t, by the rank of one token among the logits that a head would write for t
(`ov`): copying has t among the highest, negative copying and suppression among the lowest; the
successor score has what follows t as the highest of all tokens of ordered sets. `sought` is the
other half of copy suppression: a query that is what the unembedding reads for t, and so what the
residual holds where t is about to be said, finds t first among the keys of all words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.readouts.heads.columns import LOWEST, TOP
from workbench.readouts.heads.inputs import head_input, token_tensor
from workbench.readouts.heads.ordered_sets import Ordinals
from workbench.readouts.heads.ov import carried_writes, head_writes, normed_writes
from workbench.readouts.heads.qk import projected, scores
from workbench.readouts.heads.ways import DISTANCE
from workbench.transformer.attention import K, Q

if TYPE_CHECKING:
    from workbench.transformer.parts import ModelParts

MAX_LOGITS = 2**22
"""Logits computed at once, 16 MiB in float32."""
FIRST_COLUMNS = 2048
"""Tokens of the vocabulary that are looked at first; each further look is at twice as many."""


@torch.no_grad()
def own_ranks(
    parts: ModelParts, layer: int, tokens: Sequence[int], source: str, *, carried: bool = False
) -> tuple[Tensor, Tensor]:
    """Of each word, how many tokens a head raises as much or more, and lowers as much or more.

    A word is let go as soon as both numbers are past what any share asks for: most words of most
    heads are, after a small part of the vocabulary.

    Args:
        tokens: the words' ids.
        source: what stands for a word, see `inputs`.
        carried: with what the last MLP makes of each write, see `ov.carried_writes`.

    Returns:
        Two int tensors [head, word]; a number of `LOWEST` or more may be larger in truth.
    """
    ids = uploaded(token_tensor(tokens), parts.device)
    x = head_input(parts, ids, layer, source)
    written = head_writes(parts, layer, x, range(parts.n_heads))
    if carried:
        written = carried_writes(parts, layer, written)
    rows = normed_writes(parts, written).reshape(-1, parts.d_model)
    own = (rows * wide(parts.w_u[:, ids].T).repeat(parts.n_heads, 1)).sum(-1)
    if parts.dtype != torch.float32:  # as rounded as what it is compared with
        own = own.to(parts.dtype).float()
    above, below = (torch.zeros(len(rows), dtype=torch.long, device=rows.device) for _ in "ab")
    mine, left = ids.repeat(parts.n_heads), torch.arange(len(rows), device=rows.device)
    for columns in _columns(int(parts.w_u.shape[1])):
        for at in left.split(max(1, MAX_LOGITS // len(columns))):
            chosen = parts.w_u[:, columns.start : columns.stop]
            logits = wide(rows[at].to(parts.dtype) @ chosen)
            # A token counts neither above nor below itself, however its product is rounded there.
            inside = (mine[at] >= columns.start) & (mine[at] < columns.stop)
            place = (mine[at] - columns.start).clamp(0, len(columns) - 1)[:, None]
            skipped = torch.where(inside[:, None], torch.nan, logits.gather(1, place))
            logits.scatter_(1, place, skipped)
            above[at] += (logits >= own[at, None]).sum(1)
            below[at] += (logits <= own[at, None]).sum(1)
        undecided = array_of((above[left] < LOWEST) | (below[left] < LOWEST))
        left = left[uploaded(np.flatnonzero(undecided), left.device)]
    shape = (parts.n_heads, len(ids))
    return above.view(shape), below.view(shape)


def _columns(size: int) -> Iterator[range]:
    start, step = 0, FIRST_COLUMNS
    while start < size:
        yield range(start, min(size, start + step))
        start, step = start + step, 2 * step


def word_scores(above: Tensor, below: Tensor) -> dict[str, Tensor]:
    """Columns [head] of the ranks of `own_ranks`, where ties go before the word."""
    return {
        "copying": (above < TOP).float().mean(1),
        "negative": (below < TOP).float().mean(1),
        "suppression": (below < LOWEST).float().mean(1),
    }


@torch.no_grad()
def successor_scores(
    parts: ModelParts, layer: int, ordinals: Ordinals, source: str
) -> dict[str, Tensor]:
    """Columns [head]: how often the successor, or the token itself, is the highest.

    The final norm's own scale decides nothing here, as for every rank.
    """
    every = token_tensor(ordinals.tokens)
    place = {token: i for i, token in enumerate(ordinals.tokens)}
    asked = [place[token] for token, _ in ordinals.steps]
    wanted = uploaded([place[token] for _, token in ordinals.steps], parts.device)
    x = head_input(parts, every, layer, source)
    own = uploaded(asked, parts.device)
    written = head_writes(parts, layer, x[own], range(parts.n_heads))
    logits = normed_writes(parts, written) @ wide(parts.w_u[:, uploaded(every, parts.device)])
    highest = logits.argmax(-1)
    return {
        "successor": (highest == wanted).float().mean(1),
        "ordinal_copy": (highest == own).float().mean(1),
    }


@torch.no_grad()
def sought_scores(
    parts: ModelParts, layer: int, tokens: Sequence[int], source: str
) -> dict[str, Tensor]:
    """Column [head]: the share of words whose unembedding finds their own key first.

    Keys stand at the usual distance before the query, where positions are rotated.
    """
    ids, heads = uploaded(token_tensor(tokens), parts.device), range(parts.n_heads)
    x = head_input(parts, ids, layer, source)
    back = torch.zeros(len(ids), dtype=torch.long, device=parts.device)
    reads = parts.w_u[:, ids].T
    window = parts.layers[layer].attention.window
    distance = DISTANCE if window is None or window > DISTANCE else 0
    q = projected(parts, layer, Q, reads, heads, back + distance)
    k = projected(parts, layer, K, x, heads, back)
    found = scores(parts, layer, q, k).argmax(-1)
    mine = torch.arange(len(ids), device=parts.device)
    return {"sought": (found == mine).float().mean(1)}
