"""Kept edges as masks and as bits of roles, against sets of (role, edge) written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from workbench.circuits.circuit import all_edges
from workbench.circuits.graph import Graph
from workbench.engine.kept_edges import (
    NOTHING,
    WHOLE,
    as_bits,
    circuit_of,
    differing_columns,
    edge_bits,
    has_roles,
    is_kept,
    is_whole,
    kept_edges,
    role_arrays,
    role_bits,
    role_bits_of,
)
from workbench.engine.live_positions import live_positions, live_positions_in
from workbench.engine.plan import Plan, Positions, make_plan
from workbench.engine.reach import Alternative
from workbench.engine.role_rows import needed_rows

NAMES = ("A", "B", "C")
GRAPH = Graph(2, 2)


def at_roles(seed: int) -> np.ndarray:
    """At which roles edges are kept, bool [role, source, destination]; every number of them."""
    rng = np.random.default_rng(seed)
    shape = (3, GRAPH.n_sources, GRAPH.n_destinations)
    chosen = (rng.random(shape) < 0.5) & all_edges(GRAPH)
    chosen[:, 0, 0], chosen[:, 0, 1] = True, False
    chosen[:, 0, 2] = (True, False, True)
    return chosen


@pytest.mark.parametrize("seed", range(3))
def test_bits_arrays_and_circuits_tell_the_same(seed: int) -> None:
    chosen = at_roles(seed)
    bits = role_bits_of(chosen)
    assert bits.dtype == np.uint64 and has_roles(bits)
    assert np.array_equal(role_arrays(bits, 3), chosen)
    assert np.array_equal(is_kept(bits), chosen.any(axis=0))
    assert np.array_equal(is_whole(bits), chosen.all(axis=0))
    circuit = circuit_of(GRAPH, bits, NAMES)
    assert circuit.at.names == NAMES and circuit.is_closed
    assert np.array_equal(kept_edges(circuit), bits)
    for edge in GRAPH.edges():
        place = GRAPH.parse_edge(edge)
        roles = [
            name for name, here in zip(NAMES, chosen[(slice(None), *place)], strict=True) if here
        ]
        some = 0 < len(roles) < 3
        assert circuit.has(edge) == bool(roles) and (edge in circuit.at.kept) == some
        assert not some or tuple(circuit.at.kept[edge]) == tuple(roles)
        assert edge_bits(circuit, edge) == bits[place] == role_bits(NAMES, roles)


def test_a_mask_is_the_same_as_bits_and_stays_what_it_is() -> None:
    mask = at_roles(5)[0]
    bits = as_bits(mask)
    assert set(np.unique(bits).tolist()) == {0, int(WHOLE)}
    assert np.array_equal(bits == WHOLE, mask) and as_bits(bits) is bits
    assert is_kept(mask) is mask and is_whole(mask) is mask
    assert np.array_equal(is_whole(bits), mask)
    plain = circuit_of(GRAPH, mask, NAMES)
    assert not plain.at.kept and np.array_equal(kept_edges(plain), mask)
    assert not has_roles(kept_edges(plain))
    whole = circuit_of(GRAPH, bits, NAMES)
    assert whole == plain and not has_roles(kept_edges(whole))
    plain.mask[:] = False
    assert mask.any()  # it was copied


def test_columns_differ_where_edges_do_in_either_form() -> None:
    mask = at_roles(6)[0]
    other = mask.copy()
    other[0, 2] = not other[0, 2]
    for one in (mask, as_bits(mask)):
        for two in (mask, as_bits(mask)):
            assert not differing_columns(one, two).any()
        for two in (other, as_bits(other)):
            assert np.flatnonzero(differing_columns(one, two)).tolist() == [2]
    at_one = as_bits(mask).copy()
    at_one[0, 0] = 1
    assert np.flatnonzero(differing_columns(mask | (at_one > 0), at_one)).tolist() == [0]


# Where something clean reaches, position by position.


def reached(kept: np.ndarray, is_open: np.ndarray, roles: list[int]) -> np.ndarray:
    """Bool [source, position] of one pair, by going through positions one by one."""
    live = np.zeros((GRAPH.n_sources, len(roles)), dtype=bool)
    live[0] = True

    def fed(column: int, place: int) -> bool:
        return bool(is_open[column]) or any(
            live[source, place] and int(kept[source, column]) >> roles[place] & 1
            for source in range(GRAPH.n_parents(column))
        )

    for number, node in enumerate(GRAPH.node_table[:-1]):
        for place in range(len(roles)) if number else ():
            if node.kind == "mlp":
                live[number, place] = fed(GRAPH.mlp_destination(node.layer), place)
                continue
            q, k, v = (GRAPH.head_destination(node.layer, i, node.head or 0) for i in range(3))
            live[number, place] = fed(q, place) or any(
                fed(column, earlier) for column in (k, v) for earlier in range(place + 1)
            )
    return live


@pytest.mark.parametrize("seed", range(4))
def test_where_something_clean_reaches_by_going_through_positions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = at_roles(seed) & (rng.random((1, GRAPH.n_sources, GRAPH.n_destinations)) < 0.3)
    kept = role_bits_of(chosen)
    is_open = rng.random(GRAPH.n_destinations) < (0.0, 0.15)[seed % 2]
    role_of = np.array([[0, 1, 2, 1], [2, 0, 0, 1], [0, 1, 2, 1]])
    live = live_positions(GRAPH, kept, is_open, role_of)
    for pair, roles in enumerate(role_of.tolist()):
        assert np.array_equal(live[:, pair], reached(kept, is_open, roles))
    columns = [GRAPH.mlp_destination(0), GRAPH.head_destination(1, 1, 1), GRAPH.mlp_destination(1)]
    edges = tuple((0, c, 1) for c in columns[:2])
    changes = [
        Alternative(edges, roles=(np.uint64(2), np.uint64(5))),
        Alternative(((0, columns[2], -1), (0, columns[0], 1)), roles=(np.uint64(3), WHOLE)),
        Alternative((), opened=(columns[1],), closed=(columns[0],)),
        Alternative(((1, columns[0], -1),)),
    ]
    found = live_positions_in(GRAPH, kept, is_open, changes, role_of)
    for k, change in enumerate(changes):
        own, opened = kept.copy(), is_open.copy()
        opened[list(change.opened)], opened[list(change.closed)] = True, False
        for (source, column, sign), bits in zip(
            change.edges, change.roles or (WHOLE,) * len(change.edges), strict=True
        ):
            old = int(own[source, column])
            own[source, column] = old | int(bits) if sign == 1 else old & ~int(bits) & int(WHOLE)
        for pair, roles in enumerate(role_of.tolist()):
            assert np.array_equal(found[:, k, pair], reached(own, opened, roles))


def test_a_source_is_computed_at_the_rows_where_it_is_needed() -> None:
    """At all of them where they are nearly all, or where roles are not told apart."""
    role_of = np.array([[0, 1, 1, 1, 2], [1, 0, 1, 1, 1]])
    sources = GRAPH.n_sources
    plan = make_plan(
        GRAPH, np.zeros((sources, GRAPH.n_destinations), dtype=bool), np.zeros(0, bool)
    )
    need = np.full(sources, Positions.ALL, dtype=np.uint8)
    last = np.uint64(1 << 63)

    def rows(bits: np.uint64, **others: object) -> list[int] | None:
        at = np.full(sources, bits, dtype=np.uint64)
        by_roles: Plan = replace(plan, need=need, need_at=at)
        found = needed_rows(replace(by_roles, **others), 3, role_of)  # type: ignore[arg-type]
        assert found is None or found.dtype == torch.int64
        return None if found is None else found.tolist()

    assert rows(np.uint64(1)) == [0, 6]
    assert rows(np.uint64(1) | last) == [0, 4, 6, 9]
    assert rows(np.uint64(2) | last) == [1, 2, 3, 4, 5, 7, 8, 9]  # eight of ten
    assert rows(np.uint64(3)) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert rows(np.uint64(3) | last) is None  # all
    assert rows(WHOLE) is None and rows(NOTHING) == []
    assert rows(np.uint64(1), need_at=None) is None
    assert rows(np.uint64(1), need=np.full(sources, Positions.LAST, dtype=np.uint8)) is None
    at = np.full(sources, 1, dtype=np.uint64)
    assert needed_rows(replace(plan, need=need, need_at=at), 3, None) is None
