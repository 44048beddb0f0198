"""At which positions something clean reaches each source.

Where constants stand in for what is outside the circuit, a source that nothing clean reaches writes
its constant, whatever it would compute from the constants of others. With edges at roles that is a
matter of positions: an MLP is reached where one of its edges is kept and what it comes from is
reached there, a head where its query is, or where it looks back at a key or value that is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.circuits.graph import Graph
from workbench.engine.kept_edges import NOTHING, Bits
from workbench.engine.reach import Alternative
from workbench.engine.role_layout import where


def live_positions(
    graph: Graph, kept: Bits, is_open: NDArray[np.bool_], role_of: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Bool [source, pair, position].

    Args:
        kept: uint64 [source, destination], the roles of each edge.
        is_open: bool [destination].
        role_of: [pair, position].
    """
    rows, of = np.unique(role_of, axis=0, return_inverse=True)
    live = np.zeros((graph.n_sources, *rows.shape), dtype=bool)
    live[0] = True
    for stage in graph.stages[:-1]:
        columns = np.arange(stage.columns.start, stage.columns.stop)
        fed = np.repeat(is_open[columns], rows.size).reshape(len(columns), *rows.shape)
        sources, places = np.nonzero(kept[: stage.parents, columns] != NOTHING)
        for source, place in zip(sources, places, strict=True):
            fed[place] |= live[source] & where(rows, kept[source, columns[place]])
        if stage.kind == "heads":
            q, k, v = fed.reshape(3, graph.n_heads, *rows.shape)
            live[stage.rows] = q | np.logical_or.accumulate(k | v, axis=-1)
        else:
            live[stage.rows] = fed
    return live[:, of.reshape(-1)]


def live_positions_in(
    graph: Graph,
    kept: Bits,
    is_open: NDArray[np.bool_],
    changes: Sequence[Alternative],
    role_of: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """The same in each alternative, bool [source, alternative, pair, position]."""
    found = []
    for change in changes:
        own, opened = kept.copy(), is_open.copy()
        opened[list(change.opened)], opened[list(change.closed)] = True, False
        for source, column, sign, bits in change.edges_at():
            own[source, column] = (
                own[source, column] | bits if sign > 0 else own[source, column] & ~bits
            )
        found.append(live_positions(graph, own, opened, role_of))
    return np.stack(found, axis=1)


def write_constants(
    live: NDArray[np.bool_] | None, source: int, written: Tensor, constant: Tensor
) -> None:
    """Put a source's constant wherever nothing clean reaches it, in place.

    Args:
        live: bool [source, pair, position]; None where all compute what they write.
        written: [pair, 1, position or 1, any].
        constant: of the same shape.
    """
    if live is None or live[source].all():
        return
    dead = torch.from_numpy(~live[source, :, -written.shape[2] :])
    dead = dead[:, None, :, None].to(written.device)
    written.copy_(torch.where(dead, constant, written))
