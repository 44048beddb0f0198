"""What circuits share, counted by hand, and what each scores on the other's task."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest

from tests.support.cases.assessment_cases import case, known_experiment
from tests.support.cases.engine_cases import random_circuit
from workbench.assessment.parts.overlap import compare_circuits, cross, overlap
from workbench.assessment.report.headlines import overlap as headline
from workbench.assessment.settings import AssessmentSettings
from workbench.base.work import finish
from workbench.bundled_models.known import true_circuit
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError

GRAPH = Graph(2, 2)
ONE = ["input->m0", "m0->logits", "input->logits"]
TWO = ["input->m0", "m0->m1", "m1->logits", "input->logits", "input->a0.h0<q>"]


def at_least(both: int, population: int, first: int, second: int) -> float:
    """P(X >= both) by counting."""
    ways = sum(
        comb(first, x) * comb(population - first, second - x)
        for x in range(both, min(first, second) + 1)
    )
    return ways / comb(population, second)


def test_counts_shares_and_chance() -> None:
    found = overlap([Circuit.from_edges(GRAPH, ONE), Circuit.from_edges(GRAPH, TWO)])
    (pair,) = found.pairs
    edges, nodes = pair.edges, pair.nodes
    assert (edges.first, edges.second, edges.both, edges.population) == (3, 5, 2, GRAPH.n_edges)
    assert edges.jaccard == pytest.approx(2 / 6)
    assert edges.recall_first == pytest.approx(2 / 3)
    assert edges.recall_second == pytest.approx(2 / 5)
    assert edges.p == pytest.approx(at_least(2, GRAPH.n_edges, 3, 5))
    # input, m0 against input, m0, m1, a0.h0 of the seven sources; the logits do not count.
    assert (nodes.first, nodes.second, nodes.both, nodes.population) == (2, 4, 2, 7)
    assert nodes.p == pytest.approx(at_least(2, 7, 2, 4))
    assert pair.differences == ()


def test_edges_of_both_at_other_roles_are_counted_and_told() -> None:
    one, two = Circuit.from_edges(GRAPH, ONE), Circuit.from_edges(GRAPH, TWO)
    two.at = EdgeRoles(("S1", "END")).with_all({"input->logits": ["END"], "m0->m1": ["END"]})
    found = overlap([one, two])
    assert found.pairs[0].other_roles == 1 and found.pairs[0].edges.both == 2
    assert "share 2 edges (1 of them at other token roles), Jaccard" in headline(found)
    # 3 edges at both roles against 2 at one and 3 at both; in common one at one and one at both.
    at = found.pairs[0].at_roles
    assert at is not None
    assert (at.first, at.second, at.both, at.population) == (6, 8, 3, 2 * GRAPH.n_edges)
    assert at.p == pytest.approx(at_least(3, 2 * GRAPH.n_edges, 6, 8))
    assert headline(found).endswith("; of edges at single roles 3, Jaccard 0.273.")
    assert overlap([one, one]).pairs[0].at_roles is None


def test_equal_empty_and_disjoint_circuits() -> None:
    one, empty = Circuit.from_edges(GRAPH, ONE), Circuit.empty(GRAPH)
    other = Circuit.from_edges(GRAPH, ["m1->logits"])
    found = overlap([one, one, empty, other])
    by_pair = {(pair.first, pair.second): pair for pair in found.pairs}
    assert list(by_pair) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    same = by_pair[0, 1].edges
    assert same.jaccard == same.recall_first == same.recall_second == 1
    assert same.p == pytest.approx(1 / comb(GRAPH.n_edges, 3))
    none = by_pair[0, 2].edges
    assert (none.jaccard, none.recall_first, none.recall_second, none.p) == (0, 0, None, 1)
    assert by_pair[0, 3].edges.both == 0 and by_pair[0, 3].edges.p == pytest.approx(1)
    assert overlap([empty, empty]).pairs[0].edges.jaccard is None


def test_differences_of_scores_edge_by_edge() -> None:
    one, two = Circuit.from_edges(GRAPH, ONE), Circuit.from_edges(GRAPH, TWO)
    rng = np.random.default_rng(0)
    one.scores, two.scores = rng.normal(size=(2, *one.mask.shape)).astype(np.float32)
    one.scores[GRAPH.parse_edge("m0->m1")] = np.nan
    (pair,) = overlap([one, two]).pairs
    assert {d.edge for d in pair.differences} == (set(ONE) | set(TWO)) - {"m0->m1"}
    sizes = [abs(d.difference) for d in pair.differences]
    assert sizes == sorted(sizes, reverse=True)
    for difference in pair.differences:
        at = GRAPH.parse_edge(difference.edge)
        assert difference.difference == pytest.approx(one.scores[at] - two.scores[at], rel=1e-5)
        assert difference.in_first == (difference.edge in ONE)
        assert difference.in_second == (difference.edge in TWO)


def test_each_on_the_other_task_normalised_by_that_task() -> None:
    first, second = case("gpt2"), case("gpt2", pairs=(0, 1))
    circuits = [random_circuit(first.graph, 0.5, seed=seed) for seed in (1, 2, 3)]
    found = finish(cross([first.experiment, second.experiment], circuits))
    assert len(found.metric) == 2 and found.circuits == ("circuit 1", "circuit 2", "circuit 3")
    for row, c in enumerate((first, second)):
        clean = np.mean(c.logit_diffs())
        corrupted = np.mean(c.logit_diffs(corrupted=True))
        for column, circuit in enumerate(circuits):
            score = np.mean(c.logit_diffs(set(circuit.edges())))
            assert found.metric[row][column] == pytest.approx(score, abs=3e-5)
            expected = (score - corrupted) / (clean - corrupted)
            assert found.faithfulness[row][column] == pytest.approx(expected, abs=1e-3)


def test_the_true_circuit_on_its_task() -> None:
    experiment = known_experiment()
    work = compare_circuits(
        [experiment], [true_circuit(), Circuit.empty(experiment.graph)], AssessmentSettings()
    )
    found = finish(work)
    assert found.cross is not None
    assert found.cross.tasks == ("induction",)
    assert found.cross.faithfulness[0] == pytest.approx((1, 0), abs=0.02)
    assert json.loads(json.dumps(found.to_json()))["cross"]["tasks"] == ["induction"]


def test_refusals() -> None:
    closed, opened = Circuit.from_edges(GRAPH, ONE), Circuit.start(GRAPH)
    with pytest.raises(WorkbenchError, match="two to 4"):
        overlap([closed])
    with pytest.raises(WorkbenchError, match="two to 4"):
        overlap([closed] * 5)
    with pytest.raises(WorkbenchError, match="still open"):
        overlap([closed, opened])
    with pytest.raises(WorkbenchError, match="shape"):
        overlap([closed, Circuit.empty(Graph(3, 3))])
