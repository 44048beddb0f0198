"""Post-norm attention: the heads of a layer reach the residual through one normalisation.

In Gemma 2 and 3 and OLMo 2 a block adds post(sum of what its heads write), so that a head by itself
adds nothing that could be kept or dropped. What an edge means there is defined destination by
destination: the destination's view of a layer's attention is post of the sum of the layer's head
outputs (and the output bias), each head clean or corrupted as the circuit says for this
destination,

    x_d = ... + sum over layers l of post_l(O'_l + sum of D_s over the kept edges s -> d, s in l),

with O'_l the sum in the corrupted run. All edges in gives the clean run and none the corrupted one,
and where there is no such norm it is the plain sum. It is no longer true that an edge's own part
of x_d does not depend on the other edges of its layer: two heads of one layer share a scale.

Glossary: docs/glossary.md#post-norm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.circuits.graph import Graph
from workbench.engine.deltas import Deltas
from workbench.engine.kept_edges import Kept
from workbench.engine.node_math import at_positions
from workbench.transformer.recording import Recording, Run


def has_post_norms(recording: Recording) -> bool:
    """Whether any layer has a norm after its heads."""
    return any(layer.post_attention is not None for layer in recording.parts.layers)


def summed(run: Run, layer: int, positions: int) -> Tensor:
    """What a layer's heads and output bias write together, [pair, 1, position or 1, d_model]."""
    value = run.layers[layer].attn_sum
    assert value is not None, layer
    return at_positions(value, positions)[:, None]


def sums_over_sources(
    graph: Graph,
    recording: Recording,
    shape: tuple[int, int, int, int],
    capacity: tuple[int, int],
) -> Deltas:
    """What sources add beyond the corrupted run, whatever norms stand in between.

    Args:
        shape, capacity: as for `Deltas`.
    """
    like = recording.clean.final
    if not has_post_norms(recording):
        return Deltas(graph.n_sources, shape, capacity, like, recording.role_of, recording.file)
    return _PostNormed(graph, recording, shape, capacity, like)


class _PostNormed(Deltas):
    """Sums beyond the corrupted run where each layer's heads go through their norm together."""

    adds_up = False

    def __init__(
        self,
        graph: Graph,
        recording: Recording,
        shape: tuple[int, int, int, int],
        capacity: tuple[int, int],
        like: Tensor,
    ) -> None:
        super().__init__(graph.n_sources, shape, capacity, like, recording.role_of, recording.file)
        self._graph = graph
        self._recording = recording

    def sum(self, columns: Kept, positions: int, rows: Tensor | None = None) -> Tensor | None:
        rest = columns.copy()
        views: list[tuple[NDArray[np.int64], Tensor]] = []
        for index, layer in enumerate(self._recording.parts.layers):
            heads = self._graph.head_rows(index)
            if heads.start >= columns.shape[1]:
                break
            chosen = columns[:, heads]
            if layer.post_attention is None or not chosen.any():
                continue
            rest[:, heads] = 0
            patterns, of = np.unique(chosen, axis=0, return_inverse=True)
            wanted = np.zeros_like(columns[: len(patterns)])
            wanted[:, heads] = patterns
            added = super().sum(wanted, positions, rows)
            assert added is not None, index
            corrupted = summed(self._recording.corrupted, index, positions)
            if rows is not None:
                corrupted = corrupted.reshape(-1, corrupted.shape[-1])[rows]
            view = layer.after_attention(corrupted + added) - layer.after_attention(corrupted)
            views.append((of.reshape(-1), view))
        total = super().sum(rest, positions, rows)
        for of, view in views:
            share = view[uploaded(of, view.device)]
            total = share if total is None else total + share
        return total
