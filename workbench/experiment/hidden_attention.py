"""The masks of attention knock-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from workbench.base.transfers import array_of, uploaded
from workbench.errors import WorkbenchError
from workbench.experiment.knockouts import Knockout, resolve_positions
from workbench.transformer.attention import hidden_keys, knocked_out
from workbench.transformer.parts import Attention, ModelParts


def knockout_mask(
    knockouts: Sequence[Knockout], n_heads: int, length: int, prompt: int | None = None
) -> Tensor:
    """bool [head, query, key], true where attention is knocked out.

    Args:
        length: how many tokens there are.
        prompt: how many of them are the prompt's, in which positions are counted; None: all.
    """
    prompt = length if prompt is None else prompt
    hidden = torch.zeros(n_heads, length, length, dtype=torch.bool)
    for one in knockouts:
        mask = torch.zeros(length, length, dtype=torch.bool)
        queries, keys = (
            list(range(length)) if at is None else resolve_positions(at, prompt)
            for at in (one.queries, one.keys)
        )
        mask[torch.tensor(queries)[:, None], torch.tensor(keys)] = True
        if one.keep_self:
            mask.fill_diagonal_(False)
        if one.keep_first:
            mask[:, 0] = False
        heads = slice(None) if one.heads is None else list(one.heads)
        hidden[heads] |= mask
    return hidden


def refuse_blind(attention: Attention, hidden: Tensor, layer: int) -> None:
    """Refuse masks that leave a query nothing to see.

    Args:
        hidden: bool [..., query, key]; the queries are the last of the keys.

    Raises:
        WorkbenchError: one does.
    """
    queries, keys = hidden.shape[-2:]
    unseen = hidden | hidden_keys(attention, queries, keys, hidden.device)
    own = knocked_out(attention, queries, keys)
    if own is not None:
        # One mask for each head, whatever alternatives there are.
        unseen = unseen | (own if hidden.dim() == 3 else own[:, None])
    if array_of(unseen.all(-1).any()):
        raise WorkbenchError(
            f"In layer {layer} a query would see nothing at all: spare itself or the first "
            "position."
        )


def with_knockouts(
    parts: ModelParts, knockouts: Sequence[Knockout], length: int, prompt: int
) -> ModelParts:
    """The parts of a model in which attention is hidden, for sequences of one length.

    Args:
        length, prompt: as of `knockout_mask`.

    Raises:
        WorkbenchError: a prompt has no such position, or a query is left nothing to see.
    """
    layers = []
    for index, layer in enumerate(parts.layers):
        own = [one for one in knockouts if one.in_layer(index)]
        if own:
            hidden = uploaded(knockout_mask(own, parts.n_heads, length, prompt), parts.device)
            refuse_blind(layer.attention, hidden, index)
            layer = replace(layer, attention=replace(layer.attention, hidden=hidden))
        layers.append(layer)
    return replace(parts, layers=tuple(layers))
