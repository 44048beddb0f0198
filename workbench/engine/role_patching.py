"""The model with one activation patched at some positions, many patches as one batch.

What is patched is the residual before a layer, what attention or the MLP of a layer writes, or what
one head writes; where, is a choice of positions for each pair, such as those of a role. Before the
first of them the run is the clean one, so only what follows is computed, and from the patched
layer on alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from workbench.base.transfers import array_of, kept_index
from workbench.engine.model_layers import run_layers
from workbench.engine.node_math import head_outputs
from workbench.engine.node_patching import alternatives_at_once, corrupted_residual, later
from workbench.engine.patch_points import MLP, RESIDUAL, Point
from workbench.transformer.recording import Recording


def patched_finals(
    recording: Recording, patches: Sequence[tuple[Point, Tensor]]
) -> Iterator[tuple[list[int], Tensor]]:
    """The last residual of the clean run with one activation patched, batch by batch.

    Args:
        recording: both runs; a patched activation is that of `recording.corrupted`.
        patches: what is patched, and where: bool [pair, position], positions counted from the
            first at which the prompts differ. Patched nowhere, nothing changes.

    Yields:
        Which patches, and [pair, patch, d_model] at the last position.
    """
    firsts = [_first(where) for _, where in patches]
    untouched = [i for i, first in enumerate(firsts) if first is None]
    if untouched:
        yield untouched, recording.clean.final[:, -1:].expand(-1, len(untouched), -1)
    groups: dict[tuple[tuple[int, bool], int], list[int]] = {}
    for i, first in enumerate(firsts):
        if first is not None:
            groups.setdefault((patches[i][0].stage, first), []).append(i)
    rests: dict[int, Recording] = {}
    for (stage, first), members in groups.items():
        rest = rests.setdefault(first, later(recording, first))
        room = alternatives_at_once(rest)
        for start in range(0, len(members), room):
            which = members[start : start + room]
            with torch.no_grad():
                yield which, _run(rest, stage, [patches[i] for i in which], first)


def _run(
    recording: Recording,
    stage: tuple[int, bool],
    patches: Sequence[tuple[Point, Tensor]],
    first: int,
) -> Tensor:
    """Patches of one stage; `recording` begins at their first position, `first`."""
    cached: dict[Point, Tensor] = {}
    removed = []
    for point, where in patches:
        if point not in cached:
            cached[point] = _difference(recording, point)
        removed.append(cached[point] * where[:, first:, None])
    x = corrupted_residual(recording, stage, torch.stack(removed, dim=1))
    layer, is_attention = stage
    into_mlp = is_attention and not recording.parts.parallel
    return run_layers(recording, x, layer if into_mlp else layer + 1, from_mlp=into_mlp)


def _first(where: Tensor) -> int | None:
    """The first position that is patched in any pair."""
    places = np.flatnonzero(array_of(where.any(dim=0)))
    return int(places[0]) if len(places) else None


def _difference(recording: Recording, point: Point) -> Tensor:
    """What an activation is beyond that of the corrupted run, [pair, position, d_model].

    Of heads before a norm that follows them.
    """
    clean = recording.clean.layers[point.layer]
    corrupted = recording.corrupted.layers[point.layer]
    if point.kind == RESIDUAL:
        return clean.attn_in - corrupted.attn_in
    if point.kind == MLP:
        return clean.mlp_out - corrupted.mlp_out
    heads = list(range(len(clean.z))) if point.head is None else [point.head]
    index = kept_index(tuple(heads), clean.z.device)
    z = (clean.z[index] - corrupted.z[index])[:, :, None]
    return head_outputs(recording, point.layer, heads, z).sum(0)[:, 0]
