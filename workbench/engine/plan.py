"""What of a circuit has to be computed, and at which positions.

Two facts, both read off the mask alone: which nodes are *live* (something clean reaches them, so
their output differs from the corrupted run's), and at which positions a node's output is *needed*
for the metric. The metric reads the last position; a query or an MLP reads its own position; keys
and values are read at every position. So a node that reaches the logits only through MLPs and
queries is needed at the last position alone, which is where most of a circuit's later half lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph
from workbench.engine.kept_edges import (
    NOTHING,
    WHOLE,
    Bits,
    Kept,
    Mask,
    as_bits,
    has_roles,
    is_kept,
)
from workbench.engine.role_layout import LAST, ROOM, RoleLayout

_FEW_EDGES = 3000
"""Up to so many edges a plan goes edge by edge, above by whole stages of the mask."""


class Positions:
    """At which positions a value is wanted: a greater one includes the lesser.

    Plain numbers, as they stand in arrays: an edit looks them up once a source, and to look up a
    member of an `IntEnum` takes ten times as long in Python 3.11.

    Glossary: docs/glossary.md#need.
    """

    NONE: Final = 0
    LAST: Final = 1
    ALL: Final = 2


@dataclass(frozen=True)
class Plan:
    """Which sources are live, and where sources and destinations are needed.

    Attributes:
        live: bool [source].
        need: uint8 [source], NOWHERE, LAST or ALL.
        need_in: uint8 [destination]: the positions at which its input is needed; an open
            destination's input is recorded, so it needs nothing from its parents.
        need_at: uint64 [source], where edges are kept at some roles: the bits of the positions at
            which it is needed and not the corrupted run's own, see `RoleLayout`. Else None.
        need_in_at: uint64 [destination], likewise the bits of `need_in`. Else None.
        live_at: uint64 [source], likewise where something clean reaches it. Else None.
        live_in_at: uint64 [destination], likewise where it reaches its input. Else None.

    Glossary: docs/glossary.md#demand, docs/glossary.md#live, docs/glossary.md#plan.
    """

    live: NDArray[np.bool_]
    need: NDArray[np.uint8]
    need_in: NDArray[np.uint8]
    need_at: Bits | None = None
    need_in_at: Bits | None = None
    live_at: Bits | None = None
    live_in_at: Bits | None = None

    @property
    def demand(self) -> NDArray[np.uint8] | Bits:
        """Where sources are to be up to date for whatever is computed by this plan."""
        return self.need if self.need_at is None else self.need_at


def make_plan(
    graph: Graph,
    kept: Kept,
    is_open: NDArray[np.bool_],
    demand: NDArray[np.uint8] | Bits | None = None,
    layout: RoleLayout | None = None,
) -> Plan:
    """The plan of a circuit.

    Args:
        kept: [source, destination]; the columns of open destinations are ignored.
        is_open: bool [destination].
        demand: [source], positions at which sources are wanted whether or not the metric needs
            them: `Positions`, or their bits where the plan is by roles.
        layout: where the roles stand, if the plan is to tell them apart; without it an edge counts
            as whole.
    """
    if has_roles(kept) and layout is not None:
        return _plan_by_roles(graph, as_bits(kept), is_open, demand, layout)
    mask, wanted = is_kept(kept), cast("NDArray[np.uint8] | None", demand)
    edges = np.flatnonzero(mask)
    if len(edges) <= _FEW_EDGES:
        return _plan_of_few(graph, edges, is_open, wanted)
    return Plan(_live(graph, mask, is_open), *_needs(graph, mask, is_open, wanted))


def pruned_by_roles(graph: Graph, kept: Bits, layout: RoleLayout) -> Bits:
    """The edges of a closed circuit without dead ends, role by role.

    An edge stays at the positions at which something clean reaches its source and its destination
    is read on the way to the logits: then it does so along edges that stay.
    """
    return carried_by_roles(graph, kept, kept, layout)


def carried_by_roles(graph: Graph, kept: Bits, edges: Bits, layout: RoleLayout) -> Bits:
    """At which of their roles edges carry something of a closed circuit to its logits.

    Args:
        kept: uint64 [source, destination], the circuit.
        edges: uint64 [source, destination], the edges, in the circuit or beside it. One at all
            roles that carries something at any is left at all of them.
    """
    live, need_in = live_and_read(graph, kept, layout)
    alive = layout.positions(edges) & live[:, None] & need_in
    left = edges & (alive | np.where(alive & LAST, layout.at_last, NOTHING))
    return np.where((edges == WHOLE) & (left != NOTHING), WHOLE, left)


def live_and_read(graph: Graph, kept: Bits, layout: RoleLayout) -> tuple[Bits, Bits]:
    """Where something clean reaches sources, and where destinations are read.

    Of a closed circuit; both as bits of positions, [source] and [destination].
    """
    nothing_open = np.zeros(graph.n_destinations, dtype=bool)
    plan = _plan_by_roles(graph, kept, nothing_open, None, layout)
    assert plan.live_at is not None and plan.need_in_at is not None
    return plan.live_at, plan.need_in_at


def _plan_by_roles(
    graph: Graph, kept: Bits, is_open: Mask, demand: NDArray[Any] | None, layout: RoleLayout
) -> Plan:
    """The same reasoning with the bits of positions in the place of yes and no."""
    edges = _Edges.of(graph, kept, layout)
    live, fed = _live_bits(graph, edges, is_open, layout)
    need, need_in = _need_bits(graph, edges, is_open, demand, layout)
    return Plan(
        live != NOTHING,
        _positions(need),
        _positions(need_in),
        need & (live | ROOM),
        need_in,
        live,
        fed,
    )


@dataclass(frozen=True)
class _Edges:
    """The kept edges one after the other, by destination and by source.

    A circuit keeps few of all there are, and its plan is made for every edit.

    Attributes:
        by_destination, by_source: (sources, destinations, positions as bits), in that order.
        into: [destination + 1], where in the first of them a destination's edges begin.
        out_of: [source + 1], where in the other those of a source do.
    """

    by_destination: tuple[NDArray[np.intp], NDArray[np.intp], Bits]
    by_source: tuple[NDArray[np.intp], NDArray[np.intp], Bits]
    into: NDArray[np.intp]
    out_of: NDArray[np.intp]

    @classmethod
    def of(cls, graph: Graph, kept: Bits, layout: RoleLayout) -> _Edges:
        places = np.flatnonzero(kept)
        sources, destinations = np.divmod(places, kept.shape[1])
        bits = layout.positions(kept.reshape(-1)[places])
        order = np.argsort(destinations, kind="stable")
        return cls(
            (sources[order], destinations[order], bits[order]),
            (sources, destinations, bits),
            np.searchsorted(destinations[order], np.arange(graph.n_destinations + 1)),
            np.searchsorted(sources, np.arange(graph.n_sources + 1)),
        )


def _live_bits(graph: Graph, edges: _Edges, is_open: Mask, layout: RoleLayout) -> tuple[Bits, Bits]:
    """Where sources are live, and where something clean reaches destinations' inputs."""
    n_heads = graph.n_heads
    live = np.zeros(graph.n_sources, dtype=np.uint64)
    live[0] = layout.everywhere
    fed: Bits = np.where(is_open, layout.everywhere, NOTHING)
    sources, destinations, bits = edges.by_destination
    for stage in graph.stages:
        here = stage.columns
        own = slice(edges.into[here.start], edges.into[here.stop])
        if own.start < own.stop:
            np.bitwise_or.at(fed, destinations[own], bits[own] & live[sources[own]])
        elif not is_open[here].any():
            continue
        if stage.kind == "heads":
            q, k, v = fed[here].reshape(3, n_heads)
            live[stage.rows] = q | layout.after(k | v)
        elif stage.kind == "mlp":
            live[stage.rows] = fed[here]
    return live, fed


