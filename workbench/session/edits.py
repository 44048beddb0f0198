"""What each command makes of a state.

Pure functions: they compute no metric and write nothing down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_roles import EdgeRoles, check_roles
from workbench.circuits.graph import HEAD_INPUTS, INPUT, LOGITS, Graph
from workbench.circuits.names import TOGETHER, edge_ends, input_of, is_edge, split_role
from workbench.circuits.parts import edge_of, in_order, members_of, parts_into, parts_out_of
from workbench.errors import WorkbenchError
from workbench.session.role_scores import RoleScores, Scored, Scoring
from workbench.session.state import Interventions, State


def destinations(graph: Graph, node: str, inputs: str = "qkv") -> tuple[str, ...]:
    """These inputs of a node; `inputs` are letters of "qkv" and matter for heads only.

    `TOGETHER` is all three.

    Raises:
        WorkbenchError: for an unknown node or letter.
    """
    if inputs == TOGETHER:
        return graph.destinations_of(node)
    if not inputs or not set(inputs) <= set(HEAD_INPUTS):
        raise WorkbenchError(f"A head's inputs are named by letters of 'qkv', not {inputs!r}.")
    return tuple(name for name in graph.destinations_of(node) if input_of(name) in inputs)


def _some_destinations(state: State, node: str, inputs: str) -> tuple[str, ...]:
    if node == INPUT:
        raise WorkbenchError("Nothing feeds the input embedding; choose another node.")
    return destinations(state.circuit.graph, node, inputs)


def previewed(state: State, destination: str, score: Scored) -> list[str]:
    """Edges into a destination that its expansion would keep: |score| >= threshold."""
    if isinstance(score, RoleScores):
        return [name for name, value in score.into(destination) if abs(value) >= state.threshold]
    graph = state.circuit.graph
    d = graph.destination_index(destination)
    column = score[: graph.n_parents(d), d]
    return [graph.edge_name(int(s), d) for s in np.flatnonzero(np.abs(column) >= state.threshold)]


def _passing(state: State, into: Sequence[str], score: Scoring) -> list[str]:
    """Edges into some destinations that their expansion would keep; none asks for no scores."""
    if not into:
        return []
    scores = score(into)
    return [edge for d in into for edge in previewed(state, d, scores)]


def kept_into(state: State, destination: str) -> list[str]:
    """Names of the kept edges into a destination, those at some roles at each of them."""
    return parts_into(state.circuit, destination)


def _all_into(graph: Graph, destination: str) -> list[str]:
    d = graph.destination_index(destination)
    return [graph.edge_name(s, d) for s in range(graph.n_parents(d))]


def _replace_into(state: State, into: Iterable[str], keep: Iterable[str]) -> State:
    """Close these destinations, and make `keep` exactly their kept edges.

    An edge that is to be kept, at whichever roles, and is kept at some stays as it is.
    """
    into, staying = tuple(into), set(keep)
    dropped = [
        name
        for destination in into
        for name in kept_into(state, destination)
        if edge_of(name) not in staying
    ]
    kept = [name for name in keep if edge_of(name) != name or not state.circuit.has(name)]
    return state.with_edges(close=into, drop=dropped, keep=kept)


def expand(
    state: State, node: str, inputs: str, keep: Sequence[str] | None, score: Scoring
) -> State:
    """Close those of the inputs that are open; the others stay as they are.

    Scores are asked for where `keep` does not say what to keep.

    Glossary: docs/glossary.md#expand.
    """
    wanted = _some_destinations(state, node, inputs)
    into = [d for d in wanted if d in state.circuit.open]
    if keep is None:
        edges = _passing(state, into, score)
    else:
        for name in keep:
            if _entered(state, name) not in wanted:
                raise WorkbenchError(
                    f"{name} does not enter {', '.join(wanted)}; keep edges that do."
                )
        edges = [name for name in keep if edge_ends(edge_of(name))[1] in into]
    return _replace_into(state, into, edges)


def _several_entered(state: State, name: str) -> tuple[str, ...]:
    """The destinations of a candidate, which may be edges into q, k and v together."""
    return tuple(_entered(state, one) for one in members_of(state.circuit.graph, name))


def _entered(state: State, name: str) -> str:
    """The destination of an edge, or an edge at a role, that there can be.

    Raises:
        WorkbenchError: there is no such edge, or no pair has this role.
    """
    edge, role = split_role(name)
    state.circuit.graph.parse_edge(edge)
    if role:
        check_roles(state.circuit.at.names, (role,), edge)
    return edge_ends(edge)[1]


def toggle(state: State, edge: str, score: Scoring) -> State:
    """Keep or drop one edge, or edge at a role; what is open is first closed with its preview.

    Edges into q, k and v together are dropped if all are kept. `score` is asked for where there is
    something open.

    Glossary: docs/glossary.md#toggle.
    """
    open_ones = [d for d in _several_entered(state, edge) if d in state.circuit.open]
    if open_ones:
        state = _replace_into(state, open_ones, _passing(state, open_ones, score))
    members = members_of(state.circuit.graph, edge)
    if all(map(state.circuit.has, members)):
        return state.with_edges(drop=members)
    return state.with_edges(keep=[name for name in members if not state.circuit.has(name)])


def keep_above(state: State, node: str, inputs: str, score: Scoring) -> State:
    """Keep of the edges into a node's inputs those whose score passes the threshold.

    By scores of whole edges, one that is kept at some roles stays there.
    """
    into = _some_destinations(state, node, inputs)
    return _replace_into(state, into, _passing(state, into, score))


def drop_all(state: State, node: str, inputs: str) -> State:
    """Drop all edges into a node's inputs."""
    return _replace_into(state, _some_destinations(state, node, inputs), [])


