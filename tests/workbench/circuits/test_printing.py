"""What a printed circuit says: three lines, whatever it holds."""

from __future__ import annotations

from hypothesis import given, settings

from tests.support.circuits import circuits
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph

GRAPH = Graph(2, 2)


def of(*edges: str) -> Circuit:
    return Circuit.from_edges(GRAPH, edges)


def scored() -> Circuit:
    circuit = of("input->m0", "m0->a1.h0<q>", "a1.h0->logits")
    circuit.scores = Circuit.empty(GRAPH).mask.astype("float32")
    for edge, score in (("input->m0", -0.5), ("m0->a1.h0<q>", 2.0), ("a1.h0->logits", -3.25)):
        circuit.scores[GRAPH.parse_edge(edge)] = score
    return circuit


@given(circuits())
@settings(deadline=None)
def test_it_is_three_lines_and_its_repr_is_one(circuit: Circuit) -> None:
    assert len(str(circuit).splitlines()) == 3
    assert str(circuit).isprintable() or all(
        line.isprintable() for line in str(circuit).split("\n")
    )
    assert len(repr(circuit).splitlines()) == 1


def test_what_it_is_of_how_large_and_what_is_strongest() -> None:
    circuit = scored()
    circuit.provenance = {"model": {"name": "pocket"}, "task": {"name": "ioi"}}
    assert str(circuit).splitlines() == [
        "Circuit of pocket on ioi: 2 layers of 2 heads, 46 edges",
        "3 edges (6.52%), 4 nodes, closed",
        "strongest: a1.h0->logits -3.25, m0->a1.h0<q> +2, input->m0 -0.5",
    ]
    assert repr(circuit) == "<Circuit: 3 edges of 2 layers of 2 heads>"


def test_groups_come_before_edges() -> None:
    circuit = scored()
    circuit.groups = (RoleGroup("movers\x1b", "", ("a1.h0",)), RoleGroup("first", "", ("m0",)))
    assert str(circuit).splitlines()[2] == "groups: movers\\x1b (1), first (1)"


def test_without_scores_and_without_edges() -> None:
    assert str(of("m0->logits")).splitlines()[2] == "edges: m0->logits"
    start = str(Circuit.start(GRAPH)).splitlines()
    assert start[1:] == ["0 edges (0.00%), 1 node, open: 1 input not expanded", "no edges"]
    assert str(Circuit.full(GRAPH)).splitlines()[2].endswith(", … 41 more")
