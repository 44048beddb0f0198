"""A circuit: a set of edges of a graph, with what is known of them.

Set algebra, pruning of dead ends, and the bookkeeping of open destinations. Nothing here computes a
metric; the evaluator does. Layout of every matrix: [source, destination], as in `Graph`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.base.text import counted, printable
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import INPUT, LOGITS, Graph
from workbench.circuits.kept_neurons import both, either, narrowed_words
from workbench.circuits.names import at_role, split_role
from workbench.errors import WorkbenchError

SHOWN = 5
"""Edges or groups that a printed circuit names."""


@dataclass(frozen=True)
class RoleGroup:
    """Nodes that do one thing together, such as "identify YY".

    Glossary: docs/glossary.md#role-group.
    """

    name: str
    role: str = ""
    nodes: tuple[str, ...] = ()


@dataclass(eq=False, repr=False)
class Circuit:
    """A set of edges of a graph.

    Attributes:
        graph: the graph whose edges they are.
        mask: bool [source, destination], true where the edge is kept.
        open: destinations that are not yet expanded: their input is the clean residual, as if
            everything above them were in. An empty set means that the circuit is closed.
        at: of each edge that is kept at some roles of the prompts only, at which.
        neurons: of each MLP that is narrowed the numbers of the neurons that are kept, ascending;
            its others are corrupted. An MLP that is not named has all of its neurons.
        scores: float32 [source, destination] of whatever found the edges, NaN where unknown; None
            if there are none at all.
        groups: named groups of nodes with a role, in order.
        notes: text by node or edge name; the key "" is the note on the whole circuit.
        provenance: how it came about (model, task, metric, ablation, seed, versions, commands,
            evaluation).

    Glossary: docs/glossary.md#mask, docs/glossary.md#narrowed, docs/glossary.md#open-and-closed.
    """

    graph: Graph
    mask: NDArray[np.bool_]
    open: frozenset[str] = frozenset()
    scores: NDArray[np.float32] | None = None
    groups: tuple[RoleGroup, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    neurons: dict[str, tuple[int, ...]] = field(default_factory=dict)
    at: EdgeRoles = field(default_factory=EdgeRoles)

    @classmethod
    def empty(cls, graph: Graph) -> Circuit:
        """No edge kept and nothing open: the corrupted run."""
        return cls(graph, np.zeros((graph.n_sources, graph.n_destinations), dtype=bool))

    @classmethod
    def full(cls, graph: Graph) -> Circuit:
        """Every edge kept: the clean run."""
        return cls(graph, all_edges(graph))

    @classmethod
    def start(cls, graph: Graph) -> Circuit:
        """Where stepping backward begins: no edge chosen yet and every destination open."""
        circuit = cls.empty(graph)
        circuit.open = frozenset(graph.destinations)
        return circuit

    @classmethod
    def from_edges(cls, graph: Graph, edges: Iterable[str]) -> Circuit:
        """A closed circuit of these edges.

        Raises:
            WorkbenchError: for an edge that is unknown, impossible or named twice.
        """
        circuit = cls.empty(graph)
        for name in edges:
            s, d = graph.parse_edge(name)
            if circuit.mask[s, d]:
                raise WorkbenchError(f"The edge {name!r} is listed twice; list every edge once.")
            circuit.mask[s, d] = True
        return circuit

    def copy(self) -> Circuit:
        """The same circuit in arrays and dictionaries of its own."""
        return replace(
            self,
            mask=self.mask.copy(),
            scores=None if self.scores is None else self.scores.copy(),
            notes=dict(self.notes),
            provenance=dict(self.provenance),
            neurons=dict(self.neurons),
        )

    def has(self, edge: str) -> bool:
        """Whether it keeps this edge: at any role, or at the one that is named."""
        edge, role = split_role(edge)
        kept = bool(self.mask[self.graph.parse_edge(edge)])
        return kept and (not role or role in self.at.kept.get(edge, (role,)))

    def toggle(self, name: str) -> None:
        """Keep an edge that is not kept, drop one that is; with `@ROLE`, at this role alone.

        What a kept edge was at goes with it.

        Raises:
            WorkbenchError: there is no such edge, or no such role.
        """
        edge, role = split_role(name)
        where = self.graph.parse_edge(edge)
        if not role:
            self.mask[where] ^= True
            self.at = self.at.set(edge, None)
            return
        names = self.at.names
        before = set(self.at.kept.get(edge, names)) if self.mask[where] else set()
        after = before ^ {role}
        self.at = self.at.set(edge, after or None)
        self.mask[where] = bool(after)

    @property
    def n_parts(self) -> int:
        """How many edges are kept, one that is kept at some roles counted at each of them."""
        return self.n_edges - len(self.at.kept) + self.at.n_parts

    def parts(self) -> list[str]:
        """As `edges`, those at some roles named once for each: `m0->m1`, `m0->a2.h1<k>@S1`."""
        return self.parts_of(self.edges())

    def parts_of(self, edges: Iterable[str]) -> list[str]:
        """The same of some of the kept edges, in the order given."""
        return [at_role(edge, role) for edge in edges for role in self.at.kept.get(edge, ("",))]

    def edges(self) -> list[str]:
        """Names of the kept edges, ordered by destination and then source."""
        destinations, sources = np.nonzero(self.mask.T)
        return [
            self.graph.edge_name(int(s), int(d)) for s, d in zip(sources, destinations, strict=True)
        ]

    @property
    def n_edges(self) -> int:
        """How many edges it keeps."""
        return int(self.mask.sum())

    def writes(self, node: str) -> bool:
        """Whether a kept edge leaves this node."""
        return bool(self.mask[self.graph.source_index(node)].any())

    def nodes(self) -> list[str]:
        """Nodes that a kept edge leaves or enters, in the graph's order, and the logits."""
        graph = self.graph
        touched = {LOGITS}
        for s in np.flatnonzero(self.mask.any(axis=1)):
            touched.add(graph.sources[s])
        for d in np.flatnonzero(self.mask.any(axis=0)):
            touched.add(graph.node_of(graph.destinations[d]))
        return [node for node in graph.nodes if node in touched]

    def reached(self) -> set[str]:
        """Nodes from which a path of kept edges leads to the logits, the logits included."""
        graph = self.graph
        reached = {LOGITS}
        # Sources in reverse order: whatever a node feeds comes later, so one pass is enough.
        for s in range(graph.n_sources - 1, -1, -1):
            for d in np.flatnonzero(self.mask[s]):
                if graph.node_of(graph.destinations[d]) in reached:
                    reached.add(graph.sources[s])
                    break
        return reached

    def open_reached(self) -> list[str]:
        """Open destinations of nodes that reach the logits: those on which the metric depends."""
        reached = self.reached()
        return [
            d
            for d in self.graph.destinations
            if d in self.open and self.graph.node_of(d) in reached
        ]

    @property
    def is_closed(self) -> bool:
        """Nothing that matters is open: the metric is the circuit's own."""
        return not self.open or not self.open_reached()

    @property
    def reaches_input(self) -> bool:
        """Whether a path of kept edges joins the logits to the input."""
        return INPUT in self.reached()

    def pruned(self) -> Circuit:
        """The same circuit without dead ends, as EAP-IG prunes.

        Until nothing changes: a node stays if it has a kept outgoing edge and a kept incoming edge
        into any of its inputs (an open input counts as fed); an edge with a missing end is dropped.
        The input is always fed, the logits always stay.
        """
        graph = self.graph
        ends = nodes_of_destinations(graph)
        always = np.zeros(len(graph.nodes), dtype=bool)
        always[[0, -1]] = True  # the input and the logits
        always[[ends[graph.destination_index(d)] for d in self.open]] = True
        sources, destinations = np.nonzero(self.mask)
        while True:
            fed, feeds = always.copy(), np.zeros(len(graph.nodes), dtype=bool)
            fed[ends[destinations]] = True
            feeds[sources] = True
            feeds[-1] = True  # the logits
            stays = (fed & feeds)[sources] & (fed & feeds)[ends[destinations]]
            if stays.all():
                break
            sources, destinations = sources[stays], destinations[stays]
        pruned = self.copy()
        pruned.mask[:] = False
        pruned.mask[sources, destinations] = True
        pruned.at = pruned.at.only(e for e in pruned.at.kept if pruned.has(e))
        return pruned

    def _combined(self, other: Circuit, mask: NDArray[np.bool_]) -> Circuit:
        if self.graph != other.graph:
            raise WorkbenchError(
                "These circuits belong to models of different shape; compare like with like."
            )
        return Circuit(self.graph, mask, self.open & other.open)

    def _writing(self) -> set[str]:
        return {node for node in self.graph.sources if self.writes(node)}

    def __or__(self, other: Circuit) -> Circuit:
        """Edges of either; an MLP is narrowed where both of them narrow it, to either's neurons."""
        combined = self._combined(other, self.mask | other.mask)
        writing = self._writing(), other._writing()
        combined.neurons = either(self.neurons, other.neurons, writing)
        combined.at = self._at_with(other, set.union, combined)
        return combined

    def __and__(self, other: Circuit) -> Circuit:
        """Edges of both; an MLP has the neurons that both of them keep."""
        combined = self._combined(other, self.mask & other.mask)
        combined.neurons = both(self.neurons, other.neurons)
        combined.at = self._at_with(other, set.intersection, combined)
        return combined

    def __sub__(self, other: Circuit) -> Circuit:
        """Edges of this one only, at the roles where the other lacks them.

        Its MLPs keep their neurons.
        """
        combined = self._combined(other, self.mask & ~other.mask)
        combined.neurons = dict(self.neurons)
        combined.at = self._at_with(other, set.difference, combined)
        return combined

    def _at_with(
        self, other: Circuit, join: Callable[[set[str], set[str]], set[str]], combined: Circuit
    ) -> EdgeRoles:
        """The roles of the edges that either is told apart by; their places in the mask too.

        Args:
            join: what is left of the roles at which an edge is in the one and in the other.
        """
        names = self.at.together(other.at)
        left: dict[str, set[str]] = {}
        for edge in {**self.at.kept, **other.at.kept}:
            where = self.graph.parse_edge(edge)
            mine, others = (
                set(one.at.kept.get(edge, names)) if one.mask[where] else set()
                for one in (self, other)
            )
            left[edge] = join(mine, others)
            combined.mask[where] = bool(left[edge])
        return EdgeRoles(names).with_all({edge: roles for edge, roles in left.items() if roles})

    def __eq__(self, other: object) -> bool:
        """The same edges of the same graph, the same destinations open, the same neurons kept."""
        if not isinstance(other, Circuit):
            return NotImplemented
        return (
            self.graph == other.graph
            and self.open == other.open
            and self.neurons == other.neurons
            and self.at == other.at
            and bool(np.array_equal(self.mask, other.mask))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Circuit: {counted(self.n_edges, 'edge')} of {_shape(self.graph)}>"

    def __str__(self) -> str:
        """Three lines: what it is of, how large it is, and what matters most in it."""
        share = self.n_edges / self.graph.n_edges
        size = (
            f"{counted(self.n_edges, 'edge')} ({share:.2%}), {counted(len(self.nodes()), 'node')}"
        )
        n_open = len(self.open_reached())
        state = f"open: {counted(n_open, 'input')} not expanded" if n_open else "closed"
        if self.at:
            state += f", {counted(len(self.at.kept), 'edge')} at some roles"
        if self.neurons:
            state += f", {narrowed_words(self.neurons)}"
        return "\n".join((f"Circuit of {self._origin()}", f"{size}, {state}", self._summary()))

    def _origin(self) -> str:
        """The model and the task that it was found on, where it says so, and the graph."""
        names = []
        for key in ("model", "task"):
            about = self.provenance.get(key)
            name = about.get("name") if isinstance(about, dict) else None
            names += [printable(name)] if isinstance(name, str) and name else []
        found = f"{' on '.join(names)}: " if names else ""
        return f"{found}{_shape(self.graph)}, {self.graph.n_edges:,} edges"

    def _summary(self) -> str:
        """The groups; without any, the strongest edges, or the first ones if none has a score."""
        if self.groups:
            told = [f"{printable(g.name)} ({len(g.nodes)})" for g in self.groups[:SHOWN]]
            more = len(self.groups) - len(told)
            return "groups: " + ", ".join(told) + (f" and {more} more" if more else "")
        rows, columns = np.nonzero(self.mask)
        if not len(rows):
            return "no edges"
        if self.scores is None or np.isnan(self.scores[rows, columns]).all():
            more = self.n_edges - SHOWN
            return (
                "edges: "
                + ", ".join(self.edges()[:SHOWN])
                + (f", … {more:,} more" if more > 0 else "")
            )
        sizes = np.abs(np.nan_to_num(self.scores[rows, columns]))
        order = np.argsort(-sizes, kind="stable")[:SHOWN]
        told = [
            f"{self.graph.edge_name(int(rows[i]), int(columns[i]))} "
            f"{self.scores[rows[i], columns[i]]:+.3g}"
            for i in order
        ]
        return "strongest: " + ", ".join(told)


def _shape(graph: Graph) -> str:
    return f"{counted(graph.n_layers, 'layer')} of {counted(graph.n_heads, 'head')}"


@lru_cache(maxsize=4)
def nodes_of_destinations(graph: Graph) -> NDArray[np.intp]:
    """For each destination, the place in `graph.nodes` of the node whose input it is."""
    places = {node: i for i, node in enumerate(graph.nodes)}
    return np.array([places[graph.node_of(d)] for d in graph.destinations], dtype=np.intp)


def all_edges(graph: Graph) -> NDArray[np.bool_]:
    """bool [source, destination], true where the architecture has an edge."""
    mask = np.zeros((graph.n_sources, graph.n_destinations), dtype=bool)
    for d in range(graph.n_destinations):
        mask[: graph.n_parents(d), d] = True
    return mask
