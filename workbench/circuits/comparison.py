"""A circuit held against a reference: what both keep, what is missing, what is extra.

Set arithmetic on edges, no engine. An input that is open in a circuit has no edges of its own there
(it reads the clean residual), so it does not contradict the edges that the other circuit has into
it: they are *undecided*, neither kept nor missing, as long as the node may still come to be part of
the circuit, that is, as long as kept or undecided edges lead from it to the logits. Once the ways
to the logits are dropped, an open input is no excuse any more and the edges into it are missing. So
a half-expanded circuit is not called wrong, and a closed one has nothing undecided.

Glossary: docs/glossary.md#comparison, docs/glossary.md#undecided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import edge_names
from workbench.circuits.graph import LOGITS
from workbench.circuits.names import at_role, edge_ends
from workbench.errors import WorkbenchError

Standing = Literal["both", "missing", "extra", "undecided"]
"""Where an edge or node stands between a circuit and a reference; see `comparison`."""

Mask = NDArray[np.bool_]
STANDINGS: tuple[Standing, ...] = get_args(Standing)


@dataclass(frozen=True)
class Agreement:
    """Two sets of names, the circuit's and the reference's, and what they share.

    Attributes:
        both: in the circuit and in the reference.
        missing: in the reference only.
        extra: in the circuit only.
        undecided: in one of them, while the other leaves it open (see the module).
        n_circuit, n_reference: how many the circuit and the reference have.
    """

    both: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    undecided: tuple[str, ...]
    n_circuit: int
    n_reference: int

    @property
    def recall(self) -> float | None:
        """|both| / |reference|; None if the reference is empty. What is undecided is not kept."""
        return _share(len(self.both), self.n_reference)

    @property
    def precision(self) -> float | None:
        """|both| / |circuit|; None if the circuit is empty."""
        return _share(len(self.both), self.n_circuit)

    @property
    def jaccard(self) -> float | None:
        """|both| / |union|; None if both are empty."""
        return _share(len(self.both), self.n_circuit + self.n_reference - len(self.both))

    @cached_property
    def standing(self) -> dict[str, Standing]:
        """Where each name stands that is in either of the two."""
        return {name: word for word in STANDINGS for name in getattr(self, word)}

    def to_json(self) -> dict[str, Any]:
        """Plain values: both numbers, the shares, and the names by where they stand."""
        return {
            "circuit": self.n_circuit,
            "reference": self.n_reference,
            "recall": self.recall,
            "precision": self.precision,
            "jaccard": self.jaccard,
            **{word: list(getattr(self, word)) for word in STANDINGS},
        }


@dataclass(frozen=True)
class Comparison:
    """A circuit against a reference.

    Attributes:
        edges: in the order of `Circuit.edges`.
        nodes: those that a kept edge leaves or enters, and the logits, in the graph's order; a
            node that is in one circuit only is undecided if an undecided edge leaves or enters it.
        neurons: of each MLP of both whose kept neurons differ, which the circuit and the reference
            keep; None for all.
        roles: of each edge of either that is not kept at the same roles in both, or is at some in
            the one that has it, at which the circuit and the reference keep it; None for all.
    """

    edges: Agreement
    nodes: Agreement
    neurons: Mapping[str, tuple[tuple[int, ...] | None, tuple[int, ...] | None]] = field(
        default_factory=dict
    )
    roles: Mapping[str, tuple[tuple[str, ...] | None, tuple[str, ...] | None]] = field(
        default_factory=dict
    )

    @property
    def at_other_roles(self) -> tuple[str, ...]:
        """The edges of both that are not kept at the same roles."""
        both = self.edges.standing
        return tuple(
            edge
            for edge, (mine, others) in self.roles.items()
            if both.get(edge) == "both" and set(mine or ()) != set(others or ())
        )


def compare(circuit: Circuit, reference: Circuit) -> Comparison:
    """Hold a circuit against a reference. Exchanging the two exchanges missing and extra.

    Raises:
        WorkbenchError: if they are circuits of models of different shape.
    """
    if circuit.graph != reference.graph:
        raise WorkbenchError(
            "The circuit and the reference belong to models of different shape; compare like with "
            "like."
        )
    graph = circuit.graph
    ours, theirs = _kept(circuit), _kept(reference)
    wanting = _waiting(circuit, ours, theirs & ~ours)
    unsaid = _waiting(reference, theirs, ours & ~theirs)
    undecided = wanting | unsaid
    edges = Agreement(
        both=_edges(circuit, ours & theirs),
        missing=_edges(circuit, theirs & ~ours & ~undecided),
        extra=_edges(circuit, ours & ~theirs & ~undecided),
        undecided=_edges(circuit, undecided),
        n_circuit=int(ours.sum()),
        n_reference=int(theirs.sum()),
    )
    here, there, waiting = (_nodes(circuit, mask) for mask in (ours, theirs, undecided))
    open_to = (here ^ there) & waiting

    def named(nodes: set[str]) -> tuple[str, ...]:
        return tuple(node for node in graph.nodes if node in nodes)

    nodes = Agreement(
        both=named(here & there),
        missing=named(there - here - open_to),
        extra=named(here - there - open_to),
        undecided=named(open_to),
        n_circuit=len(here),
        n_reference=len(there),
    )
    narrowed = {
        mlp: (circuit.neurons.get(mlp), reference.neurons.get(mlp))
        for mlp in nodes.both
        if circuit.neurons.get(mlp) != reference.neurons.get(mlp)
    }
    roles = {
        edge: (circuit.at.kept.get(edge), reference.at.kept.get(edge))
        for edge in {**circuit.at.kept, **reference.at.kept}
    }
    return Comparison(edges, nodes, narrowed, roles)


def compare_at_roles(circuit: Circuit, reference: Circuit, edges: Agreement) -> Agreement | None:
    """The same of edges at single roles, a whole edge being at all of them.

    Where one input is open its edges are undecided at the roles at which the other has them.

    Args:
        edges: what `compare` found of them.

    Returns:
        Names as of `Circuit.parts`; None where neither has an edge at some roles only.
    """
    if not (circuit.at or reference.at):
        return None
    every = circuit.at.together(reference.at)
    found: dict[Standing, list[str]] = {word: [] for word in STANDINGS}
    n_circuit = n_reference = 0
    for edge, standing in edges.standing.items():
        mine, others = (
            one.at.kept.get(edge, every)
            if one.has(edge) and edge_ends(edge)[1] not in one.open
            else ()
            for one in (circuit, reference)
        )
        n_circuit, n_reference = n_circuit + len(mine), n_reference + len(others)
        for role in every:
            if role in mine and role in others:
                found["both"].append(at_role(edge, role))
            elif role in mine or role in others:
                word: Standing = "extra" if role in mine else "missing"
                word = standing if standing == "undecided" else word
                found[word].append(at_role(edge, role))
    both, missing, extra, undecided = (tuple(found[word]) for word in STANDINGS)
    return Agreement(both, missing, extra, undecided, n_circuit, n_reference)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _kept(circuit: Circuit) -> Mask:
    """The kept edges, without those into open destinations, where an edge has no effect."""
    kept = circuit.mask.copy()
    kept[:, _is_open(circuit)] = False
    return kept


def _is_open(circuit: Circuit) -> Mask:
    return np.array([d in circuit.open for d in circuit.graph.destinations])


def _waiting(circuit: Circuit, kept: Mask, others: Mask) -> Mask:
    """Those of the other circuit's edges that this one has not decided on."""
    graph = circuit.graph
    waiting = others & _is_open(circuit)
    if not waiting.any():
        return waiting
    may_reach = np.zeros(graph.n_destinations, dtype=bool)  # whether a destination's node may
    may_reach[graph.logits_destination] = True
    # Sources in reverse order: whatever a node feeds comes later, so one pass is enough.
    for s in np.flatnonzero((kept | waiting).any(axis=1))[::-1]:
        waiting[s] &= may_reach
        if ((kept[s] | waiting[s]) & may_reach).any():
            for destination in graph.destinations_of(graph.sources[s]):
                may_reach[graph.destination_index(destination)] = True
    return waiting


def _edges(circuit: Circuit, mask: Mask) -> tuple[str, ...]:
    """Names in the order of `Circuit.edges`; quicker, as this is done on every edit."""
    sources, destinations = np.divmod(np.flatnonzero(mask), mask.shape[1])
    order = np.argsort(destinations, kind="stable")
    return tuple(edge_names(circuit.graph, sources[order], destinations[order]))


def _nodes(circuit: Circuit, mask: Mask) -> set[str]:
    return {LOGITS, *Circuit(circuit.graph, mask).nodes()}
