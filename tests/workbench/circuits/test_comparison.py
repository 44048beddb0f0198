"""A circuit against a reference: every edge stands in one place, and open inputs are no faults."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.circuits.circuit import Circuit
from workbench.circuits.comparison import STANDINGS, Agreement, compare, compare_at_roles
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import LOGITS, Graph
from workbench.errors import WorkbenchError

GRAPH = Graph(2, 2)
EDGES = list(GRAPH.edges())


@st.composite
def circuits(draw: st.DrawFn) -> Circuit:
    """A circuit as a file may hold it: edges into open destinations among its edges."""
    circuit = Circuit.from_edges(GRAPH, sorted(draw(st.sets(st.sampled_from(EDGES)))))
    circuit.open = frozenset(draw(st.sets(st.sampled_from(GRAPH.destinations))))
    return circuit


def effective(circuit: Circuit) -> set[str]:
    return {edge for edge in circuit.edges() if edge.partition("->")[2] not in circuit.open}


@given(circuits())
def test_a_circuit_has_all_of_itself(circuit: Circuit) -> None:
    result = compare(circuit, circuit)
    for overlap in (result.edges, result.nodes):
        assert not overlap.missing + overlap.extra + overlap.undecided
        assert overlap.recall in (None, 1) and overlap.jaccard in (None, 1)
    assert set(result.edges.both) == effective(circuit)


@given(circuits(), circuits())
@settings(max_examples=200)
def test_every_edge_and_node_stands_in_one_place(one: Circuit, other: Circuit) -> None:
    result = compare(one, other)
    for overlap, mine, theirs in (
        (result.edges, effective(one), effective(other)),
        (result.nodes, nodes_of(one), nodes_of(other)),
    ):
        parts = [getattr(overlap, word) for word in STANDINGS]
        assert sum(map(len, parts)) == len(set().union(*parts)) == len(mine | theirs)
        assert set(overlap.both) == mine & theirs
        assert set(overlap.missing) <= theirs - mine
        assert set(overlap.extra) <= mine - theirs
        assert set(overlap.undecided) <= mine ^ theirs
        assert (overlap.n_circuit, overlap.n_reference) == (len(mine), len(theirs))
        assert overlap.standing.keys() == mine | theirs


def nodes_of(circuit: Circuit) -> set[str]:
    return set(Circuit.from_edges(GRAPH, sorted(effective(circuit))).nodes())


@given(circuits(), circuits())
def test_exchanging_the_two_exchanges_missing_and_extra(one: Circuit, other: Circuit) -> None:
    here, there = compare(one, other), compare(other, one)
    for a, b in ((here.edges, there.edges), (here.nodes, there.nodes)):
        assert (a.missing, a.extra) == (b.extra, b.missing)
        assert (a.both, a.undecided) == (b.both, b.undecided)
        assert (a.recall, a.precision, a.jaccard) == (b.precision, b.recall, b.jaccard)


@given(circuits(), circuits())
def test_a_closed_circuit_has_decided_on_every_edge(one: Circuit, other: Circuit) -> None:
    closed, reference = (Circuit.from_edges(GRAPH, c.edges()) for c in (one, other))
    reached = closed.reached()
    closed.open = frozenset(d for d in GRAPH.destinations if GRAPH.node_of(d) not in reached)
    assert closed.is_closed
    assert not compare(closed, reference).edges.undecided


REFERENCE = Circuit.from_edges(
    GRAPH, ["input->a0.h1<v>", "input->m0", "a0.h1->m1", "m0->m1", "m1->logits"]
)


def stepped(*edges: str, closed: tuple[str, ...]) -> Circuit:
    circuit = Circuit.from_edges(GRAPH, edges)
    circuit.open = frozenset(GRAPH.destinations) - set(closed)
    return circuit


def test_at_the_start_nothing_is_missing() -> None:
    result = compare(Circuit.start(GRAPH), REFERENCE)
    assert set(result.edges.undecided) == set(REFERENCE.edges())
    assert result.nodes.both == (LOGITS,)
    assert result.nodes.undecided == ("input", "a0.h1", "m0", "m1")
    assert (result.edges.recall, result.edges.precision, result.edges.jaccard) == (0, None, 0)


def test_what_is_dropped_is_missing_and_what_is_above_stays_undecided() -> None:
    half = stepped("m1->logits", "a1.h0->logits", "m0->m1", closed=("logits", "m1"))
    result = compare(half, REFERENCE)
    assert result.edges.both == ("m0->m1", "m1->logits")
    assert result.edges.extra == ("a1.h0->logits",)
    assert result.edges.missing == ("input->a0.h1<v>", "a0.h1->m1"), "its way is dropped"
    assert result.edges.undecided == ("input->m0",)
    assert result.nodes.missing == ("a0.h1",)
    assert result.nodes.extra == ("a1.h0",)
    assert result.nodes.undecided == ("input",)
    assert result.edges.recall == 2 / 5
    assert result.edges.precision == 2 / 3
    assert result.edges.jaccard == 2 / 6


def test_nothing_to_divide_by() -> None:
    nothing = compare(Circuit.empty(GRAPH), Circuit.empty(GRAPH)).edges
    assert (nothing.recall, nothing.precision, nothing.jaccard) == (None, None, None)
    assert nothing == Agreement((), (), (), (), 0, 0)


def test_circuits_of_other_models_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="different shape"):
        compare(Circuit.empty(GRAPH), Circuit.empty(Graph(2, 2, parallel=True)))


@given(one=circuits(), other=circuits(), seed=st.integers(0, 99))
@settings(deadline=None)
def test_at_roles_it_is_set_arithmetic_on_edges_at_roles(
    one: Circuit, other: Circuit, seed: int
) -> None:
    names = ("S", "T", "END")
    rng = random.Random(seed)
    for circuit in (one, other):
        some = [edge for edge in circuit.edges() if rng.random() < 0.6]
        circuit.at = EdgeRoles(names).with_all({e: rng.sample(names, 2) for e in some})
    found = compare_at_roles(one, other, compare(one, other).edges)
    if not one.at and not other.at:
        assert found is None
        return
    assert found is not None
    mine, others = (
        {f"{edge}@{role}" for edge in effective(c) for role in names if c.has(f"{edge}@{role}")}
        for c in (one, other)
    )
    waiting = compare(one, other).edges.undecided
    undecided = {name for name in mine ^ others if name.partition("@")[0] in waiting}
    assert set(found.both) == mine & others
    assert set(found.missing) == others - mine - undecided
    assert set(found.extra) == mine - others - undecided
    assert set(found.undecided) == undecided
    assert (found.n_circuit, found.n_reference) == (len(mine), len(others))
