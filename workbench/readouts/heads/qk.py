"""QK: which tokens a head looks at from a token, by its weights alone.

With x_t what stands for a token (see `inputs`), both through the head's own input norm and whatever
the family does to queries and keys before they meet (biases, norms, clipping),

    score(t looks at t') = q(x_t) R_d k(x_t')^T * scale ,

what the softmax takes, before other keys compete. Where positions are rotated, R_d turns the query
by its distance d from the key; of tokens of one prompt by their own distance, of the vocabulary by
one that is chosen (the key right before the query if none is). Where a table embeds positions, they
are left out. After Elhage et al. (2021), "A Mathematical Framework for Transformer Circuits".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.errors import WorkbenchError
from workbench.readouts.activations import check_k, token_values
from workbench.readouts.heads.asked import (
    head_of,
    looked_at,
    name_of,
    prompt_tokens,
    word_tokens,
)
from workbench.readouts.heads.inputs import (
    head_input,
    token_tensor,
    vocabulary_chunks,
    vocabulary_inputs,
)
from workbench.readouts.heads.ways import DISTANCE, EFFECTIVE, PROMPT, check_input, input_words
from workbench.readouts.shapes import Grid, Ranking, Rows
from workbench.transformer.attention import (
    K,
    Q,
    capped,
    finish_projection,
    kv_head_of,
    project_shared,
)

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.results import Position
    from workbench.readouts.target import Target
    from workbench.transformer.parts import ModelParts

OF_EACH = 2
"""Keys on each side where every word has a line."""

_keys: WeakKeyDictionary[nn.Module, tuple[object, Tensor]] = WeakKeyDictionary()
"""Keys of the whole vocabulary for the head that was asked about last, by the model's last norm."""


@torch.no_grad()
def projected(
    parts: ModelParts,
    layer: int,
    which: int,
    x: Tensor,
    heads: Sequence[int],
    positions: Tensor,
) -> Tensor:
    """Queries or keys as the scores take them, [head, token, d_head], float32.

    Args:
        which: Q or K.
        x: [token, d_model], before the head's norm.
        heads: query heads; of grouped keys each gets its group's.
        positions: [token], by which they are rotated.
    """
    block, chosen = parts.layers[layer], list(heads)
    attention = block.attention
    made = project_shared(attention, which, block.norm1(x)[None, None], chosen)
    rotary = attention.rotary
    rotation = None if rotary is None else rotary(positions)
    return wide(finish_projection(attention, which, made, chosen, rotation)[:, 0, 0])


def scores(parts: ModelParts, layer: int, queries: Tensor, keys: Tensor) -> Tensor:
    """[..., query, key] of queries and keys [..., token, d_head]."""
    attention = parts.layers[layer].attention
    return capped(attention, queries @ keys.transpose(-1, -2) * attention.scale)


def check_distance(parts: ModelParts, layer: int, distance: int) -> int:
    """The distance back, if a query of this layer sees a key so far before it.

    Raises:
        WorkbenchError: it does not.
    """
    window = parts.layers[layer].attention.window
    if distance < 0:
        raise WorkbenchError(f"A head looks back: a distance of {distance} is ahead of the query.")
    if window is not None and distance >= window:
        raise WorkbenchError(
            f"Layer {layer} sees the last {window} positions only: a distance of {distance} is "
            "beyond them."
        )
    return distance


