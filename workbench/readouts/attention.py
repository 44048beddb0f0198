"""A head's attention pattern over a prompt's tokens, from the recorded queries and keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index, on_host
from workbench.errors import WorkbenchError
from workbench.readouts.activations import (
    Activations,
    RunChoice,
    each_run,
    note,
    place_of,
)
from workbench.readouts.results import AttentionPattern
from workbench.transformer.attention import head_pattern, kv_head_of

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

DEFINITION = (
    "How much each position (row) attends to each position up to itself (column): softmax of the "
    "scaled products of query and key; a row sums to 1."
)
BY_ROLE = (
    "How much the positions of a role (row) attend to those of each role (column): a row is a mean "
    "over the role's positions and over the pairs that have it, and sums to 1."
)


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
        pair: a pair's number, or None for the mean over all pairs, which is by role.
        run: the name of one of `runs.RUNS`, or `InCircuit(circuit)`; of two runs the
            difference of their patterns.

    Raises:
        WorkbenchError: there is no such head, pair or run.
    """
    place, node = place_of(experiment, head, -1, pair, run), experiment.model.graph.parse_node(head)
    if node.head is None:
        raise WorkbenchError(f"Only heads have an attention pattern, not {head}.")
    window = experiment.model.parts.layers[node.layer].attention.window
    limit = "" if window is None else f" This layer sees the last {window} positions only."
    roles = experiment.batch.roles
    weights: Tensor | None = None
    for sign, selections in each_run(experiment, run, pair=pair):
        each = [pattern_weights(s, node.layer, node.head) for s in selections]
        if pair is None:
            indices = [index for s in selections for index in s.indices]
            every = [pattern for of_group in each for pattern in of_group]
            one = by_role(every, [roles.of_pairs[index] for index in indices], len(roles.names))
        else:
            one = each[0][0]
        weights = sign * one if weights is None else weights + sign * one
    assert weights is not None, run  # a run is read of at least one
    if pair is None:
        tokens, rows = roles.names, roles.of_pairs[0]
    else:
        tokens = tuple(experiment.batch.tokens(pair)[1 if place.run == "corrupted" else 0])
        rows = tuple(range(len(tokens)))
    return AttentionPattern(
        place=place,
        tokens=tokens,
        weights=array_of(weights).astype(np.float32),
        definition=(BY_ROLE if pair is None else DEFINITION) + limit + note(run),
        row_at=rows,
        by_role=pair is None,
    )


def by_role(weights: Sequence[Tensor], roles: Sequence[Sequence[int]], n_roles: int) -> Tensor:
    """Mean attention of role to role, [role, role].

    Args:
        weights: of each pair [query, key].
        roles: of each pair, by position the index of its role.
        n_roles: how many there are; one that no pair has gets a row of zeros.
    """
    total = torch.zeros(n_roles, n_roles)
    having = torch.zeros(n_roles)
    for own, places in zip(weights, roles, strict=True):
        at = one_hot(torch.tensor(places), n_roles).float()
        count = at.sum(0)
        total += (at.T @ on_host(wide(own)) @ at) / count.clamp(min=1)[:, None]
        having += count > 0
    return total / having.clamp(min=1)[:, None]


def pattern_weights(selection: Activations, layer: int, head: int) -> Tensor:
    """Where a head looks in the chosen pairs, [pair, query, key], float32."""
    recording = selection.recording
    attention = recording.parts.layers[layer].attention
    kv_head = kv_head_of(attention, head)
    whole = recording.whole.layers[layer]
    rows = kept_index(tuple(selection.rows), whole.q.device)
    q, k = whole.q[head][rows], whole.k[kv_head][rows]
    later = None if selection.run == "clean" else selection.later
    if later is not None:
        # Recorded from the first differing position on; before it all runs are the same. In a
        # circuit every query head has keys of its own.
        other, start = later.layers[layer], recording.start
        keys = other.k[head if selection.run == "circuit" else kv_head]
        q = torch.cat((q[:, :start], other.q[head][selection.rows]), dim=1)
        k = torch.cat((k[:, :start], keys[selection.rows]), dim=1)
    scores = (wide(q) * attention.scale) @ wide(k).transpose(-1, -2)
    return head_pattern(attention, head, scores)
