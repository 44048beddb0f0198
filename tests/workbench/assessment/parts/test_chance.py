"""Random circuits are alive, of the size or shape asked for, and scored like any other."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from tests.support.cases.assessment_cases import known_experiment, level_experiment, refused
from tests.support.cases.engine_cases import case, random_circuit
from workbench.assessment.parts.chance import assess_part
from workbench.assessment.results.chance import SHAPE, SIZE
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.random_circuits import RandomCircuits
from workbench.base.work import finish
from workbench.bundled_models.known import true_circuit
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph

GRAPHS = [Graph(1, 1), Graph(3, 2), Graph(2, 3, parallel=True), Graph(12, 12)]


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_circuits_of_a_size_are_alive_and_of_that_size(graph: Graph) -> None:
    random = RandomCircuits(graph, 0)
    for n in {0, 1, 2, 3, 5, graph.n_edges // 2, graph.n_edges, min(200, graph.n_edges)}:
        mask = random.of_size(n)
        assert mask.sum() == n
        assert not (mask & ~all_edges(graph)).any()
        assert Circuit(graph, mask).pruned().n_edges == n


def test_every_edge_may_be_drawn() -> None:
    graph = Graph(2, 2)
    random = RandomCircuits(graph, 1)
    seen = np.zeros_like(all_edges(graph))
    for _ in range(300):
        seen |= random.of_size(6)
    assert (seen == all_edges(graph)).all()


def test_circuits_of_a_shape_keep_it() -> None:
    graph = Graph(3, 4)
    circuit = random_circuit(graph, 0.2, seed=1).pruned()
    random = RandomCircuits(graph, 0)
    seen = set()
    for _ in range(20):
        other = Circuit(graph, random.of_shape(circuit.mask))
        assert kinds(other) == kinds(circuit)
        assert degrees(other) == degrees(circuit)
        assert other.pruned() == other
        seen.add(other.mask.tobytes())
    assert len(seen) > 15


def kinds(circuit: Circuit) -> list[tuple[str, ...]]:
    """Layer and kind of both ends of every edge."""

    def kind(name: str) -> str:
        node, _, which = name.partition("<")
        return f"{node.partition('.')[0]}<{which}"

    return sorted(tuple(kind(end) for end in e.split("->")) for e in circuit.edges())


def degrees(circuit: Circuit) -> list[tuple[str, int, int]]:
    """How many edges enter and leave the nodes of every layer and kind."""
    graph = circuit.graph
    return sorted(
        (
            node.partition(".")[0],
            int(circuit.mask[graph.source_index(node)].sum()),
            sum(
                int(circuit.mask[:, graph.destination_index(d)].sum())
                for d in graph.destinations_of(node)
            ),
        )
        for node in graph.sources
    )


def test_a_path_leads_through_from_the_input_to_the_logits() -> None:
    graph = Graph(3, 2)
    circuit = random_circuit(graph, 0.3, seed=3).pruned()
    assert circuit.n_edges > 0
    random = RandomCircuits(graph, 0)
    for _ in range(50):
        path = random.path(circuit.mask)
        assert path and not any(circuit.mask[edge] for edge in path)
        more = circuit.copy()
        for edge in path:
            more.mask[edge] = True
        assert more.pruned() == more
        for (_, into), (source, _) in pairwise(path):
            assert graph.node_of(graph.destinations[into]) == graph.sources[source]


def test_metrics_and_ranks_equal_the_reference() -> None:
    c = case("gpt2")
    circuit = random_circuit(c.graph, 0.25, seed=3)
    kept = circuit.pruned()
    found = finish(assess_part(c.experiment, circuit, AssessmentSettings(n_random=6, seed=5)))
    own = c.circuit_metric(set(kept.edges())).mean()
    clean, corrupted = c.experiment.clean.metric, c.experiment.corrupted.metric
    assert found.edges == kept.n_edges
    assert found.circuit == pytest.approx(own, abs=2e-5)
    for number, baseline in enumerate(found.baselines):
        random = RandomCircuits(c.graph, (5, number))
        masks = [
            random.of_size(kept.n_edges) if baseline.kind == SIZE else random.of_shape(kept.mask)
            for _ in range(6)
        ]
        expected = [c.circuit_metric(set(Circuit(c.graph, mask).edges())).mean() for mask in masks]
        np.testing.assert_allclose(baseline.metrics, expected, atol=3e-5)
        share = (np.array(expected) - corrupted) / (clean - corrupted)
        np.testing.assert_allclose(baseline.faithfulness or (), share, atol=2e-4)
        mine = (own - corrupted) / (clean - corrupted)
        assert baseline.distinct == len({mask.tobytes() for mask in masks})
        if baseline.distinct == 6 and np.abs(share - mine).min() > 1e-4:
            assert baseline.p == pytest.approx((1 + (share >= mine).sum()) / 7)
            nearer = np.abs(np.array(expected) - clean) <= abs(own - clean)
            assert baseline.p_nearer == pytest.approx((1 + nearer.sum()) / 7)


def test_the_true_circuit_beats_all_random_circuits() -> None:
    settings = AssessmentSettings(n_random=40)
    found = finish(assess_part(known_experiment(), true_circuit(), settings))
    by_kind = {baseline.kind: baseline for baseline in found.baselines}
    assert by_kind[SIZE].p == by_kind[SIZE].p_nearer == pytest.approx(1 / 41)
    # Of this shape there are few, so that the circuit itself may be drawn.
    assert (by_kind[SHAPE].p or 1) < 0.1
    assert max(by_kind[SIZE].faithfulness or (1,)) < 0.5
    again = finish(assess_part(known_experiment(), true_circuit(), settings))
    assert again == found
    other = finish(
        assess_part(known_experiment(), true_circuit(), AssessmentSettings(seed=1, n_random=40))
    )
    assert other.baselines[0].metrics != found.baselines[0].metrics
    assert json.loads(json.dumps(found.to_json()))["edges"] == 11


def test_empty_open_and_without_faithfulness() -> None:
    c = case("gpt2")
    found = finish(
        assess_part(c.experiment, Circuit.empty(c.graph), AssessmentSettings(n_random=3))
    )
    assert [b.p for b in found.baselines] == [1, 1]
    assert [b.distinct for b in found.baselines] == [1, 1]
    refused(assess_part(c.experiment, Circuit.start(c.graph), AssessmentSettings()))


def test_no_faithfulness_where_the_model_does_not_tell_clean_from_corrupted() -> None:
    experiment = level_experiment()
    circuit = random_circuit(experiment.graph, 0.3, seed=1)
    found = finish(assess_part(experiment, circuit, AssessmentSettings(n_random=3)))
    assert found.faithfulness is None
    assert all(b.faithfulness is None and b.p is None for b in found.baselines)
    assert all(0 < b.p_nearer <= 1 for b in found.baselines)
