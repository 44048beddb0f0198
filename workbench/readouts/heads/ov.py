"""OV: what a head would write for a token that it looks at, as logits.

For a token t that is given to the head as x_t (see `inputs`), with the head's own input norm,

    write(t) = ( norm(x_t) W_V + b_V ) W_O ,
    ov(t)    = centre_vocab( norm_final(write(t)) W_U ) .

The write goes through the norm that follows attention in some families, and through the final norm,
by itself: it is scaled to the size that a whole residual has there, so that tokens can be compared
with one another, but heads only by rank. Biases after W_V, which are the same whatever the head
looks at, are left out: of the attention's output, of these norms and of the unembedding; so is the
mean over the vocabulary. After Elhage et al. (2021), "A Mathematical Framework for Transformer
Circuits", in the form of Wang et al. (2022, 2211.00593).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index, uploaded
from workbench.readouts.activations import check_k, token_values
from workbench.readouts.heads.asked import head_of, looked_at, name_of, word_tokens
from workbench.readouts.heads.inputs import head_input, token_tensor
from workbench.readouts.heads.ways import (
    CARRIED,
    CARRIED_WORDS,
    EFFECTIVE,
    check_input,
    input_words,
)
from workbench.readouts.shapes import Ranking, Rows
from workbench.transformer.attention import V, finish_projection, project_shared
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.readouts.results import Position
    from workbench.readouts.target import Target
    from workbench.transformer.parts import ModelParts

SILENT = 1e-3
"""Largest logit of a write, scaled to the size of a residual, that says nothing but rounding."""
OF_EACH = 2
"""Tokens on each side where every word has a line."""


@torch.no_grad()
def head_writes(parts: ModelParts, layer: int, x: Tensor, heads: Sequence[int]) -> Tensor:
    """What heads of a layer write for what they look at, [head, token, d_model], float32.

    Args:
        x: [token, d_model], before the head's norm.
        heads: of the layer.
    """
    block = parts.layers[layer]
    attention = block.attention
    chosen = list(heads)
    v = project_shared(attention, V, block.norm1(x)[None, None], chosen)
    v = finish_projection(attention, V, v, chosen, None)[:, 0, 0]
    written = (
        wide(torch.bmm(v, attention.w_o[kept_index(tuple(chosen), x.device)]))
        * attention.multiplier
    )
    if block.post_attention is None:
        return written
    norm = FrozenNorm.of(block.post_attention)
    return norm.centre(written) * norm.scale(written) * norm.weight


@torch.no_grad()
def carried_writes(parts: ModelParts, layer: int, written: Tensor) -> Tensor:
    """What is written, [..., d_model], and what the last MLP makes of that alone.

    The counterpart of the effective embedding, for models whose last MLP turns what heads write
    into logits. Where attention and MLP stand side by side, no MLP comes after the last heads.
    """
    last = len(parts.layers) - 1
    if parts.parallel and layer == last:
        return written
    made: Tensor = parts.layers[last].run_mlp(written.to(parts.dtype))
    return written + wide(made)


def normed_writes(parts: ModelParts, written: Tensor) -> Tensor:
    """What is written, [..., d_model], through the final norm by itself, without its bias."""
    norm = FrozenNorm.of(parts.norm_final)
    return norm.centre(written) * norm.scale(written) * norm.weight


@torch.no_grad()
def write_logits(parts: ModelParts, written: Tensor) -> Tensor:
    """Logits [..., vocabulary] of what is written, [..., d_model], by itself; not yet centred."""
    normed = normed_writes(parts, written)
    logits: Tensor = wide(normed.to(parts.w_u.dtype) @ parts.w_u) * parts.logit_scale
    return logits


def ov_reading(
    experiment: Experiment,
    head: str,
    *,
    position: Position = -1,
    pair: int | None = None,
    target: Target | None = None,
    way: str = EFFECTIVE,
    k: int = 10,
) -> Ranking | Rows:
    """The tokens that a head would raise and lower most if it looked at a token.

    Args:
        experiment: model and batch.
        head: its name.
        position: of the token in the pair's clean prompt: from the end if negative, else from its
            start.
        pair: a pair's number; None: a line for each of the task's answers in place of one token.
        target: its answers are the tokens that the head looks at, in place of the prompt's.
        way: what stands for a token: `effective` or `embedding`; with ` carried` after it, what
            the last MLP makes of the head's write alone is added to it.
        k: how many tokens on each side.

    Returns:
        A ranking, the raised tokens first; for several tokens a row each.

    Raises:
        WorkbenchError: there is no such head, pair, position or way, or k < 1.
    """
    check_k(k)
    layer, number = head_of(experiment, head)
    tokens = looked_at(experiment, position, pair, target)
    definition = _definition(layer, way)
    if tokens is None:
        return _of_words(experiment, head, way, definition)
    if len(tokens) > 1:
        return _rows(experiment, head, tokens, way, definition)
    logits = _logits(experiment, layer, number, tokens, way)[0]
    own = name_of(experiment, tokens[0])
    values = [(t.token, t.value) for t in token_values(experiment, logits, k, largest=True)]
    lowest = token_values(experiment, logits, k, largest=False)
    values += [(t.token, t.value) for t in reversed(lowest)]
    itself = logits[tokens[0]]
    read = array_of(torch.stack(((logits > itself).sum().double(), itself.double())))
    rank = 1 + int(read[0])
    return Ranking(
        f"{head} looking at {own}",
        tuple(values),
        definition=f"{own} itself: {read[1]:.4g}, {rank:,} of {len(logits):,}. "
        + definition
        + _silence(logits, way),
    )


def _logits(
    experiment: Experiment, layer: int, number: int, tokens: Sequence[int], way: str
) -> Tensor:
    """[token, vocabulary], centred."""
    parts = experiment.model.parts
    source = way.removesuffix(CARRIED)
    x = head_input(parts, token_tensor(tokens), layer, source)
    written = head_writes(parts, layer, x, [number])[0]
    if source != way:
        written = carried_writes(parts, layer, written)
    logits = write_logits(parts, written)
    return logits - logits.mean(-1, keepdim=True)


def _of_words(experiment: Experiment, head: str, way: str, definition: str) -> Rows:
    words = word_tokens(experiment)
    return _rows(experiment, head, words.ids, way, f"{words.said} {definition}")


def _rows(
    experiment: Experiment, head: str, tokens: Sequence[int], way: str, definition: str
) -> Rows:
    layer, number = head_of(experiment, head)
    logits = _logits(experiment, layer, number, tokens, way)
    own = logits.gather(1, uploaded(token_tensor(tokens), logits.device)[:, None])
    ranks = array_of(1 + (logits > own).sum(1))
    at_itself = array_of(wide(own[:, 0]))
    raised_and_lowered = [
        array_of(logits.topk(OF_EACH, largest=largest).indices) for largest in (True, False)
    ]
    rows = []
    for i, token in enumerate(tokens):
        sides = [
            " ".join(name_of(experiment, int(one)) for one in side[i])
            for side in raised_and_lowered
        ]
        rows.append((name_of(experiment, token), f"{at_itself[i]:+.2f}", f"{ranks[i]:,}"))
        rows[-1] += tuple(sides)  # type: ignore[assignment]
    columns: tuple[Any, ...] = ("looking at", "itself", "rank", "raises", "lowers")
    definition += _silence(logits, way)
    return Rows(f"{head} looking at each", columns, tuple(rows), definition)


def _silence(logits: Tensor, way: str) -> str:
    """What to look at where a head by itself moves no logit at all."""
    if float(array_of(logits.abs().max())) > SILENT:
        return ""
    more = (
        ""
        if way.endswith(CARRIED)
        else f"; what later MLPs make of it, the way {way + CARRIED!r} may say"
    )
    return f" By itself this moves no logit{more}."


def _definition(layer: int, way: str) -> str:
    source = check_input(way.removesuffix(CARRIED))
    carried = "" if source == way else f"{CARRIED_WORDS}, "
    return (
        f"What the head would write if it looked at this token alone, given "
        f"{input_words(source, layer)}: through its norm, W_V, W_O, {carried}the final norm "
        "(scaled by itself) and the unembedding, less the mean over the vocabulary."
    )
