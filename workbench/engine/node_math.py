"""Computing single nodes of a layer, for several heads and alternatives at once.

`plan.Positions` say where a value is wanted; everything here counts positions from the first one on
at which the prompts differ.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import kept_index, uploaded
from workbench.engine.plan import Positions
from workbench.transformer.attention import (
    K,
    Q,
    V,
    attend,
    finish_projection,
    kv_head_of,
    project_each,
    project_shared,
)
from workbench.transformer.recording import LayerRecord, Recording


def at_positions(value: Tensor, positions: int) -> Tensor:
    """The last position alone where that is all that is wanted.

    Positions are the next to last axis.
    """
    return value[..., -1:, :] if positions == Positions.LAST else value


def finished(
    recording: Recording,
    layer: int,
    which: int,
    projected: Tensor,
    heads: list[int] | None,
    places: Tensor | None = None,
) -> Tensor:
    """q, k or v [head, ..., position, d_head] of the last positions, as attention takes them.

    `places`: of these positions instead.
    """
    rotation = recording.rotary[layer]
    if rotation is not None and which != V and places is not None:
        rotation = rotation[0][places], rotation[1][places]
    elif rotation is not None and which != V:
        n = projected.shape[-2]
        rotation = rotation[0][-n:], rotation[1][-n:]
    return finish_projection(
        recording.parts.layers[layer].attention, which, projected, heads, rotation
    )


def project(
    recording: Recording,
    layer: int,
    which: int,
    heads: list[int],
    normed: Tensor,
    shared: bool,
    places: Tensor | None = None,
) -> Tensor:
    """q, k or v of some heads, ready for attention.

    They are [head, pair, alternative, position, d_head].

    Args:
        normed: after the norm; [pair, alternative, position, d_model] if all heads share their
            input, else with a leading [head].
        places: at which positions, if they are not the last ones.
    """
    attention = recording.parts.layers[layer].attention
    if shared:
        # In their order: heads come grouped by where they are needed.
        every = heads == list(range(len(attention.w_q))) and len(attention.w_k) == len(heads)
        projected = project_shared(attention, which, normed, None if every else heads)
    else:
        projected = project_each(attention, which, normed, heads)
    return finished(recording, layer, which, projected, heads, places)


def project_entries(
    recording: Recording,
    layer: int,
    entries: list[tuple[int, int]],
    inputs: Tensor,
    index: NDArray[np.int64],
    places: Tensor | None = None,
    *,
    is_normed: bool = False,
) -> list[Tensor]:
    """q, k or v of each (which, head), ready for attention.

    Each is [pair, alternative, position, d_head].

    Args:
        inputs: the different inputs before the norm, [input, pair, alternative, position,
            d_model].
        index: [entry], which of the inputs it reads.
        places: at which positions, if they are not the last ones.
        is_normed: the norm was applied to the inputs already.
    """
    out: dict[int, Tensor] = {}
    norm = recording.parts.layers[layer].norm1
    of_which = [[i for i, (w, _) in enumerate(entries) if w == which] for which in (Q, K, V)]
    # Where q, k and v share no input, each norm by itself keeps what it makes in the cache.
    apart = len(index) == len(inputs) and not is_normed
    normed = inputs if apart or is_normed else norm(inputs)
    for which, mine in enumerate(of_which):
        if not mine:
            continue
        heads = [entries[i][1] for i in mine]
        rows = index[mine]
        shared = bool((rows == rows[0]).all())
        own = normed[int(rows[0])] if shared else _rows(normed, rows)
        if apart:
            own = norm(own)
        value = project(recording, layer, which, heads, own, shared, places)
        out.update({i: value[place] for place, i in enumerate(mine)})
    return [out[i] for i in range(len(entries))]


def _rows(values: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """Some rows; a view where they are evenly spaced."""
    step = int(rows[1] - rows[0])
    if step > 0 and (np.diff(rows) == step).all():
        return values[int(rows[0]) : int(rows[-1]) + 1 : step]
    return values[uploaded(rows, values.device)]


def recorded_input(
    recording: Recording, record: LayerRecord, which: int, head: int, positions: int
) -> Tensor:
    """A recorded run's q, k or v of a query head, [pair, 1, position, d_head]."""
    if which == Q:
        value = record.q[head]
    else:
        # Layers may differ in how many heads share a key.
        of = head * len(record.k) // len(record.q)
        value = (record.k if which == K else record.v)[of]
    return at_positions(value, positions)[:, None]


def head_values(
    recording: Recording, layer: int, heads: list[int], q: Tensor, k: Tensor, v: Tensor
) -> Tensor:
    """Values before W_O, [head, pair, alternative, query, d_head].

    q may be of the last position alone.
    """
    attention = recording.parts.layers[layer].attention
    prefix_k, prefix_v = recording.prefix(layer)
    early = None
    if prefix_k is not None and prefix_v is not None:
        of = kept_index(tuple(kv_head_of(attention, head) for head in heads), q.device)
        early = prefix_k[of], prefix_v[of]
    z = attend(attention, q, k, v, early, heads=heads)
    return z if attention.edit is None else attention.edit.apply(z, heads)


def head_outputs(
    recording: Recording, layer: int, heads: list[int], z: Tensor, place: Tensor | None = None
) -> Tensor:
    """What each head writes for values (or differences of values) z: z W_O, without the bias.

    Args:
        z: [head, pair, alternative, position, d_head].
        place: where to write it; None for a place of its own.

    Returns:
        [head, pair, alternative, position, d_model].
    """
    attention = recording.parts.layers[layer].attention
    w_o = attention.w_o
    to = None if place is None else place.view(len(heads), -1, w_o.shape[-1])
    if len(heads) == 1:
        rows = z[0].reshape(-1, z.shape[-1])
        out = torch.mm(rows, w_o[heads[0]], out=None if to is None else to[0])
    else:
        whole = heads == list(range(len(w_o)))
        rows = z.reshape(len(heads), -1, z.shape[-1])
        out = torch.bmm(rows, w_o if whole else w_o[kept_index(tuple(heads), w_o.device)], out=to)
    if attention.multiplier != 1:
        out = out * attention.multiplier if to is None else out.mul_(attention.multiplier)
    return out.view(*z.shape[:-1], w_o.shape[-1])
