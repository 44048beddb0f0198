"""What a head is given for a token by itself: its embedding, perhaps with an MLP.

With E[t] what the node `input` writes for the token t, the effective embedding is

    E[t] + MLP_0(norm(E[t])) ,

the first block without attention (Wang et al. 2022, 2211.00593): in many models the first MLP turns
embeddings into what later heads read. Positions, where a table embeds them, are left out. A head of
the first layer reads before that MLP has written: it is given E[t] whichever is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from workbench.base.transfers import array_of, uploaded
from workbench.readouts.heads.ways import EFFECTIVE, check_input

if TYPE_CHECKING:
    from workbench.transformer.parts import ModelParts

CHUNK = 4096
"""Tokens of the vocabulary that go through the first MLP at once."""
MOST_BYTES = 2**29
"""Of effective embeddings of the whole vocabulary that are kept; larger ones are made again."""

_kept: WeakKeyDictionary[nn.Module, Tensor] = WeakKeyDictionary()


@torch.no_grad()
def head_input(parts: ModelParts, tokens: Tensor, layer: int, source: str) -> Tensor:
    """What heads of a layer read for tokens by themselves, before their norm.

    Args:
        tokens: ids [token].
        source: `effective` or `embedding`.

    Returns:
        [token, d_model].

    Raises:
        WorkbenchError: there is no such source.
    """
    check_input(source)
    embedded = parts.token_embedding(uploaded(tokens, parts.device)[None])
    if source == EFFECTIVE and layer > 0:
        embedded = embedded + parts.layers[0].run_mlp(embedded)
    return embedded[0]


def vocabulary_chunks(parts: ModelParts) -> list[range]:
    """The tokens of the vocabulary in pieces."""
    size = int(parts.w_u.shape[1])
    return [range(start, min(start + CHUNK, size)) for start in range(0, size, CHUNK)]


def vocabulary_inputs(parts: ModelParts, chunk: range, layer: int, source: str) -> Tensor:
    """`head_input` of a piece of the vocabulary, kept where that takes little memory."""
    if source != EFFECTIVE or layer == 0:
        return head_input(parts, torch.arange(chunk.start, chunk.stop), layer, source)
    whole = _kept.get(parts.norm_final)
    if whole is None:
        size = (int(parts.w_u.shape[1]), parts.d_model)
        if size[0] * size[1] * parts.w_u.element_size() > MOST_BYTES:
            return head_input(parts, torch.arange(chunk.start, chunk.stop), layer, source)
        whole = torch.full(size, torch.nan, dtype=parts.dtype, device=parts.device)
        _kept[parts.norm_final] = whole
    rows = whole[chunk.start : chunk.stop]
    if array_of(rows[-1].isnan().any()):
        rows.copy_(head_input(parts, torch.arange(chunk.start, chunk.stop), layer, source))
    return rows


def token_tensor(ids: Sequence[int]) -> Tensor:
    """Token ids [token]."""
    return torch.tensor(list(ids), dtype=torch.long)
