"""The circuit as a tree back from the logits, and its frontier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.comparison import Comparison, Standing
from workbench.circuits.graph import INPUT, LOGITS, Graph
from workbench.circuits.names import at_role

NodeState = Literal["open", "partly", "expanded", "dead", "input", "missing"]


def roles(groups: tuple[RoleGroup, ...]) -> dict[str, str]:
    """For each grouped node the role, or else the name, of the first group that holds it."""
    found: dict[str, str] = {}
    for group in groups:
        for node in group.nodes:
            found.setdefault(node, group.role or group.name)
    return found


def live_nodes(circuit: Circuit) -> set[str]:
    """Sources that write something of their own.

    The input, and whatever is open or fed by a live one.
    """
    graph = circuit.graph
    live = np.zeros(graph.n_sources, dtype=bool)
    # Sources in order: whatever feeds a node comes before it, so one pass is enough.
    for s, node in enumerate(graph.sources):
        into = graph.destinations_of(node)
        live[s] = node == INPUT or any(
            d in circuit.open or bool((circuit.mask[:, graph.destination_index(d)] & live).any())
            for d in into
        )
    nodes = {graph.sources[s] for s in np.flatnonzero(live)}
    if LOGITS in circuit.open or (circuit.mask[:, graph.logits_destination] & live).any():
        nodes.add(LOGITS)
    return nodes


def dead_edges(circuit: Circuit, live: set[str], reached: set[str]) -> int:
    """How many kept edges cannot matter.

    Nothing live writes them, or they do not lead to the logits.

    Glossary: docs/glossary.md#dead.
    """
    graph = circuit.graph
    writes = np.array([source in live for source in graph.sources])
    read = np.array([graph.node_of(d) in reached for d in graph.destinations])
    return circuit.n_edges - int(circuit.mask[writes][:, read].sum())


def node_state(circuit: Circuit, node: str, live: set[str]) -> NodeState:
    """How far a node is expanded, and whether it is dead."""
    if node == INPUT:
        return "input"
    inputs = circuit.graph.destinations_of(node)
    n_open = sum(d in circuit.open for d in inputs)
    if n_open:
        return "open" if n_open == len(inputs) else "partly"
    return "expanded" if node in live else "dead"


@dataclass(frozen=True)
class FeederOrder:
    """Effects that put what feeds a node in order, where they are not those that are shown.

    Attributes:
        effects: [source, destination].
        of_part: the same of an edge at a role, by its name.
    """

    effects: NDArray[np.float32]
    of_part: Callable[[str], float]


def tree(
    circuit: Circuit,
    effects: NDArray[np.float32],
    comparison: Comparison | None = None,
    *,
    missing: bool = False,
    part_effect: Callable[[str], tuple[float, bool] | None] | None = None,
    estimated: NDArray[np.bool_] | None = None,
    order: FeederOrder | None = None,
) -> list[TreeRow]:
    """Rows depth first from the logits, the edges into each node by falling |effect|.

    A node that feeds several others is followed where it stands first; its later rows are marked
    repeated.

    Args:
        effects: [source, destination], the `effect` of the rows.
        comparison: of the circuit with a reference, for the rows to say where they stand in it.
        missing: also list the edges into these nodes that only the reference has; what feeds them
            is not listed.
        part_effect: an edge that is kept at some roles has a row for each; told the name of such an
            edge at a role, it gives its effect, NaN where that is not known, and whether that is an
            estimate; None: it carries nothing there, and has no row.
        estimated: [source, destination], which of the effects are estimates; None: not known.
        order: what puts the rows in order; None: `effects` and `part_effect`.
    """
    sizes = effects if order is None else order.effects
    graph, role_of, live = circuit.graph, roles(circuit.groups), live_nodes(circuit)
    states = {node: node_state(circuit, node, live) for node in graph.nodes}
    edge_standing = comparison.edges.standing if comparison is not None else {}
    node_standing = comparison.nodes.standing if comparison is not None else {}
    listed = circuit.mask
    if missing and comparison is not None:
        listed = listed.copy()
        for edge in comparison.edges.missing:
            listed[graph.parse_edge(edge)] = True
    rows = [
        TreeRow(
            name=LOGITS,
            depth=0,
            parent=None,
            edge=None,
            destination=None,
            effect=None,
            state=states[LOGITS],
            repeated=False,
            role=role_of.get(LOGITS),
            node_reference=node_standing.get(LOGITS),
        )
    ]
    seen = {LOGITS}
    # What is still to be listed, the next one last: (source, destination, depth), or a row.
    stack: list[tuple[int, int, int] | TreeRow] = [*_feeders(graph, listed, sizes, LOGITS, 1)]
    while stack:
        entry = stack.pop()
        if isinstance(entry, TreeRow):
            rows.append(entry)
            continue
        s, d, depth = entry
        node, destination = graph.sources[s], graph.destinations[d]
        edge, kept = graph.edge_name(s, d), bool(circuit.mask[s, d])
        row = TreeRow(
            name=node,
            depth=depth,
            parent=graph.node_of(destination),
            edge=edge,
            destination=destination,
            effect=float(effects[s, d]),
            estimated=estimated is not None and bool(estimated[s, d]),
            state=states[node] if kept else "missing",
            repeated=kept and node in seen,
            role=role_of.get(node),
            reference=edge_standing.get(edge),
            node_reference=node_standing.get(node),
            neurons=len(circuit.neurons[node]) if node in circuit.neurons else None,
            at=circuit.at.kept.get(edge, ()),
        )
        first, *others = [row] if part_effect is None else _by_role(row, part_effect, order)
        rows.append(first)
        stack += others[::-1]
        if kept and node not in seen:
            seen.add(node)
            stack += _feeders(graph, listed, sizes, node, depth + 1)
    return rows


def _by_role(
    row: TreeRow,
    effect: Callable[[str], tuple[float, bool] | None],
    order: FeederOrder | None,
) -> list[TreeRow]:
    """A row for each role of an edge that is kept at some, the largest |effect| first."""
    parts = []
    for role in row.at:
        name = at_role(row.edge or "", role)
        found = effect(name)
        if found is not None:
            value, rough = found
            known = None if value != value else value
            parts.append(replace(row, edge=name, at=(role,), effect=known, estimated=rough))
    if order is None:
        parts.sort(key=lambda part: -abs(part.effect or 0.0))
    else:
        parts.sort(key=lambda part: -abs(order.of_part(part.edge or "")))
    return [*parts[:1], *(replace(part, repeated=True) for part in parts[1:])] or [row]


def _feeders(
    graph: Graph, listed: NDArray[np.bool_], effects: NDArray[np.float32], node: str, depth: int
) -> list[tuple[int, int, int]]:
    """Listed edges into a node, the largest |effect| last, with the depth of their rows."""
    found = []
    for destination in graph.destinations_of(node):
        d = graph.destination_index(destination)
        found += [(int(s), d, depth) for s in np.flatnonzero(listed[:, d])]
    return sorted(found, key=lambda edge: (abs(effects[edge[0], edge[1]]), -edge[1], -edge[0]))


def frontier(circuit: Circuit, effects: NDArray[np.float32]) -> list[str]:
    """Nodes that reach the logits and have an open input, the largest |effect| first.

    Glossary: docs/glossary.md#frontier.
    """
    graph = circuit.graph
    found: dict[str, float] = {}
    for destination in circuit.open_reached():
        node = graph.node_of(destination)
        if node not in found:
            s = graph.source_index(node) if node != LOGITS else None
            found[node] = (
                float("inf")
                if s is None
                else float(np.abs(effects[s][circuit.mask[s]]).max(initial=0.0))
            )
    return sorted(found, key=lambda node: -found[node])


@dataclass(frozen=True)
class TreeRow:
    """One row of the circuit as a tree back from the logits.

    Attributes:
        name: the node.
        depth: 0 for the logits.
        parent: the node that it feeds here; None for the logits.
        edge: the kept edge from it into the parent; None for the logits.
        destination: the parent's input that this edge enters; None for the logits.
        effect: the best effect known of that edge: exact in the full model, else exact along or
            within the circuit, else the EAP estimate.
        state: 'open' (none of its inputs is expanded), 'partly' (some are), 'expanded', 'dead' (all
            are expanded and nothing live feeds it), or 'input'; 'missing': the edge is not kept and
            only the reference has it.
        repeated: the node stands, with what feeds it, further up already; its rows are not listed
            again.
        role: the role (or name) of the first group that holds it.
        reference, node_reference: where the edge and the node stand in the comparison with the
            reference; None if there is none.
        neurons: how many of its neurons an MLP that is narrowed keeps; None for all.
        at: the roles at which an edge is kept that is kept at some only; of a row for one of them
            that one.
        estimated: the effect is the EAP estimate.
    """

    name: str
    depth: int
    parent: str | None
    edge: str | None
    destination: str | None
    effect: float | None
    state: NodeState
    repeated: bool
    role: str | None
    reference: Standing | None = None
    node_reference: Standing | None = None
    neurons: int | None = None
    at: tuple[str, ...] = ()
    estimated: bool = False
