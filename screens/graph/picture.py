"""What the graph screen draws of a circuit: its nodes by layer, its links, its groups.

Pure values, taken from the session once for each state of the circuit; nothing here knows a widget.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.circuits.circuit import RoleGroup
from workbench.circuits.names import HEAD_INPUTS, edge_ends, input_of, split_role
from workbench.pictures.members import Member, group_of, letter, members_of

if TYPE_CHECKING:
    from workbench.session.session import Session

__all__ = ["UNREACHED", "Bundle", "Link", "Member", "Picture", "letter"]

UNREACHED = "unreached"
"""State of a node from which no path of kept edges leads to the logits."""


@dataclass(frozen=True)
class Link:
    """All kept edges from one node into another.

    Attributes:
        inputs: which of the destination's inputs they enter, as 'qk'; empty for an MLP or the
        logits. n_edges: how many they are. effect: the largest known effect among them, by size;
        None if none is known. estimated: that one is an estimate.
    """

    source: str
    destination: str
    inputs: str
    n_edges: int
    effect: float | None
    estimated: bool = False


@dataclass(frozen=True)
class Bundle:
    """All kept edges between two members of the group view."""

    source: str
    destination: str
    n_edges: int


@dataclass(frozen=True)
class Picture:
    """A circuit to be drawn.

    Attributes:
        n_layers: of the model.
        layer: layer by node, in the graph's order: -1 the input, `n_layers` the logits.
        state: as in a `TreeRow`, or `UNREACHED`.
        links: by source and then destination in the graph's order.
        groups: those of the circuit; a group may hold nodes that no edge touches.
        notes: by node or edge name.
    """

    n_layers: int
    layer: dict[str, int]
    state: dict[str, str]
    links: tuple[Link, ...]
    groups: tuple[RoleGroup, ...]
    notes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, session: Session) -> Picture:
        circuit, graph = session.circuit, session.graph
        state, effect = told_by_tree(session)
        grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
        for edge in circuit.edges():
            source, destination = edge_ends(edge)
            grouped[source, graph.node_of(destination)].append(edge)
        order = {node: i for i, node in enumerate(graph.nodes)}
        links = [
            link_of(source, destination, edges, effect)
            for (source, destination), edges in grouped.items()
        ]
        links.sort(key=lambda link: (order[link.source], order[link.destination]))
        nodes = circuit.nodes()
        return cls(
            n_layers=graph.n_layers,
            layer={node: graph.layer_of(node) for node in nodes},
            state={node: state.get(node, UNREACHED) for node in nodes},
            links=tuple(links),
            groups=circuit.groups,
            notes=circuit.notes,
        )

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(self.layer)

    @cached_property
    def feeds(self) -> dict[str, tuple[Link, ...]]:
        """The links out of each node, largest effect first."""
        return self._by(self.links, "source")

    @cached_property
    def fed_by(self) -> dict[str, tuple[Link, ...]]:
        """The links into each node, largest effect first."""
        return self._by(self.links, "destination")

    def _by(self, links: Iterable[Link], end: str) -> dict[str, tuple[Link, ...]]:
        found: dict[str, list[Link]] = {node: [] for node in self.layer}
        for link in links:
            found[getattr(link, end)].append(link)
        return {
            node: tuple(sorted(some, key=lambda link: -abs(link.effect or 0.0)))
            for node, some in found.items()
        }

    @cached_property
    def group_of(self) -> dict[str, int]:
        """Index of the group that holds a node; nodes without a group are left out."""
        return group_of(self.groups)

    def paths_to_logits(self, node: str) -> set[str]:
        """The node and every node on a path of kept edges from it to the logits."""
        return self._reach(node, "feeds", "destination")

    def _reach(self, node: str, table: str, end: str) -> set[str]:
        seen, waiting = {node}, [node]
        while waiting:
            for link in getattr(self, table).get(waiting.pop(), ()):
                other = getattr(link, end)
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return seen

    def members(self) -> tuple[Member, ...]:
        """What the group view draws, from the logits down."""
        return members_of(self.layer, self.n_layers, self.groups)

    def bundles(self, members: Collection[Member]) -> tuple[Bundle, ...]:
        """How many kept edges lead from one member into another; those within one are left out."""
        home = {node: member.key for member in members for node in member.nodes}
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for link in self.links:
            ends = home[link.source], home[link.destination]
            if ends[0] != ends[1]:
                counts[ends] += link.n_edges
        return tuple(Bundle(s, d, n) for (s, d), n in counts.items())

    def within(self, member: Member) -> int:
        """How many kept edges run between a member's own nodes."""
        nodes = set(member.nodes)
        return sum(
            link.n_edges
            for link in self.links
            if link.source in nodes and link.destination in nodes
        )


def standing(picture: Picture, node: str) -> str:
    """The node as it is named there, or the logits; at whatever role, where it has several."""
    if node in picture.layer:
        return node
    names = [name for name in picture.layer if split_role(name)[0] == split_role(node)[0]]
    return (names or list(picture.layer))[-1]


def told_by_tree(session: Session) -> tuple[dict[str, str], dict[str, tuple[float, bool]]]:
    """The states of the nodes and the effects of the edges that the circuit's tree tells.

    Beside each effect stands whether it is an estimate.
    """
    state: dict[str, str] = {}
    effect: dict[str, tuple[float, bool]] = {}
    for row in session.tree():
        state.setdefault(row.name, row.state)
        if row.edge is not None and row.effect is not None:
            effect[row.edge] = row.effect, row.estimated
    return state, effect


def link_of(
    source: str, destination: str, edges: list[str], effect: dict[str, tuple[float, bool]]
) -> Link:
    """The link that these edges make; they may be edges at roles."""
    known = [effect[edge] for edge in edges if edge in effect]
    largest, estimated = max(known, key=lambda one: abs(one[0])) if known else (None, False)
    inputs = {input_of(split_role(edge_ends(edge)[1])[0]) for edge in edges}
    return Link(
        source=source,
        destination=destination,
        inputs="".join(w for w in HEAD_INPUTS if w in inputs),
        n_edges=len(edges),
        effect=largest,
        estimated=estimated,
    )