def keep_all(state: State, node: str, inputs: str) -> State:
    """Keep all edges into a node's inputs, at all roles."""
    into = _some_destinations(state, node, inputs)
    graph = state.circuit.graph
    return state.with_edges(close=into, keep=[edge for d in into for edge in _all_into(graph, d)])


def toggle_node(state: State, node: str) -> State:
    """Drop every kept edge out of and into a node; next time restore those that can be.

    Raises:
        WorkbenchError: for the logits, for a node without kept edges that was not dropped, and if
            all that it fed has been reopened since.
    """
    if node == LOGITS:
        raise WorkbenchError("The logits are what the circuit is for; they cannot be dropped.")
    circuit = state.circuit
    graph = circuit.graph
    out_of = parts_out_of(circuit, node)
    into = [edge for d in graph.destinations_of(node) for edge in kept_into(state, d)]
    shelf = dict(state.dropped_nodes)
    if out_of or into:
        shelf[node] = (*out_of, *into)
        dropped = state.with_edges(drop=shelf[node])
        return replace(dropped, dropped_nodes=shelf)
    if node not in shelf:
        raise WorkbenchError(f"{node} has no edges in the circuit; keep an edge out of it first.")
    edges = [name for name in shelf.pop(node) if edge_ends(edge_of(name))[1] not in circuit.open]
    if not edges:
        raise WorkbenchError(
            f"What {node} fed has been reopened; expand that again to choose it there."
        )
    restored = state.with_edges(keep=edges)
    return replace(restored, dropped_nodes=shelf)


def drop_together(state: State, nodes: Sequence[str], into: str, score: Scoring) -> State:
    """Drop every kept edge out of and into several nodes; `toggle_node` restores each.

    What of `into` is open is closed first, on what it would keep without them.

    Raises:
        WorkbenchError: for the logits or an unknown node, and if nothing is named.
    """
    if not nodes:
        raise WorkbenchError("Name the nodes that are to be dropped.")
    if LOGITS in nodes:
        raise WorkbenchError("The logits are what the circuit is for; they cannot be dropped.")
    graph = state.circuit.graph
    for node in nodes:
        graph.source_index(node)
    closing = [d for d in _some_destinations(state, into, "qkv") if d in state.circuit.open]
    if closing:
        state = _replace_into(state, closing, _passing(state, closing, score))
    for node in nodes:
        mask = state.circuit.mask
        into_it = any(kept_into(state, d) for d in graph.destinations_of(node))
        if mask[graph.source_index(node)].any() or into_it:
            state = toggle_node(state, node)
    return state