def _need_bits(
    graph: Graph, edges: _Edges, is_open: Mask, demand: NDArray[Any] | None, layout: RoleLayout
) -> tuple[Bits, Bits]:
    """Where sources are needed, and where destinations' inputs are."""
    need = np.zeros(graph.n_sources, dtype=np.uint64)
    need_in = np.zeros(graph.n_destinations, dtype=np.uint64)
    if demand is not None:
        need |= demand if has_roles(demand) else _bits_of(demand)
    need_in[graph.logits_destination] = NOTHING if is_open[-1] else LAST
    sources, destinations, bits = edges.by_source
    for stage in reversed(graph.stages[:-1]):
        here, rows = stage.columns, stage.rows
        own = slice(edges.out_of[rows.start], edges.out_of[rows.stop])
        if own.start < own.stop:
            asked = need_in[destinations[own]]
            read = bits[own] & asked
            # Who reads at more than the last position asks for all of them at once.
            read |= np.where((read != NOTHING) & (asked != LAST), ROOM, NOTHING)
            np.bitwise_or.at(need, sources[own], read)
        needed = need[rows]
        if not needed.any():
            continue
        if stage.kind == "heads":
            keys = layout.before(needed)
            wanted = np.concatenate((needed, keys, keys))
        else:
            wanted = needed
        need_in[here] = np.where(is_open[here], NOTHING, wanted)
    return need, need_in


def _bits_of(positions: NDArray[np.uint8]) -> Bits:
    """The bits of `Positions`."""
    found = np.where(positions == Positions.LAST, LAST, WHOLE)
    return np.where(positions == Positions.NONE, NOTHING, found)


def _positions(bits: Bits) -> NDArray[np.uint8]:
    """`Positions` that include these."""
    found = np.where(bits == LAST, Positions.LAST, Positions.ALL)
    return np.where(bits == NOTHING, Positions.NONE, found).astype(np.uint8)


