"""The tree back from the logits, and the frontier."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.circuits.tree import dead_edges, frontier, live_nodes, tree

GRAPH = Graph(2, 2)
EDGES = list(GRAPH.edges())


def effects(**values: float) -> np.ndarray:
    matrix = np.full((GRAPH.n_sources, GRAPH.n_destinations), 0.001, dtype=np.float32)
    for name, value in values.items():
        matrix[GRAPH.parse_edge(name)] = value
    return matrix


def example() -> tuple[Circuit, np.ndarray]:
    values = {
        "m1->logits": 0.2,
        "a1.h0->logits": -0.9,
        "m0->logits": 0.1,
        "m0->a1.h0<q>": 0.3,
        "input->a1.h0<v>": -0.4,
        "m0->m1": 0.5,
        "input->m0": 0.6,
    }
    return Circuit.from_edges(GRAPH, values), effects(**values)


def test_rows_go_depth_first_by_falling_effect_and_follow_a_node_once() -> None:
    circuit, values = example()
    circuit.groups = (RoleGroup("movers", "", ("a1.h0",)), RoleGroup("x", "late", ("a1.h0", "m1")))
    rows = tree(circuit, values)
    assert [(r.depth, r.name, r.repeated, r.state, r.role) for r in rows] == [
        (0, "logits", False, "expanded", None),
        (1, "a1.h0", False, "expanded", "movers"),
        (2, "input", False, "input", None),
        (2, "m0", False, "expanded", None),
        (3, "input", True, "input", None),
        (1, "m1", False, "expanded", "late"),
        (2, "m0", True, "expanded", None),
        (1, "m0", True, "expanded", None),
    ]
    assert rows[3].edge == "m0->a1.h0<q>"
    assert (rows[3].parent, rows[3].destination) == ("a1.h0", "a1.h0<q>")
    assert rows[3].effect == pytest.approx(0.3)
    assert rows[0].edge is None and rows[0].effect is None


def test_rows_tell_which_effects_are_estimates() -> None:
    circuit, values = example()
    known = np.full(values.shape, True)
    known[GRAPH.parse_edge("a1.h0->logits")] = False
    told = {row.edge: row.estimated for row in tree(circuit, values, estimated=known)}
    assert told.pop("a1.h0->logits") is False and told.pop(None) is False
    assert set(told.values()) == {True}
    assert not any(row.estimated for row in tree(circuit, values))


def test_states_tell_what_is_open_and_what_is_dead() -> None:
    circuit, values = example()
    circuit.open = frozenset({"a1.h0<k>", "m0"})
    circuit.mask[GRAPH.parse_edge("input->m0")] = False
    circuit.mask[GRAPH.parse_edge("a1.h1->logits")] = True
    states = {row.name: row.state for row in tree(circuit, values)}
    assert states["a1.h0"] == "partly" and states["m0"] == "open" and states["a1.h1"] == "dead"
    assert frontier(circuit, values) == ["a1.h0", "m0"]
    values[GRAPH.parse_edge("m0->m1")] = -2
    assert frontier(circuit, values) == ["m0", "a1.h0"]


def test_the_frontier_has_only_what_reaches_the_logits() -> None:
    circuit = Circuit.from_edges(GRAPH, ["m0->m1"])
    circuit.open = frozenset({"m0"})
    assert frontier(circuit, effects()) == []
    assert dead_edges(circuit, live_nodes(circuit), circuit.reached()) == 1


@given(st.sets(st.sampled_from(EDGES)), st.sets(st.sampled_from(GRAPH.destinations)))
def test_the_tree_shows_every_edge_that_leads_to_the_logits_once(
    edges: set[str], opened: set[str]
) -> None:
    kept = sorted(edge for edge in edges if edge.partition("->")[2] not in opened)
    circuit = Circuit.from_edges(GRAPH, kept)
    circuit.open = frozenset(opened)
    rows = tree(circuit, effects())
    reached = circuit.reached()
    leading = [edge for edge in kept if GRAPH.node_of(edge.partition("->")[2]) in reached]
    assert sorted(row.edge for row in rows[1:] if row.edge) == sorted(leading)
    assert {row.name for row in rows} == reached
    assert sum(not row.repeated for row in rows) == len(reached)
    for before, row in pairwise(rows):
        assert 1 <= row.depth <= before.depth + 1
    # Dead edges are those that EAP-IG's pruning drops, which lets the logits be.
    dead = dead_edges(circuit, live_nodes(circuit), reached)
    assert dead == circuit.n_edges - circuit.pruned().n_edges
