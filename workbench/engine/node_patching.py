"""Activation patching: the model with one node's output corrupted, at one position or all.

Nothing but the residual changes, so from there on the model's own layers are run, with nodes that
write at the same moment as alternatives of one batch. Where a single position is corrupted,
everything before it is as in the clean run, and only what follows is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import torch
from torch import Tensor

from workbench.base.transfers import kept_index
from workbench.circuits.graph import Graph
from workbench.engine.baseline import clean_delta
from workbench.engine.budget import alternative_rows, what_if_bytes
from workbench.engine.model_layers import run_layers
from workbench.engine.plan import Positions
from workbench.transformer.parts import Rotation
from workbench.transformer.recording import LayerRecord, Recording


def corrupted_finals(
    graph: Graph, recording: Recording, sources: Sequence[int], position: int | None = None
) -> Tensor:
    """The last residual of the clean run with one node's output corrupted.

    Args:
        sources: the nodes, one for each alternative.
        position: where it is corrupted, counted from the prompts' ends (0 is the last position);
            None for all positions. Where the two prompts do not differ yet nothing changes.

    Returns:
        [pair, alternative, d_model], at the last position.
    """
    clean = recording.clean.final[:, -1]
    finals = clean[:, None].repeat(1, len(sources), 1)
    alone = position is not None
    if position is not None:
        skipped = recording.n_positions - 1 - position
        if skipped < 0:
            return finals
        recording = later(recording, skipped)
    order = sorted(range(len(sources)), key=lambda i: sources[i])
    room = alternatives_at_once(recording)
    with torch.no_grad():
        for stage, of_stage in groupby(order, lambda i: _stage(graph, sources[i])):
            members = list(of_stage)
            for start in range(0, len(members), room):
                batch = members[start : start + room]
                removed = [clean_delta(graph, recording, sources[i], Positions.ALL) for i in batch]
                x = corrupted_residual(recording, stage, torch.cat(removed, dim=1), alone)
                layer, is_head = stage
                into_mlp = is_head and not recording.parts.parallel
                first = layer if into_mlp else layer + 1
                at = kept_index(tuple(batch), finals.device)
                finals[:, at] = run_layers(recording, x, first, from_mlp=into_mlp)
    return finals


def _stage(graph: Graph, source: int) -> tuple[int, bool]:
    """A node's layer (-1 for the input), and whether it is a head."""
    node = graph.node_table[source]
    return node.layer, node.kind == "head"


def corrupted_residual(
    recording: Recording, stage: tuple[int, bool], removed: Tensor, alone: bool = False
) -> Tensor:
    """The residual after a stage, less what its nodes add beyond the corrupted run.

    Args:
        stage: a layer (-1 for the embeddings), and whether it is its heads.
        removed: z_s - z'_s of each alternative's node, [pair, alternative, position, d_model].
        alone: only the first position is corrupted.

    Returns:
        [pair, alternative, position, d_model].
    """
    (index, is_head), parts, run = stage, recording.parts, recording.clean
    if alone:
        removed[:, :, 1:] = 0
    if is_head and not parts.parallel:
        after = run.layers[index].mlp_in
    else:
        after = run.final if index + 1 == len(parts.layers) else run.layers[index + 1].attn_in
    summed = run.layers[index].attn_sum if is_head else None
    if summed is None:
        return after[:, None] - removed
    # A norm follows the heads: what their sum becomes behind it is what changes.
    layer, summed = parts.layers[index], summed[:, None]
    changed = layer.after_attention(summed - removed) - layer.after_attention(summed)
    return after[:, None] + changed


def later(recording: Recording, n: int) -> Recording:
    """The recording without the first n positions that differ; they count as the clean prefix."""

    def rest(rotation: Rotation | None) -> Rotation | None:
        return None if rotation is None else (rotation[0][n:], rotation[1][n:])

    def kept(before: LayerRecord, own: LayerRecord) -> LayerRecord:
        # The prefix now reaches into what differs, where the whole run need not be this one: where
        # the corrupted prompts are run, it is that of the clean ones.
        k, v = (
            torch.cat([one[:, :, : recording.start], other[:, :, :n]], dim=2)
            for one, other in ((before.k, own.k), (before.v, own.v))
        )
        return replace(before, k=k, v=v)

    layers = zip(recording.whole.layers, recording.clean.layers, strict=True)
    return replace(
        recording,
        whole=replace(recording.whole, layers=[kept(*two) for two in layers]),
        clean=recording.clean.part(n),
        corrupted=recording.corrupted.part(n),
        start=recording.start + n,
        role_of=None if recording.role_of is None else recording.role_of[:, n:],
        rotary=tuple(rest(rotation) for rotation in recording.rotary),
    )


def alternatives_at_once(recording: Recording) -> int:
    """How many alternatives of a group's pairs the memory budget allows in one batch."""
    parts = recording.parts
    row = recording.n_pairs * recording.n_positions * parts.d_model
    row *= recording.clean.final.element_size()
    return max(
        1, int(what_if_bytes(parts.device.type) / (row * alternative_rows(0, 0, 0, tail=True)))
    )
