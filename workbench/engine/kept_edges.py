"""Which edges are kept, as arrays: a mask, or with the roles of each as bits.

A circuit whose edges are all whole is a mask, bool [source, destination]. Where some are kept at
some roles only it is uint64 [source, destination]: bit r for the role r of the batch, no bit for an
edge that is not kept, and every bit for one that is whole. Whatever adds up edges takes either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph

Mask: TypeAlias = NDArray[np.bool_]
Bits: TypeAlias = NDArray[np.uint64]
Kept: TypeAlias = Mask | Bits
"""[source, destination]: a mask, or the roles of each edge."""

WHOLE = np.uint64(2**64 - 1)
"""The bits of an edge that is kept at all roles."""
NOTHING = np.uint64(0)


def kept_edges(circuit: Circuit) -> Kept:
    """A circuit's kept edges; those into open destinations are none."""
    graph = circuit.graph
    kept: Kept = circuit.mask.copy()
    if circuit.at:
        kept = np.where(kept, WHOLE, NOTHING)
        place_of = {name: 1 << place for place, name in enumerate(circuit.at.names)}
        places = np.fromiter(graph.end_indices(circuit.at.kept), dtype=np.int64).reshape(-1, 2)
        bits = [sum(place_of[role] for role in roles) for roles in circuit.at.kept.values()]
        kept[places[:, 0], places[:, 1]] = np.array(bits, dtype=np.uint64)
    kept[:, [graph.destination_index(name) for name in circuit.open]] = 0
    return kept


def circuit_of(graph: Graph, kept: Kept, names: Sequence[str]) -> Circuit:
    """The closed circuit of kept edges, of prompts with these roles."""
    circuit = Circuit(graph, is_kept(kept).copy())
    circuit.at = EdgeRoles(tuple(names))
    if has_roles(kept):
        at = role_arrays(kept, len(names))
        some = circuit.mask & ~at.all(axis=0)
        circuit.at = circuit.at.with_all(
            {
                graph.edge_name(int(s), int(d)): [
                    name for name, here in zip(names, at[:, s, d], strict=True) if here
                ]
                for s, d in np.argwhere(some)
            }
        )
    return circuit


def role_bits_of(chosen: Mask) -> Bits:
    """The bits of what is kept at each role, bool [role, ...]; all of them are `WHOLE`."""
    bits = np.zeros(chosen.shape[1:], dtype=np.uint64)
    for role, here in enumerate(chosen):
        bits[here] |= np.uint64(1 << role)
    return np.where(chosen.all(axis=0), WHOLE, bits)


def role_arrays(kept: Kept, n_roles: int) -> Mask:
    """At which roles edges are kept, bool [role, ...]: what `role_bits_of` made bits of."""
    bits, roles = as_bits(kept), np.arange(n_roles, dtype=np.uint64)
    return np.array([((bits >> role) & np.uint64(1)).astype(bool) for role in roles])


def open_inputs(circuit: Circuit) -> Mask:
    """Which destinations are open, bool [destination]."""
    is_open = np.zeros(circuit.graph.n_destinations, dtype=bool)
    is_open[[circuit.graph.destination_index(name) for name in circuit.open]] = True
    return is_open


def role_bits(names: Sequence[str], roles: Iterable[str]) -> np.uint64:
    """The bits of some roles of a batch that has these; all of them are `WHOLE`."""
    chosen = set(roles)
    if len(chosen) == len(names):
        return WHOLE
    return np.uint64(sum(1 << names.index(role) for role in chosen))


def edge_bits(circuit: Circuit, edge: str) -> np.uint64:
    """At which roles a circuit keeps an edge, all bits of a whole one, none of one not kept."""
    if not circuit.has(edge):
        return NOTHING
    at: EdgeRoles = circuit.at
    return role_bits(at.names, at.kept[edge]) if edge in at.kept else WHOLE


def has_roles(kept: Kept) -> bool:
    """Whether some edge may be kept at some roles only."""
    return kept.dtype == np.uint64


def is_kept(kept: Kept) -> Mask:
    """Which edges are kept at any role."""
    return kept != NOTHING if has_roles(kept) else cast(Mask, kept)


def is_whole(kept: Kept) -> Mask:
    """Which edges are kept at all roles."""
    return kept == WHOLE if has_roles(kept) else cast(Mask, kept)


def as_bits(kept: Kept) -> Bits:
    """The same with the roles of each edge."""
    return cast(Bits, kept) if has_roles(kept) else np.where(kept, WHOLE, NOTHING)


def differing_columns(one: Kept, other: Kept) -> Mask:
    """Into which destinations the edges differ, bool [destination]."""
    if has_roles(one) != has_roles(other):
        one, other = as_bits(one), as_bits(other)
    return cast(Mask, (one != other).any(axis=0))
