"""A head's attention pattern over a prompt's tokens, from the recorded queries and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.readouts.activations import Activations, activations, place_of
from workbench.readouts.results import AttentionPattern
from workbench.transformer.attention import capped, hidden_keys

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

DEFINITION = (
    "How much each position (row) attends to each position up to itself (column): softmax of the "
    "scaled products of query and key; a row sums to 1."
)
ELSEWHERE = "..."
"""Stands for a token that is not the same in all of the averaged prompts."""


def attention_pattern(
    experiment: Experiment, head: str, *, pair: int | None = 0, run: str = "clean"
) -> AttentionPattern:
    """A head's attention pattern.

    Args:
        experiment: model, batch and recorded runs.
        head: a head's name.
        pair: a pair's number, or None for the mean over all pairs, if their prompts are equally
            long.
        run: `clean` or `corrupted`.

    Raises:
        WorkbenchError: there is no such head, pair or run, or prompts of several lengths are to be
            averaged.
    """
    place, node = place_of(experiment, head, -1, pair, run), experiment.model.graph.parse_node(head)
    if node.head is None:
        raise WorkbenchError(f"Only heads have an attention pattern, not {head}.")
    selections = activations(experiment, pair=pair, run=run)
    if len(selections) > 1:
        lengths = sorted(s.group.length for s in selections)
        raise WorkbenchError(
            f"The prompts have {lengths[0]} to {lengths[-1]} tokens, so their attention patterns "
            "have no mean; choose one prompt."
        )
    (selection,) = selections
    window = selection.recording.parts.layers[node.layer].attention.window
    limit = "" if window is None else f" This layer sees the last {window} positions only."
    weights = _weights(selection, node.layer, node.head).mean(0)
    return AttentionPattern(
        place=place,
        tokens=_tokens(experiment, selection, run),
        weights=weights.cpu().numpy().astype(np.float32),
        definition=DEFINITION + limit,
    )


def _weights(selection: Activations, layer: int, head: int) -> Tensor:
    """[pair, query, key], float32."""
    recording = selection.recording
    attention = recording.parts.layers[layer].attention
    kv_head = int(attention.kv_of[head])
    whole = recording.whole.layers[layer]
    q, k = whole.q[head][selection.rows], whole.k[kv_head][selection.rows]
    if selection.run == "corrupted":
        # Recorded from the first differing position on; before it both runs are the same.
        other, start = recording.corrupted.layers[layer], recording.start
        q = torch.cat((q[:, :start], other.q[head][selection.rows]), dim=1)
        k = torch.cat((k[:, :start], other.k[kv_head][selection.rows]), dim=1)
    scores = (q.float() * attention.scale) @ k.float().transpose(-1, -2)
    hidden = hidden_keys(attention, scores.shape[1], scores.shape[2], scores.device)
    return capped(attention, scores).masked_fill(hidden, float("-inf")).softmax(-1)


def _tokens(experiment: Experiment, selection: Activations, run: str) -> tuple[str, ...]:
    """The prompt's tokens; where the averaged prompts differ, `ELSEWHERE`."""
    side = 0 if run == "clean" else 1
    pairs = [selection.group.indices[row] for row in selection.rows]
    prompts = [experiment.batch.tokens(pair)[side] for pair in pairs]
    return tuple(
        tokens[0] if len(set(tokens)) == 1 else ELSEWHERE for tokens in zip(*prompts, strict=True)
    )