def reopen(state: State, node: str, inputs: str) -> State:
    """Open a node's inputs, whose edges are forgotten."""
    return state.with_edges(open=_some_destinations(state, node, inputs))


def set_threshold(state: State, value: float) -> State:
    """Set the threshold. Raises WorkbenchError for what is no number from 0 up."""
    if not (np.isfinite(value) and value >= 0):
        raise WorkbenchError(f"A threshold is a number from 0 up, not {value}.")
    return replace(state, threshold=float(value))


def set_group(state: State, name: str, nodes: Sequence[str], role: str) -> State:
    """Make or replace a group, in place; its nodes leave the groups where they were."""
    if not name.strip():
        raise WorkbenchError("A group needs a name.")
    graph = state.circuit.graph
    for node in nodes:
        if not graph.has_node(node):
            graph.source_index(node)  # raises the sentence for unknown nodes
    group = RoleGroup(name, role, tuple(dict.fromkeys(nodes)))
    others = [
        other
        if other.name == name
        else RoleGroup(
            other.name, other.role, tuple(n for n in other.nodes if n not in group.nodes)
        )
        for other in state.circuit.groups
    ]
    names = [other.name for other in others]
    groups = [group if other.name == name else other for other in others]
    return state.with_words(groups=tuple(groups if name in names else [*groups, group]))


def move_to_group(state: State, nodes: Sequence[str], name: str, role: str) -> State:
    """Move nodes into the group of that name, made if there is none.

    No name takes them out of theirs. A group that loses its last node goes.
    """
    if name.strip():
        old = next((group.nodes for group in state.circuit.groups if group.name == name), ())
        state = set_group(state, name, (*old, *nodes), role)
    moved = set(nodes)
    groups = []
    for group in state.circuit.groups:
        rest = group.nodes if group.name == name else _without(group.nodes, moved)
        if rest:
            groups.append(RoleGroup(group.name, group.role, rest))
    return state.with_words(groups=tuple(groups))


def _without(nodes: Sequence[str], moved: set[str]) -> tuple[str, ...]:
    return tuple(node for node in nodes if node not in moved)


def remove_group(state: State, name: str) -> State:
    """Remove a group. Raises WorkbenchError if there is none of this name."""
    groups = tuple(group for group in state.circuit.groups if group.name != name)
    if len(groups) == len(state.circuit.groups):
        raise WorkbenchError(f"There is no group {name!r}.")
    return state.with_words(groups=groups)


def note(state: State, target: str, text: str) -> State:
    """Write a note on a node, an edge or ("") the circuit; an empty text removes it."""
    graph = state.circuit.graph
    if is_edge(target):
        graph.parse_edge(target)
    elif target and not graph.has_node(target):
        graph.source_index(target)
    notes = {name: old for name, old in state.circuit.notes.items() if name != target}
    if text:
        notes[target] = text
    return state.with_words(notes=notes)


def load(state: State, circuit: Circuit, interventions: Interventions | None = None) -> State:
    """Take another circuit's edges, and its groups and notes where it has any.

    `interventions`: done from now on; None: as before.
    """
    if circuit.graph != state.circuit.graph:
        raise WorkbenchError(
            "This circuit belongs to a model of another shape; open that model for it."
        )
    new = circuit.copy()
    new.scores, new.provenance = None, {}
    new.groups = circuit.groups or state.circuit.groups
    new.notes = dict(circuit.notes or state.circuit.notes)
    for destination in new.open:
        new.mask[:, state.circuit.graph.destination_index(destination)] = False
    new.at = in_order(state.circuit.at.names, {e: r for e, r in new.at.kept.items() if new.has(e)})
    done = state.interventions if interventions is None else interventions
    return replace(state, circuit=new, dropped_nodes={}, interventions=done)


def clear(state: State) -> State:
    """Open everything; groups, notes and the threshold stay."""
    start = Circuit.start(state.circuit.graph)
    start.at = EdgeRoles(state.circuit.at.names)
    start.groups, start.notes = state.circuit.groups, dict(state.circuit.notes)
    return replace(state, circuit=start, dropped_nodes={})