def qk_reading(
    experiment: Experiment,
    head: str,
    *,
    position: Position = -1,
    pair: int | None = None,
    target: Target | None = None,
    way: str = EFFECTIVE,
    distance: int = DISTANCE,
    k: int = 10,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Ranking | Rows | Grid:
    """The tokens that a head looks at most and least from a token, by its weights.

    Args:
        experiment: model and batch.
        head: its name.
        position: of the query in the pair's clean prompt: from the end if negative, else from its
            start.
        pair: a pair's number; None: a line for each of the task's answers in place of one token.
        target: its answers are the queries, in place of the prompt's token.
        way: what stands for a token, `effective` or `embedding`; with `prompt ` before it, every
            token of the pair's prompt is a query and a key.
        distance: how many positions before the query the key stands, where positions are rotated;
            tokens of one prompt have their own.
        k: how many keys on each side.
        turn: entered for each piece of the work.

    Returns:
        A ranking of keys, the highest first; for several queries a row each; of a prompt a grid.

    Raises:
        WorkbenchError: there is no such head, pair, position or way, the distance is ahead of the
            query or beyond the layer's window, k < 1, or a prompt is asked for and none chosen.
    """
    check_k(k)
    layer, number = head_of(experiment, head)
    source = check_input(way.removeprefix(PROMPT))
    if way != source:
        with turn():
            return _of_prompt(experiment, head, 0 if pair is None else pair, source)
    parts = experiment.model.parts
    distance = check_distance(parts, layer, distance)
    tokens, said = looked_at(experiment, position, pair, target), ""
    if tokens is None:
        words = word_tokens(experiment)
        tokens, said = words.ids, f"{words.said} "
    keys = _vocabulary_keys(parts, layer, number, source, turn)
    with turn():
        x = head_input(parts, token_tensor(tokens), layer, source)
        at = torch.full((len(tokens),), distance, device=parts.device)
        queries = projected(parts, layer, Q, x, [number], at)[0]
        values = scores(parts, layer, queries, keys)
        definition = said + _definition(parts, layer, source, distance)
        if len(tokens) > 1:
            return _rows(experiment, head, tokens, values, definition)
        return _ranking(experiment, head, tokens[0], values[0], k, definition)


@torch.no_grad()
def _vocabulary_keys(
    parts: ModelParts,
    layer: int,
    number: int,
    source: str,
    turn: Callable[[], AbstractContextManager[None]],
) -> Tensor:
    """Keys [vocabulary, d_head] at position 0, kept until another head is asked about."""
    asked = (layer, kv_head_of(parts.layers[layer].attention, number), source)
    known = _keys.get(parts.norm_final)
    if known is not None and known[0] == asked:
        return known[1]
    made = []
    for chunk in vocabulary_chunks(parts):
        with turn():
            x = vocabulary_inputs(parts, chunk, layer, source)
            at = torch.zeros(len(x), dtype=torch.long, device=parts.device)
            made.append(projected(parts, layer, K, x, [number], at)[0])
    keys = torch.cat(made)
    _keys[parts.norm_final] = asked, keys
    return keys


def _ranking(
    experiment: Experiment, head: str, token: int, values: Tensor, k: int, definition: str
) -> Ranking:
    top = [(t.token, t.value) for t in token_values(experiment, values, k, largest=True)]
    low = [(t.token, t.value) for t in token_values(experiment, values, k, largest=False)]
    read = array_of(torch.stack(((values > values[token]).sum().double(), values[token].double())))
    own, rank = name_of(experiment, token), 1 + int(read[0])
    itself = f"{own} itself: {read[1]:.4g}, {rank:,} of {len(values):,}. "
    title = f"{head} from {own} looks at"
    return Ranking(title, (*top, *reversed(low)), "score", itself + definition)


def _rows(
    experiment: Experiment, head: str, tokens: Sequence[int], values: Tensor, definition: str
) -> Rows:
    rows = []
    at_itself = values.gather(1, uploaded(token_tensor(tokens), values.device)[:, None])
    ranks = array_of(1 + (values > at_itself).sum(1))
    most_and_least = [
        array_of(values.topk(OF_EACH, largest=largest).indices) for largest in (True, False)
    ]
    scores_ = array_of(wide(at_itself[:, 0]))
    for i, token in enumerate(tokens):
        most, least = (
            " ".join(name_of(experiment, int(one)) for one in side[i]) for side in most_and_least
        )
        own = name_of(experiment, token)
        rows.append((own, f"{scores_[i]:+.2f}", f"{ranks[i]:,}", most, least))
    columns = ("from", "at itself", "rank", "most at", "least at")
    return Rows(f"{head} looks from each", columns, tuple(rows), definition)


@torch.no_grad()
def _of_prompt(experiment: Experiment, head: str, pair: int, source: str) -> Grid:
    """Every token of a prompt as query and as key, each at its place."""
    parts = experiment.model.parts
    layer, number = head_of(experiment, head)
    tokens = prompt_tokens(experiment, pair)
    x = head_input(parts, token_tensor(tokens), layer, source)
    at = torch.arange(len(tokens), device=parts.device)
    q, k = (projected(parts, layer, which, x, [number], at)[0] for which in (Q, K))
    values = array_of(scores(parts, layer, q, k)).astype(np.float64)
    values[np.triu_indices(len(tokens), 1)] = np.nan
    window = parts.layers[layer].attention.window
    if window is not None:
        values[np.tril_indices(len(tokens), -window)] = np.nan
    texts = tuple(experiment.batch.encoding.pieces(tokens))
    definition = _definition(parts, layer, source, None)
    title = f"{head} by its weights, prompt {pair + 1}"
    return Grid(title, texts, texts, values, "score", definition)


def _definition(parts: ModelParts, layer: int, source: str, distance: int | None) -> str:
    said = (
        f"Product of query and key by the weights alone, each given {input_words(source, layer)}, "
        "as the softmax takes it"
    )
    if parts.layers[layer].attention.rotary is None:
        return f"{said}; positions are left out."
    if distance is None:
        return f"{said}, each query (row) and key (column) rotated as at its place."
    places = "1 position" if distance == 1 else f"{distance} positions"
    return f"{said}, rotated as for a key {places} before the query."
