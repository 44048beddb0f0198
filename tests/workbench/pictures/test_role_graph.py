"""Where the nodes of a circuit stand, held against a search of the unrolled graph."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph
from workbench.circuits.names import split_role
from workbench.pictures.role_graph import EVERY, RoleNode, role_graph

ROLES = ("IO", "S1", "S2", "END")
GRAPH = Graph(3, 2)


def circuit(*parts: str) -> Circuit:
    made = Circuit.empty(GRAPH)
    made.at = EdgeRoles(ROLES)
    for part in parts:
        made.toggle(part)
    return made


def unrolled(made: Circuit) -> set[tuple[str, str]]:
    """Nodes at roles from which kept edges lead to the logits at the last role.

    Every edge is taken apart into its roles, and every node into one for each role; a key or a
    value is read from every role up to the reader's own.
    """
    feeds: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for part in made.edges():
        source, _, destination = part.partition("->")
        reader = GRAPH.node_of(destination)
        for role in made.at.kept.get(part, ROLES):
            looked_at = destination.endswith(("<k>", "<v>"))
            for stands in ROLES[ROLES.index(role) :] if looked_at else (role,):
                feeds.setdefault((reader, stands), set()).add((source, role))
    seen, waiting = {("logits", "END")}, [("logits", "END")]
    while waiting:
        for cell in feeds.get(waiting.pop(), ()):
            if cell not in seen:
                seen.add(cell)
                waiting.append(cell)
    return seen


def test_nodes_stand_where_what_they_write_is_read() -> None:
    rng = np.random.default_rng(0)
    edges = list(GRAPH.edges())
    for n in (10, 40, 120) * 10:
        parts = set()
        for edge, role in zip(rng.choice(edges, n), rng.choice(ROLES, n), strict=True):
            # Looked at is the first role, which every head may look at from where it stands.
            parts.add(f"{edge}@{'IO' if edge.endswith(('<k>', '<v>')) else role}")
        made = circuit(*sorted(parts))
        drawn = role_graph(made)
        assert {(node.node, node.role) for node in drawn.nodes} == unrolled(made)
        read = {edge.edge for edge in drawn.edges}
        assert read.isdisjoint(drawn.unread) and read | {*drawn.unread} == {*made.parts()}


IOI = (
    "input->a0.h1<k>@S1",
    "input->a0.h1<q>@S2",
    "a0.h1->a1.h0<v>@S2",
    "m0->a1.h0<q>@END",
    "a1.h0->a2.h1<q>@END",
    "input->a2.h1<v>@IO",
    "a2.h1->logits",
    "input->m0@END",
)


def test_the_picture_of_the_ioi_circuit() -> None:
    drawn = role_graph(circuit(*IOI))
    assert drawn.columns == ROLES and not drawn.unread
    assert [node.name for node in drawn.nodes] == [
        *("input@IO", "input@S1", "input@S2", "input@END", "a0.h1@S2", "m0@END"),
        *("a1.h0@END", "a2.h1@END", "logits@END"),
    ]
    lines = {(edge.source, edge.destination): edge for edge in drawn.edges}
    assert len(lines) == len(IOI)
    assert lines["a0.h1@S2", "a1.h0@END"].edge == "a0.h1->a1.h0<v>@S2"
    assert lines["input@IO", "a2.h1@END"].input == "v"
    # The whole edge into the logits is read where they are.
    assert lines["a2.h1@END", "logits@END"].edge == "a2.h1->logits"


def test_what_keys_read_at_all_roles_has_a_column_of_its_own() -> None:
    made = circuit("input->m0", "m0->a1.h0<k>", "m0->a1.h0<q>", "a1.h0->logits", "a0.h0->m0@S1")
    drawn = role_graph(made)
    assert drawn.columns == (EVERY, "S1", "END")
    assert RoleNode("m0", EVERY) in drawn.nodes and RoleNode("m0", "END") in drawn.nodes
    assert {(edge.source, edge.destination) for edge in drawn.edges} == {
        ("input", "m0"),
        ("a0.h0@S1", "m0"),
        ("input@END", "m0@END"),
        ("m0", "a1.h0@END"),
        ("m0@END", "a1.h0@END"),
        ("a1.h0@END", "logits@END"),
    }


def test_what_nothing_reads_at_its_role_is_told() -> None:
    drawn = role_graph(circuit("m0->m1@S1", "m1->logits@END", "m0->logits@S2"))
    assert drawn.unread == ("m0->logits@S2", "m0->m1@S1")
    assert [split_role(node.name)[0] for node in drawn.nodes] == ["m1", "logits"]


@pytest.mark.parametrize("edges", [(), ("m0->logits", "input->m0")])
def test_a_circuit_without_roles_has_the_last_one(edges: tuple[str, ...]) -> None:
    drawn = role_graph(Circuit.from_edges(GRAPH, edges))
    assert drawn.columns == ("END",) and len(drawn.edges) == len(edges)
