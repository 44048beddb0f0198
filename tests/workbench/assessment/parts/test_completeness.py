"""What model and circuit score without sets of nodes, against evaluations from nothing."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from tests.support.cases.assessment_cases import known_experiment, level_experiment, refused
from tests.support.cases.engine_cases import FAMILIES, ablated_case, case, random_circuit
from workbench.assessment.parts.completeness import STARTS, assess_part
from workbench.assessment.results.completeness import Completeness
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.knockout import model_without
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES, true_circuit
from workbench.circuits.circuit import Circuit, RoleGroup, all_edges
from workbench.engine.evaluator import Evaluator
from workbench.experiment.experiment import Experiment


def assess(experiment: Experiment, circuit: Circuit, seed: int = 0) -> Completeness:
    return finish(assess_part(experiment, circuit, AssessmentSettings(seed=seed, n_subsets=12)))


def without(edges: set[str], nodes: tuple[str, ...]) -> set[str]:
    def touches(edge: str) -> bool:
        source, into = edge.split("->")
        return source in nodes or into.split("<")[0] in nodes

    return {edge for edge in edges if not touches(edge)}


SUBSETS = [("m0",), ("a0.h1",), ("a1.h0", "m1"), (), ("a0.h0", "a0.h1", "m0", "a1.h1", "m1")]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_without_nodes_equals_the_reference(family: str) -> None:
    c = case(family)
    found = finish(model_without(c.experiment, SUBSETS))
    for nodes, values in zip(SUBSETS, found, strict=True):
        expected = c.circuit_metric(without(set(c.graph.edges()), nodes))
        np.testing.assert_allclose(values, expected, atol=3e-5)


@pytest.mark.parametrize("family", ["llama", "gemma2"] if "gemma2" in FAMILIES else ["llama"])
def test_sets_that_share_their_first_nodes_score_what_each_does_alone(family: str) -> None:
    c = case(family)
    nodes = [c.graph.nodes[i] for i in range(1, len(c.graph.nodes) - 1)]
    random = np.random.default_rng(0)
    sets = [tuple(n for n in nodes if random.random() < 0.3) for _ in range(17)]
    sets += [(*members, last) for members in sets[:4] for last in nodes[-2:]]
    together = finish(model_without(c.experiment, sets))
    for members, values in zip(sets, together, strict=True):
        (alone,) = finish(model_without(c.experiment, [members]))
        np.testing.assert_allclose(values, alone, atol=1e-5)


@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_the_model_without_nodes_where_they_write_constants(ablation: str) -> None:
    c = ablated_case("llama", ablation)
    found = finish(model_without(c.experiment, SUBSETS))
    for nodes, values in zip(SUBSETS, found, strict=True):
        mask = all_edges(c.graph)
        mask[[c.graph.source_index(node) for node in nodes]] = False
        expected = Evaluator(c.experiment, Circuit(c.graph, mask)).value().per_pair
        np.testing.assert_allclose(values, expected, atol=1e-4)


def test_points_equal_the_reference() -> None:
    c = case("llama")
    circuit = random_circuit(c.graph, 0.3, seed=3).pruned()
    circuit.groups = (
        RoleGroup("pair", "", tuple(circuit.nodes()[1:3])),
        RoleGroup("elsewhere", "", ("logits",)),
    )
    edges, every = set(circuit.edges()), set(c.graph.edges())
    found = assess(c.experiment, circuit)
    inner = set(circuit.nodes()) - {"input", "logits"}
    assert {p.nodes for p in found.points if p.kind == "node"} == {(node,) for node in inner}
    assert [p.nodes for p in found.points if p.kind == "group"] == [circuit.groups[0].nodes]
    assert any("elsewhere" in remark for remark in found.remarks)
    random = [p for p in found.points if p.kind == "random"]
    assert len(random) == 12 and len({len(p.nodes) for p in random}) > 3
    span = abs(c.experiment.clean.metric - c.experiment.corrupted.metric)
    for point in (found.whole, *[p for p in found.points if p.kind != "greedy"]):
        model = c.circuit_metric(without(every, point.nodes)).mean()
        mine = c.circuit_metric(without(edges, point.nodes)).mean()
        assert point.model == pytest.approx(model, abs=3e-5)
        assert point.circuit == pytest.approx(mine, abs=3e-5)
        assert point.gap == pytest.approx(abs(mine - model), abs=5e-5)
        assert point.gap_share == pytest.approx(abs(mine - model) / span, abs=2e-4)
    for summary in found.kinds:
        gaps = {p.nodes: p.gap for p in found.points if p.kind == summary.kind}
        assert summary.largest == max(gaps.values()) == gaps[summary.worst]
    assert found.incompleteness == max(summary.largest for summary in found.kinds)


def test_greedy_sets_grow_by_the_node_with_the_largest_gap() -> None:
    """The circuit has fewer nodes than candidates are drawn, so that nothing is left to chance."""
    c = case("gpt2")
    edges = ["input->m0", "m0->a1.h0<q>", "a1.h0->m1", "input->m1", "m1->logits", "a1.h0->logits"]
    circuit = Circuit.from_edges(c.graph, edges)
    nodes = [node for node in circuit.nodes() if node not in ("input", "logits")]
    every = set(c.graph.edges())

    def gap(members: tuple[str, ...]) -> float:
        model = c.circuit_metric(without(every, members)).mean()
        return float(abs(c.circuit_metric(without(set(edges), members)).mean() - model))

    expected: list[tuple[str, ...]] = []
    members: tuple[str, ...] = ()
    for _ in nodes:
        options = [tuple(n for n in nodes if n in (*members, new)) for new in nodes]
        members = max((o for o in options if len(o) > len(members)), key=gap)
        expected.append(members)
    greedy = [p for p in assess(c.experiment, circuit).points if p.kind == "greedy"]
    assert [p.nodes for p in greedy] == [m for m in expected for _ in range(STARTS)]


def test_the_true_circuit_is_complete_and_half_of_it_is_not() -> None:
    experiment = known_experiment()
    found = assess(experiment, true_circuit())
    assert {summary.kind for summary in found.kinds} == {"random", "greedy", "group", "node"}
    assert all((point.gap_share or 0) < 0.01 for point in found.points)
    half = Circuit.from_edges(experiment.graph, [e for e in TRUE_EDGES if "h3" not in e])
    half = half.pruned()
    gaps = {len(p.nodes): p.gap_share for p in assess(experiment, half).points}
    assert max(gap or 0 for gap in gaps.values()) > 0.1


def test_greedy_is_no_better_than_all_sets_and_reproducible() -> None:
    c = case("neox")
    circuit = random_circuit(c.graph, 0.15, seed=8).pruned()
    found = assess(c.experiment, circuit)
    assert found == assess(c.experiment, circuit)
    nodes = [node for node in circuit.nodes() if node not in ("input", "logits")]
    evaluator = Evaluator(c.experiment, circuit)
    gaps = []
    for size in range(1, len(nodes) + 1):
        for members in combinations(nodes, size):
            (model,) = finish(model_without(c.experiment, [members]))
            left = Circuit.from_edges(c.graph, sorted(without(set(circuit.edges()), members)))
            gaps.append(abs(evaluator.become(left).metric - model.mean()))
    assert found.incompleteness <= max(gaps) + 1e-4
    # The sets of one node are all tried.
    assert found.incompleteness >= max(gaps[: len(nodes)]) - 1e-4


def test_empty_open_and_without_faithfulness() -> None:
    c = case("gpt2")
    found = assess(c.experiment, Circuit.empty(c.graph))
    assert found.points == () and found.kinds == () and found.remarks
    assert found.incompleteness == 0
    span = abs(c.experiment.clean.metric - c.experiment.corrupted.metric)
    assert found.whole.gap == pytest.approx(span, abs=1e-5)
    assert json.loads(json.dumps(found.to_json()))["incompleteness"] == 0
    refused(assess_part(c.experiment, Circuit.start(c.graph), AssessmentSettings()))
    experiment = level_experiment()
    found = assess(experiment, random_circuit(experiment.graph, 0.6, seed=2))
    assert found.points and all(p.gap_share is None for p in found.points)
    assert all(summary.largest_share is None for summary in found.kinds)
