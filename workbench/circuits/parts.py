"""Parts: edges at single roles of the prompts, kept and dropped by name.

`m0->a9.h1<k>@S1` is a part of the edge `m0->a9.h1<k>`; an edge without `@` is all of its parts.
These functions alter the circuit that they are given.

Pure Python and numpy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles, check_roles
from workbench.circuits.graph import Graph
from workbench.circuits.names import ARROW, at_role, edge_ends, is_joined, split_role
from workbench.errors import WorkbenchError

FEW = 3
"""Roles that are named one by one; of more, those that are missing are, where they are fewer."""


def edge_of(name: str) -> str:
    """The edge that a name is about, without the role at which it is meant."""
    return split_role(name)[0]


def members_of(graph: Graph, name: str) -> list[str]:
    """The edges that a candidate is: itself, or those into q, k and v of a head together.

    Args:
        name: an edge's; `m0->a9.h1` is of three; with `@ROLE` each is at this role.

    Raises:
        WorkbenchError: there is no such edge.
    """
    edge, role = split_role(name)
    names = [edge]
    if is_joined(edge):
        source, node = edge_ends(edge)
        names = [f"{source}{ARROW}{destination}" for destination in graph.destinations_of(node)]
    for one in names:
        graph.parse_edge(one)
    return [at_role(one, role) for one in names]


def keep_parts(circuit: Circuit, names: Iterable[str]) -> None:
    """Keep these edges, or edges at roles; what is kept of an edge already stays.

    A role that the circuit's prompts lack is taken as it is: other prompts had it.

    Raises:
        WorkbenchError: there is no such edge, or the prompts have no roles.
    """
    kept = dict(circuit.at.kept)
    for name in names:
        edge, role = split_role(name)
        if role and not circuit.at.names:
            check_roles((), (role,), edge)
        where = circuit.graph.parse_edge(edge)
        if not role:
            kept.pop(edge, None)
        elif not circuit.mask[where]:
            kept[edge] = (role,)
        elif edge in kept:
            kept[edge] = (*kept[edge], role)
        circuit.mask[where] = True
    if kept or circuit.at:
        circuit.at = in_order(circuit.at.names, kept)


def drop_parts(circuit: Circuit, names: Iterable[str]) -> None:
    """Drop these edges, or edges at roles; what is not kept stays away."""
    kept = dict(circuit.at.kept)
    for name in names:
        edge, role = split_role(name)
        where = circuit.graph.parse_edge(edge)
        if not circuit.mask[where]:
            continue
        before = kept.pop(edge, circuit.at.names)
        left = tuple(other for other in before if other != role) if role else ()
        circuit.mask[where] = bool(left)
        if left:
            kept[edge] = left
    if kept or circuit.at:
        circuit.at = in_order(circuit.at.names, kept)


def in_order(names: Iterable[str], kept: Mapping[str, Iterable[str]]) -> EdgeRoles:
    """Edges at roles, whose roles are named once and in order; at all of them it is whole.

    Roles that stand in none of the names come last.
    """
    own = dict.fromkeys(names)
    extra = dict.fromkeys(role for roles in kept.values() for role in roles if role not in own)
    places = {name: place for place, name in enumerate((*own, *extra))}
    ordered = {
        edge: tuple(sorted(set(roles), key=places.__getitem__)) for edge, roles in kept.items()
    }
    some = {edge: roles for edge, roles in ordered.items() if len(roles) < len(places)}
    return EdgeRoles(tuple(places), some)


def circuit_of_parts(graph: Graph, names: Iterable[str], roles: Iterable[str]) -> Circuit:
    """A closed circuit of edges and edges at roles, as `Circuit.parts` names them.

    Args:
        names: each once.
        roles: all roles of the prompts, in order.

    Raises:
        WorkbenchError: for an edge that is unknown, impossible or named twice.
    """
    names = tuple(names)
    seen: set[str] = set()
    for name in names:
        if name in seen or (edge_of(name) != name and edge_of(name) in seen):
            raise WorkbenchError(f"The edge {name!r} is listed twice; list every edge once.")
        seen.add(name)
    circuit = Circuit.empty(graph)
    circuit.at = EdgeRoles(tuple(roles))
    keep_parts(circuit, names)
    return circuit


def parts_into(circuit: Circuit, destination: str) -> list[str]:
    """What is kept into a destination: edges, and each role of those at some roles."""
    d = circuit.graph.destination_index(destination)
    sources = circuit.mask[:, d].nonzero()[0].tolist()
    return circuit.parts_of(circuit.graph.edge_name(s, d) for s in sources)


def parts_out_of(circuit: Circuit, source: str) -> list[str]:
    """What is kept out of a source, as `parts_into`."""
    s = circuit.graph.source_index(source)
    readers = circuit.mask[s].nonzero()[0].tolist()
    return circuit.parts_of(circuit.graph.edge_name(s, d) for d in readers)


def on_prompts(circuit: Circuit, names: tuple[str, ...]) -> Circuit:
    """What the circuit is on prompts that have these roles: a copy, if it is another.

    A role that they lack is nowhere: an edge that is kept there alone is not kept on them, and one
    that is kept at all that they have is whole.
    """
    if not circuit.at:
        return replace(circuit, at=EdgeRoles(names))
    kept: dict[str, tuple[str, ...]] = {}
    gone = []
    for edge, roles in circuit.at.kept.items():
        here = tuple(name for name in names if name in roles)
        if not here:
            gone.append(edge)
        elif len(here) < len(names):
            kept[edge] = here
    fitted = replace(circuit, at=EdgeRoles(names, kept))
    if gone:
        fitted.mask = circuit.mask.copy()
        for edge in gone:
            fitted.mask[circuit.graph.parse_edge(edge)] = False
    return fitted


def role_words(roles: tuple[str, ...], names: tuple[str, ...]) -> str:
    """At which roles an edge is kept, in a few characters: `@S1,END`, `@all but S2`."""
    others = [name for name in names if name not in roles]
    if len(roles) > FEW and 0 < len(others) < len(roles):
        return f"@all but {','.join(others)}"
    return f"@{','.join(roles)}" if roles else ""
