"""What alternatives of a circuit touch: read off the mask, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph, Stage
from workbench.engine.kept_edges import WHOLE, Kept, is_kept, is_whole
from workbench.engine.plan import Plan, Positions


@dataclass(frozen=True)
class Alternative:
    """One alternative: edges whose source's difference is added to an input or taken from it.

    Attributes:
        edges: (source, destination, sign): sign +1 adds what the source adds in this alternative,
            -1 takes it.
        opened, closed: destinations that become open, or closed and empty before `edges` are added.
        neurons: (layer, neuron, kept): neurons of MLPs that are dropped, or kept beside the others.
        roles: of each edge at which roles, as bits; empty where all are whole.
    """

    edges: tuple[tuple[int, int, int], ...]
    opened: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()
    neurons: tuple[tuple[int, int, bool], ...] = ()
    roles: tuple[np.uint64, ...] = ()

    def edges_at(self) -> Iterator[tuple[int, int, int, np.uint64]]:
        """(source, destination, sign, bits of the roles) of each edge."""
        roles = self.roles or (WHOLE,) * len(self.edges)
        for (source, column, sign), bits in zip(self.edges, roles, strict=True):
            yield source, column, sign, bits

    def columns(self) -> set[int]:
        """The destinations that it edits, opens or closes."""
        return {d for _, d, _ in self.edges} | set(self.opened) | set(self.closed)

    def mlps(self, graph: Graph) -> set[int]:
        """The destinations of the MLPs of which it drops or keeps neurons."""
        return {graph.mlp_destination(layer) for layer, _, _ in self.neurons}


class Reach:
    """Which sources and destinations alternatives touch.

    It is read off the mask, before anything is computed.

    Attributes:
        sources: bool [source, alternative].
        destinations: bool [destination, alternative].
        tail: index of the first stage from which on every edge is kept and no alternative
            interferes; the number of stages if there is none.

    Glossary: docs/glossary.md#reach, docs/glossary.md#tail.
    """

    def __init__(
        self,
        graph: Graph,
        kept: Kept,
        plan: Plan,
        changes: Sequence[Alternative],
        narrowed: Iterable[int] = (),
    ) -> None:
        """`narrowed`: the layers whose MLPs are; the ordinary layers begin after them."""
        self.stages = graph.stages
        last = max((graph.mlp_destination(layer) for layer in narrowed), default=-1)
        mask = is_kept(kept)
        self.tail = _full_tail(graph, self.stages, is_whole(kept), changes, last)
        n = len(changes)
        self.sources = np.zeros((graph.n_sources, n), dtype=bool)
        self.destinations = np.zeros((graph.n_destinations, n), dtype=bool)
        for k, change in enumerate(changes):
            for column in change.columns():
                self.destinations[column, k] = plan.need_in[column] > Positions.NONE
            for layer, _, _ in change.neurons:
                needed = plan.need[graph.mlp_source(layer)] > Positions.NONE
                self.destinations[graph.mlp_destination(layer), k] = needed
        wanted = plan.need > Positions.NONE
        for stage in self.stages[: self.tail + 1]:
            touched = self.destinations[stage.columns]
            above = np.flatnonzero(self.sources[: stage.parents].any(axis=1))
            if above.size:
                edges = mask[above, stage.columns].astype(np.float32)
                spread = (edges.T @ self.sources[above].astype(np.float32)) > 0
                spread &= (plan.need_in[stage.columns] > Positions.NONE)[:, None]
                touched |= spread
            if stage.kind == "heads":
                heads = touched.reshape(3, graph.n_heads, n).any(axis=0)
                self.sources[stage.rows] = heads & wanted[stage.rows, None]
            elif stage.kind == "mlp":
                self.sources[stage.rows] = touched & wanted[stage.rows, None]


def _full_tail(
    graph: Graph,
    all_stages: Sequence[Stage],
    whole: NDArray[np.bool_],
    changes: Sequence[Alternative],
    last_changed: int,
) -> int:
    edited = (c for change in changes for c in change.columns() | change.mlps(graph))
    last_changed = max((last_changed, *edited))
    tail = len(all_stages)
    for i in range(len(all_stages) - 1, -1, -1):
        stage = all_stages[i]
        if stage.columns.start <= last_changed or not whole[: stage.parents, stage.columns].all():
            break
        # In a parallel block the MLP's input lacks what the layer's heads wrote: no place to start
        # from.
        if not (graph.parallel and stage.kind == "mlp"):
            tail = i
    return tail


def live_in(
    graph: Graph,
    mask: NDArray[np.bool_],
    is_open: NDArray[np.bool_],
    changes: Sequence[Alternative],
) -> NDArray[np.bool_]:
    """Which sources something clean reaches in each alternative, bool [source, alternative].

    See `plan.Plan.live`.
    """
    n, n_heads = len(changes), graph.n_heads
    live = np.zeros((graph.n_sources, n), dtype=bool)
    live[0] = True
    for stage in graph.stages[:-1]:
        columns, first = stage.columns, stage.columns.start
        before = live[: stage.parents].astype(np.float32)
        fed = mask[: stage.parents, columns].T.astype(np.float32) @ before
        opened = np.repeat(is_open[columns, None], n, axis=1)
        for k, change in enumerate(changes):
            for column in (*change.opened, *change.closed):
                if columns.start <= column < columns.stop:
                    opened[column - first, k] = column in change.opened
                    fed[column - first, k] = 0
            for source, column, sign in change.edges:
                if columns.start <= column < columns.stop:
                    fed[column - first, k] += sign * before[source, k]
        reached = opened | (fed > 0.5)
        if stage.kind == "heads":
            live[stage.rows] = reached.reshape(3, n_heads, n).any(axis=0)
        else:
            live[stage.rows] = reached
    return live
