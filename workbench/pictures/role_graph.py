"""A circuit by position: at which token roles its nodes write, and who reads them there.

The residual stream adds up position by position: an MLP, the logits and the query of a head read
where they stand, a head's key and value where it looks. So a node stands at a role if what it
writes there is read, traced back from the logits at the last role. Edges that are kept at all roles
are read where their reader stands, and by a key or a value everywhere: then their source stands in
a column of its own, that of all roles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from workbench.circuits.circuit import Circuit
from workbench.circuits.names import LOGITS, at_role, edge_ends

LAST = "END"
"""The role at which the logits are read, where a circuit names none."""
EVERY = ""
"""The column of what is read at all roles."""
EVERY_TITLE = "all roles"
LOOKED_AT = ("k", "v")
"""Inputs of a head that are read where it looks, not where it stands."""


@dataclass(frozen=True)
class RoleNode:
    """A node at a role, or at all of them.

    Attributes:
        node: its name in the circuit.
        role: where it writes; `EVERY` for all.
    """

    node: str
    role: str

    @property
    def name(self) -> str:
        """As `a9.h9@END`; of one at all roles the node's own name."""
        return at_role(self.node, self.role)


@dataclass(frozen=True)
class RoleEdge:
    """An edge from a node at a role into one at a role.

    Attributes:
        source, destination: names of `RoleNode`s.
        edge: of the circuit, with its role if it is kept at some only: `m0->a9.h1<k>@S1`.
        input: q, k or v of a head; "" where a node has one input only.
    """

    source: str
    destination: str
    edge: str
    input: str


@dataclass(frozen=True)
class RoleGraph:
    """A circuit by position.

    Attributes:
        columns: roles at which nodes stand, in the prompts' order, behind `EVERY` if it is used.
        nodes: by layer from the input up, those of a node in the order of the columns.
        edges: by destination, then source.
        unread: kept edges that are read nowhere on the way to the logits, each at its role.
    """

    columns: tuple[str, ...]
    nodes: tuple[RoleNode, ...]
    edges: tuple[RoleEdge, ...]
    unread: tuple[str, ...] = ()


@dataclass
class _Tracing:
    """What is known on the way down from the logits.

    Attributes:
        order: place of each role in the prompts.
        places: by node the roles at which it stands.
    """

    order: dict[str, int]
    places: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    edges: list[RoleEdge] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def follow(self, edge: str, reader: str, which: str, roles: Collection[str]) -> None:
        """Draw an edge that is kept at these roles; at all, if there are none."""
        source = edge_ends(edge)[0]
        for role in roles or (EVERY,):
            if which in LOOKED_AT:
                ends = [(role, place) for place in self._looking(reader, role)]
            else:
                ends = self._straight(reader, role)
            name = at_role(edge, role)
            if not ends:
                self.unread.append(name)
            for start, end in ends:
                self.places[source].add(start)
                self.edges.append(
                    RoleEdge(at_role(source, start), at_role(reader, end), name, which)
                )

    def _straight(self, reader: str, role: str) -> list[tuple[str, str]]:
        """Where the source and the reader stand, if that reads where it stands."""
        stands = self.places[reader]
        if role == EVERY:
            return [(place, place) for place in self.sorted(stands)]
        if role in stands:
            return [(role, role)]
        return [(role, EVERY)] if EVERY in stands else []

    def _looking(self, reader: str, role: str) -> list[str]:
        """Where a head stands that may look at a role."""
        stands = self.sorted(self.places[reader])
        at = self.order.get(role, -1)
        # Roles are in the order in which they stand on average: in some prompts one that mostly
        # comes later comes first. So an edge that no head could read by this order is drawn too.
        later = [place for place in stands if place == EVERY or self.order[place] >= at]
        return later or stands

    def sorted(self, roles: Collection[str]) -> list[str]:
        """In the order of the prompts, `EVERY` first."""
        return sorted(roles, key=lambda role: self.order.get(role, -1))


def role_graph(circuit: Circuit) -> RoleGraph:
    """The nodes of a circuit at the roles at which they matter, and the edges between them."""
    graph, names = circuit.graph, circuit.at.names or (LAST,)
    order = {name: place for place, name in enumerate(names)}
    tracing = _Tracing(order)
    tracing.places[LOGITS].add(names[-1])
    into: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for edge in circuit.edges():
        reader = graph.destination_table[graph.destination_index(edge_ends(edge)[1])]
        into[reader.node.name].append((edge, reader.input or ""))
    # From the logits down: whatever a node feeds stands before it, so one pass is enough.
    for node in reversed(graph.nodes):
        for edge, which in into[node]:
            tracing.follow(edge, node, which, circuit.at.kept.get(edge, ()))
    nodes = tuple(
        RoleNode(node, role)
        for node in graph.nodes
        for role in tracing.sorted(tracing.places[node])
    )
    used = {node.role for node in nodes}
    columns = tuple(role for role in (EVERY, *names) if role in used)
    at = {node.name: place for place, node in enumerate(nodes)}
    edges = sorted(tracing.edges, key=lambda edge: (at[edge.destination], at[edge.source]))
    return RoleGraph(columns, nodes, tuple(edges), tuple(tracing.unread))
