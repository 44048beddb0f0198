"""What the graph by position draws of a circuit: its nodes at the roles where they write."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from screens.graph.picture import UNREACHED, Picture, link_of, told_by_tree
from workbench.circuits.names import split_role
from workbench.pictures.members import group_of
from workbench.pictures.role_graph import role_graph

if TYPE_CHECKING:
    from workbench.session.session import Session


@dataclass(frozen=True)
class RolePicture(Picture):
    """As a `Picture`, its nodes named with their role, as `a9.h9@END`; at all roles without.

    Attributes:
        columns: the roles at which nodes stand, in order; "" for all of them.
        unread: how many kept edges are read nowhere on the way to the logits, which are left out.
    """

    columns: tuple[str, ...] = ()
    unread: int = 0

    @classmethod
    def of(cls, session: Session) -> RolePicture:
        circuit, graph = session.circuit, session.graph
        state, effect = told_by_tree(session)
        drawn = role_graph(circuit)
        grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
        for edge in drawn.edges:
            grouped[edge.source, edge.destination].append(edge.edge)
        notes = circuit.notes
        return cls(
            n_layers=graph.n_layers,
            layer={node.name: graph.layer_of(node.node) for node in drawn.nodes},
            state={node.name: state.get(node.node, UNREACHED) for node in drawn.nodes},
            links=tuple(link_of(*ends, edges, effect) for ends, edges in grouped.items()),
            groups=circuit.groups,
            notes={n.name: notes[n.node] for n in drawn.nodes if n.node in notes},
            columns=drawn.columns,
            unread=len(drawn.unread),
        )

    @cached_property
    def group_of(self) -> dict[str, int]:
        """Index of the group that holds a node, at whatever role."""
        grouped = group_of(self.groups)
        named = {name: split_role(name)[0] for name in self.layer}
        return {name: grouped[node] for name, node in named.items() if node in grouped}

    def names_of(self, node: str) -> tuple[str, ...]:
        """The names under which a node of the circuit stands here, by role."""
        return tuple(name for name in self.layer if split_role(name)[0] == node)

    @cached_property
    def looks_at(self) -> dict[str, frozenset[str]]:
        """By node at a role, the other columns from which edges run into it."""
        found: dict[str, set[str]] = defaultdict(set)
        for link in self.links:
            source, own = split_role(link.source)[1], split_role(link.destination)[1]
            if source != own:
                found[link.destination].add(source)
        return {name: frozenset(roles) for name, roles in found.items()}
