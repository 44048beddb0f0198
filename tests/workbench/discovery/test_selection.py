"""Selection against brute force: which edges are chosen, and which of them are kept."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.discovery.findings import Findings
from workbench.discovery.selection import Selection, select
from workbench.engine.role_layout import RoleLayout
from workbench.errors import WorkbenchError

GRAPHS = st.builds(Graph, st.integers(1, 3), st.integers(1, 3), st.booleans())
# Few values, so that many are equal.
SCORES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.0, -1.0, math.nan, math.inf, -math.inf]),
    st.floats(-2, 2, width=32),
)


@st.composite
def some_findings(draw: st.DrawFn) -> Findings:
    graph = draw(GRAPHS)
    found = Findings.of(graph, "eap", draw(st.sampled_from(["logit_diff", "kl"])))
    # Also where there is no edge: those must not be chosen whatever stands there.
    found.edges = draw(arrays(np.float32, found.edges.shape, elements=SCORES))
    found.needed = draw(st.sampled_from([-1, 0, 1]))
    return found


def worth(found: Findings, edge: str, signed: bool) -> float:
    score = float(found.edges[found.graph.parse_edge(edge)])
    if not signed:
        return abs(score)
    return -score if found.needed < 0 else score


def candidates(found: Findings, signed: bool) -> list[tuple[float, int, str]]:
    """(-worth, place, name) of all edges that have a score, by going through the names."""
    made = []
    for edge in found.graph.edges():
        value = worth(found, edge, signed)
        source, destination = found.graph.parse_edge(edge)
        if not math.isnan(value):
            made.append((-value, source * found.graph.n_destinations + destination, edge))
    return made


def pruned(graph: Graph, edges: set[str]) -> set[str]:
    """Without dead ends, by the definition: a node has edges in and out, or is at one end."""
    edges = set(edges)
    while True:
        parsed = [(edge, edge.split("->")[0], edge.split("->")[1].split("<")[0]) for edge in edges]
        feeding = {source for _, source, _ in parsed} | {"logits"}
        fed = {node for _, _, node in parsed} | {"input"}
        alive = feeding & fed
        left = {edge for edge, source, node in parsed if source in alive and node in alive}
        if left == edges:
            return edges
        edges = left


def naive_greedy(found: Findings, n: int, signed: bool) -> list[str]:
    """Look at every edge before every choice."""
    everything = candidates(found, signed)
    chosen: list[str] = []
    reached = {"logits"}
    for _ in range(n):
        open_ = [
            entry
            for entry in everything
            if entry[2] not in chosen and entry[2].split("->")[1].split("<")[0] in reached
        ]
        if not open_:
            break
        edge = min(open_)[2]
        chosen.append(edge)
        reached.add(edge.split("->")[0])
    return chosen


def check(found: Findings, selection: Selection, chosen: list[str]) -> None:
    selected = select(found, selection)
    assert selected.chosen == len(chosen)
    assert selected.asked == selection.n
    assert selected.unit == "edges"
    assert set(selected.circuit.edges()) == pruned(found.graph, set(chosen))
    assert selected.kept == selected.circuit.n_edges
    assert selected.circuit.is_closed


@settings(deadline=None)
@given(some_findings(), st.integers(1, 80), st.booleans())
def test_the_best_n(found: Findings, n: int, signed: bool) -> None:
    chosen = [edge for _, _, edge in sorted(candidates(found, signed))[:n]]
    check(found, Selection("top", n, signed=signed), chosen)


@settings(deadline=None)
@given(some_findings(), st.floats(0, 2), st.booleans(), st.booleans())
def test_all_that_reach_a_threshold(
    found: Findings, threshold: float, signed: bool, negative: bool
) -> None:
    threshold = -threshold if negative and signed else threshold
    chosen = [edge for value, _, edge in candidates(found, signed) if -value >= threshold]
    check(found, Selection("threshold", None, threshold, signed), chosen)


@settings(deadline=None, max_examples=60)
@given(some_findings(), st.integers(1, 60), st.booleans())
def test_greedily_from_the_logits(found: Findings, n: int, signed: bool) -> None:
    check(found, Selection("greedy", n, signed=signed), naive_greedy(found, n, signed))


@settings(deadline=None, max_examples=60)
@given(some_findings(), st.integers(1, 40), st.booleans(), st.sampled_from(["top", "greedy"]))
def test_as_many_as_leave_n(found: Findings, n: int, signed: bool, how: str) -> None:
    selected = select(found, Selection(how, n, signed=signed, fill=True))  # type: ignore[arg-type]
    total = len(candidates(found, signed))
    fitting = [
        (plain.chosen, plain.kept)
        for count in range(1, total + 1)
        if (plain := select(found, Selection(how, count, signed=signed))).kept <= n  # type: ignore[arg-type]
    ]
    best = max(fitting, default=(0, 0))
    assert (selected.chosen, selected.kept) == best
    assert selected.asked == n


@given(some_findings())
def test_an_edge_without_a_score_is_never_chosen(found: Findings) -> None:
    for selection in (
        Selection("top", found.graph.n_edges),
        Selection("threshold", None, 0.0),
        Selection("greedy", found.graph.n_edges),
    ):
        kept = select(found, selection).circuit.mask
        assert not (kept & np.isnan(found.edges)).any()
        assert not (kept & ~all_edges(found.graph)).any()


def test_more_edges_than_there_are() -> None:
    graph = Graph(2, 2)
    found = Findings(graph, "eap", np.ones((graph.n_sources, graph.n_destinations), np.float32))
    for how in ("top", "greedy"):
        for fill in (False, True):
            selected = select(found, Selection(how, 10**6, fill=fill))
            assert selected.circuit == Circuit.full(graph)
            assert selected.chosen == selected.kept == graph.n_edges


def test_a_threshold_is_the_number_that_a_file_shows() -> None:
    graph = Graph(1, 1)
    found = Findings(graph, "eap", np.full((3, 5), 0.7, np.float32))
    shown = float(np.float32(0.7))  # a little less than 0.7
    assert select(found, Selection("threshold", None, shown)).kept == graph.n_edges
    assert select(found, Selection("threshold", None, 0.7)).kept == 0


def nodes_findings(values: list[float], needed: int = -1) -> Findings:
    found = Findings.of(Graph(2, 1), "atp", "logit_diff")
    found.nodes = np.array(values, dtype=np.float32)
    found.needed = needed
    return found


@pytest.mark.parametrize(
    ("selection", "nodes"),
    [
        (Selection("top", 1), {"m1"}),
        (Selection("top", 2, signed=True), {"m0", "a0.h0"}),
        (Selection("threshold", None, 2.0), {"m1", "m0"}),
        (Selection("threshold", None, 1.0, signed=True), {"m0", "a0.h0"}),
        (Selection("threshold", None, 9.5), set()),
        (Selection("top", 9), {"m1", "m0", "a0.h0"}),
    ],
)
def test_the_best_nodes_bring_all_edges_among_them(selection: Selection, nodes: set[str]) -> None:
    #                       input a0.h0   m0 a1.h0      m1
    found = nodes_findings([-9.0, -1.0, -2.0, math.nan, 5.0])
    selected = select(found, selection)
    inside = nodes | {"input", "logits"}
    expected = {
        edge
        for edge in found.graph.edges()
        if edge.split("->")[0] in inside and edge.split("->")[1].split("<")[0] in inside
    }
    assert set(selected.circuit.edges()) == pruned(found.graph, expected) == expected
    assert selected.unit == "nodes"
    counts = (selected.asked, selected.chosen, selected.kept)
    assert counts == (selection.n, len(nodes), len(nodes))


def test_a_search_has_chosen_already() -> None:
    graph = Graph(1, 1)
    found = Findings.of(graph, "acdc", "logit_diff")
    found.kept = Circuit.from_edges(graph, ["input->m0", "m0->logits", "a0.h0->logits"]).mask
    selected = select(found, None)
    assert (selected.asked, selected.chosen, selected.kept) == (None, 3, 2)
    assert selected.circuit.edges() == ["input->m0", "m0->logits"]
    with pytest.raises(WorkbenchError, match="itself"):
        select(found, Selection("top", 3))


@pytest.mark.parametrize(
    "arguments",
    [
        {"how": "best", "n": 3},
        {"how": "top"},
        {"how": "top", "n": 0},
        {"how": "greedy", "n": -1},
        {"how": "top", "n": 3, "threshold": 0.1},
        {"how": "threshold"},
        {"how": "threshold", "threshold": math.nan},
        {"how": "threshold", "threshold": math.inf, "signed": True},
        {"how": "threshold", "threshold": -0.1},
        {"how": "threshold", "threshold": 0.1, "n": 3},
        {"how": "threshold", "threshold": 0.1, "fill": True},
    ],
)
def test_selections_that_mean_nothing(arguments: dict[str, object]) -> None:
    with pytest.raises(WorkbenchError) as caught:
        Selection(**arguments)  # type: ignore[arg-type]
    assert str(caught.value).endswith(".")


def test_scores_need_a_selection() -> None:
    with pytest.raises(WorkbenchError, match="selected"):
        select(Findings.of(Graph(1, 1), "eap", "logit_diff"), None)
    for selection in (Selection("greedy", 2), Selection("top", 2, fill=True), None):
        with pytest.raises(WorkbenchError, match="nodes"):
            select(nodes_findings([1.0] * 5), selection)


def test_a_method_of_nodes_that_scored_none_is_refused() -> None:
    found = nodes_findings([1.0] * 5)
    found.nodes = None
    with pytest.raises(WorkbenchError, match="scores nodes"):
        select(found, Selection("top", 2))


def test_what_a_search_kept_at_roles_stays_at_them() -> None:
    graph = Graph(1, 1)
    found = Findings.of(graph, "acdc", "logit_diff")
    found.kept = np.zeros((graph.n_sources, graph.n_destinations), dtype=np.uint64)
    for edge in ("input->m0", "m0->logits"):
        found.kept[graph.parse_edge(edge)] = 2
    found.roles, found.layout = ("S", "END"), RoleLayout.of_rows([(0, 0, 1)])
    circuit = select(found, None).circuit
    assert circuit.at.kept == {"input->m0": ("END",), "m0->logits": ("END",)}


def test_a_model_of_two_million_edges_takes_a_moment() -> None:
    graph = Graph(48, 25)
    found = Findings.of(graph, "eap", "logit_diff")
    found.edges[:] = _normal(found.edges.shape)
    began = time.perf_counter()
    for how in ("top", "greedy"):
        assert select(found, Selection(how, 20_000)).chosen == 20_000
    assert time.perf_counter() - began < 30  # half a second each where nobody else computes


def _normal(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
