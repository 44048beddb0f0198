"""A head's attention pattern over a prompt's tokens, from the recorded queries and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.readouts.activations import (
    Activations,
    RunChoice,
    each_run,
    note,
    place_of,
)
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
    experiment: Experiment,
    head: str,
    *,
    pair: int | None = 0,
    run: RunChoice = "clean",
) -> AttentionPattern:
    """A head's attention pattern.

    Args:
        experiment: model, batch and recorded runs.
        head: a head's name.
        pair: a pair's number, or None for the mean over all pairs, if their prompts are equally
            long.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`; of two runs the
            difference of their patterns.

    Raises:
        WorkbenchError: there is no such head, pair or run, or prompts of several lengths are to be
            averaged.
    """
    place, node = place_of(experiment, head, -1, pair, run), experiment.model.graph.parse_node(head)
    if node.head is None:
        raise WorkbenchError(f"Only heads have an attention pattern, not {head}.")
    if pair is None and len(experiment.batch.groups) > 1:
        lengths = sorted(group.length for group in experiment.batch.groups)
        raise WorkbenchError(
            f"The prompts have {lengths[0]} to {lengths[-1]} tokens, so their attention patterns "
            "have no mean; choose one prompt."
        )
    window = experiment.model.parts.layers[node.layer].attention.window
    limit = "" if window is None else f" This layer sees the last {window} positions only."
    weights, pairs = torch.zeros(()), []
    for sign, selections in each_run(experiment, run, pair=pair):
        every = torch.cat([_weights(s, node.layer, node.head) for s in selections])
        weights = weights + sign * every.mean(0)
        pairs = [index for s in selections for index in s.indices]
    return AttentionPattern(
        place=place,
        tokens=_tokens(experiment, pairs, place.run),
        weights=weights.cpu().numpy().astype(np.float32),
        definition=DEFINITION + limit + note(run),
    )


def _weights(selection: Activations, layer: int, head: int) -> Tensor:
    """[pair, query, key], float32."""
    recording = selection.recording
    attention = recording.parts.layers[layer].attention
    kv_head = int(attention.kv_of[head])
    whole = recording.whole.layers[layer]
    q, k = whole.q[head][selection.rows], whole.k[kv_head][selection.rows]
    later = None if selection.run == "clean" else selection.later
    if later is not None:
        # Recorded from the first differing position on; before it all runs are the same. In a
        # circuit every query head has keys of its own.
        other, start = later.layers[layer], recording.start
        keys = other.k[head if selection.run == "circuit" else kv_head]
        q = torch.cat((q[:, :start], other.q[head][selection.rows]), dim=1)
        k = torch.cat((k[:, :start], keys[selection.rows]), dim=1)
    scores = (q.float() * attention.scale) @ k.float().transpose(-1, -2)
    hidden = hidden_keys(attention, scores.shape[1], scores.shape[2], scores.device)
    return capped(attention, scores).masked_fill(hidden, float("-inf")).softmax(-1)


def _tokens(experiment: Experiment, pairs: list[int], run: str) -> tuple[str, ...]:
    """The prompt's tokens; where the averaged prompts differ, `ELSEWHERE`."""
    side = 1 if run == "corrupted" else 0
    prompts = [experiment.batch.tokens(pair)[side] for pair in pairs]
    return tuple(
        tokens[0] if len(set(tokens)) == 1 else ELSEWHERE for tokens in zip(*prompts, strict=True)
    )