def _plan_of_few(
    graph: Graph,
    edges: NDArray[np.int64],
    is_open: NDArray[np.bool_],
    demand: NDArray[np.uint8] | None,
) -> Plan:
    """The same edge by edge: of a small circuit in a large graph most of the mask is nothing.

    Args:
        edges: places of the kept edges in the flattened mask.
    """
    table = tables(graph)
    sources, columns = np.divmod(edges, graph.n_destinations)
    # By depth: all that a source is made of lies in columns before those that it feeds.
    order = np.argsort(columns, kind="stable")
    opened = is_open[columns]
    owners = table.owners[columns]
    rows = list(
        zip(
            sources[order].tolist(),
            owners[order].tolist(),
            opened[order].tolist(),
            table.is_key[columns][order].tolist(),
            strict=True,
        )
    )
    live = np.zeros(graph.n_sources + 1, dtype=bool)  # the last is for the logits, which write not
    live[0] = True
    live[table.owners[is_open]] = True
    alive = live.tolist()
    for source, owner, _, _ in rows:
        if alive[source]:
            alive[owner] = True
    needs = [Positions.NONE] * (graph.n_sources + 1) if demand is None else [*demand.tolist(), 0]
    needs[-1] = Positions.LAST
    for source, owner, closed_off, is_key in reversed(rows):
        wanted = needs[owner]
        if wanted == Positions.NONE or closed_off:
            continue
        wanted = Positions.ALL if is_key else wanted
        if source and wanted > needs[source]:
            needs[source] = wanted
    need = np.array(needs, dtype=np.uint8)
    need_in = need[table.owners]
    need_in[table.is_key & (need_in > Positions.NONE)] = Positions.ALL
    need_in[is_open] = Positions.NONE
    return Plan(np.array(alive[:-1]), need[:-1], need_in)


class Tables(NamedTuple):
    """What a graph's numbers say, as arrays.

    Attributes:
        owners: [destination], the source that it is an input of; the number of sources for the
            logits.
        is_key: bool [destination], a head's key or value, which is read at all positions.
        stage_of_input: [destination], at which stage it is read.
        stage_of_source: [source], at which stage it is computed; 0 for the input.
    """

    owners: NDArray[np.int64]
    is_key: NDArray[np.bool_]
    stage_of_input: NDArray[np.int64]
    stage_of_source: NDArray[np.int64]


@lru_cache(maxsize=8)
def tables(graph: Graph) -> Tables:
    """The tables of a graph."""
    found = Tables(
        np.array([graph.n_sources if row is None else row for row in graph.owners]),
        np.zeros(graph.n_destinations, dtype=bool),
        np.zeros(graph.n_destinations, dtype=np.int64),
        np.zeros(graph.n_sources, dtype=np.int64),
    )
    for number, stage in enumerate(graph.stages):
        found.stage_of_input[stage.columns] = number
        found.stage_of_source[stage.rows] = number
        if stage.kind == "heads":
            found.is_key[stage.columns.start + graph.n_heads : stage.columns.stop] = True
    return found


def _live(graph: Graph, mask: NDArray[np.bool_], is_open: NDArray[np.bool_]) -> NDArray[np.bool_]:
    n_heads = graph.n_heads
    live = np.zeros(graph.n_sources, dtype=bool)
    live[0] = True
    for stage in graph.stages[:-1]:
        before = live[: stage.parents]
        fed = is_open[stage.columns] | mask[: stage.parents, stage.columns][before].any(axis=0)
        if stage.kind == "heads":
            live[stage.rows] = fed.reshape(3, n_heads).any(axis=0)
        else:
            live[stage.rows] = fed
    return live


def _needs(
    graph: Graph,
    mask: NDArray[np.bool_],
    is_open: NDArray[np.bool_],
    demand: NDArray[np.uint8] | None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    need = np.zeros(graph.n_sources, dtype=np.uint8)
    need_in = np.zeros(graph.n_destinations, dtype=np.uint8)
    if demand is not None:
        need |= demand
    need_in[graph.logits_destination] = Positions.LAST
    need_in[is_open] = Positions.NONE

    def gather(rows: slice, after: int) -> NDArray[np.uint8]:
        wanted = need_in[after:]
        asked = np.flatnonzero(wanted)
        if asked.size:
            here = (mask[rows, after:][:, asked] * wanted[asked]).max(axis=1)
            np.maximum(need[rows], here.astype(np.uint8), out=need[rows])
        return need[rows]

    for stage in reversed(graph.stages[:-1]):
        here = stage.columns
        needed = gather(stage.rows, here.stop)
        if stage.kind == "heads":
            keys = np.where(needed > Positions.NONE, Positions.ALL, Positions.NONE)
            need_in[here] = np.concatenate((needed, keys, keys))
        else:
            need_in[here] = needed
        need_in[here][is_open[here]] = Positions.NONE
    return need, need_in
