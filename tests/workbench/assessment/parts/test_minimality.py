"""Every edge's and node's loss equals that of a circuit evaluated from nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.cases.assessment_cases import known_experiment, level_experiment, refused
from tests.support.cases.engine_cases import FAMILIES, ablated_case, case, random_circuit
from workbench.assessment.parts.minimality import assess_part
from workbench.assessment.results.minimality import Minimality
from workbench.assessment.settings import AssessmentSettings
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES, true_circuit
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.experiment.experiment import Experiment


def assess(experiment: Experiment, circuit: Circuit) -> Minimality:
    return finish(assess_part(experiment, circuit, AssessmentSettings()))


def touching(edges: set[str], node: str) -> set[str]:
    return {e for e in edges if node in (e.split("->")[0], e.split("->")[1].split("<")[0])}


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_equal_the_reference(family: str) -> None:
    c = case(family)
    circuit = random_circuit(c.graph, 0.5, seed=2)
    edges = set(circuit.edges())
    whole = c.circuit_metric(edges).mean()
    found = assess(c.experiment, circuit)
    assert found.circuit == pytest.approx(whole, abs=2e-5)
    assert {loss.name for loss in found.edges} == edges
    for loss in found.edges[:: 1 + len(edges) // 25]:
        expected = c.circuit_metric(edges - {loss.name}).mean()
        assert loss.metric == pytest.approx(expected, abs=2e-5)
        assert loss.change == pytest.approx(expected - whole, abs=3e-5)
        assert loss.edges == 1
    assert {loss.name for loss in found.nodes} == set(circuit.nodes()) - {"input", "logits"}
    span = c.experiment.clean.metric - c.experiment.corrupted.metric
    for loss in found.nodes:
        expected = c.circuit_metric(edges - touching(edges, loss.name)).mean()
        assert loss.metric == pytest.approx(expected, abs=2e-5)
        assert loss.faithfulness == pytest.approx((expected - whole) / span, abs=1e-4)
        assert loss.edges == len(touching(edges, loss.name))
    for losses in (found.edges, found.nodes):
        sizes = [abs(loss.change) for loss in losses]
        assert sizes == sorted(sizes, reverse=True)
        assert sum(loss.share for loss in losses) == pytest.approx(1)


@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_nodes_cut_off_from_the_input_write_the_constant(ablation: str) -> None:
    """Else they would write what they compute from the others' constants."""
    c = ablated_case("gpt2", ablation)
    edges = ["input->m0", "m0->a1.h0<v>", "a1.h0->m2", "m2->logits", "input->a1.h0<q>"]
    circuit = Circuit.from_edges(c.graph, edges)
    found = assess(c.experiment, circuit)
    for loss in found.edges:
        left = Circuit.from_edges(c.graph, [e for e in edges if e != loss.name])
        assert loss.metric == pytest.approx(Evaluator(c.experiment, left).value().metric, abs=3e-5)


def test_dead_edges_change_nothing() -> None:
    c = case("llama")
    living = ["input->m0", "m0->logits"]
    dead = ["m0->a1.h1<q>", "a1.h0->logits", "a0.h0->m1", "m1->m2"]
    found = assess(c.experiment, Circuit.from_edges(c.graph, living + dead))
    marked = {loss.name for loss in found.edges if loss.dead}
    assert marked == set(dead)
    assert {loss.name for loss in found.nodes if loss.dead} == {
        "a1.h1",
        "a1.h0",
        "a0.h0",
        "m1",
        "m2",
    }
    for loss in (*found.edges, *found.nodes):
        assert (loss.change == 0) == loss.dead
        assert not (loss.dead and loss.improves)


def test_every_true_edge_matters_and_a_redundant_one_is_found_out() -> None:
    experiment = known_experiment()
    found = assess(experiment, true_circuit())
    assert all(loss.faithfulness is not None and loss.faithfulness < -0.01 for loss in found.edges)
    assert not any(loss.improves or loss.dead for loss in found.edges)
    more = Circuit.from_edges(experiment.graph, [*TRUE_EDGES, "input->m1", "m1->m2", "a0.h1->m1"])
    losses = {loss.name: loss for loss in assess(experiment, more).edges}
    for edge in ("input->m1", "m1->m2", "a0.h1->m1"):
        assert abs(losses[edge].faithfulness or 0) < 1e-3
    last = [loss.name for loss in assess(experiment, more).edges[-3:]]
    assert set(last) == {"input->m1", "m1->m2", "a0.h1->m1"}


@pytest.mark.parametrize("metric", ["logit_diff", "kl"])
def test_an_edge_whose_loss_improves_the_metric_is_marked(metric: str) -> None:
    c = case("gpt2")
    experiment = Experiment(c.model, c.experiment.batch, metric=metric)
    found = assess(experiment, random_circuit(c.graph, 0.3, seed=2))
    better = [loss for loss in found.edges if loss.improves]
    worse = [loss for loss in found.edges if not loss.improves and not loss.dead]
    assert better and worse
    sign = -1 if metric == "kl" else 1
    assert all(sign * loss.change > 0 for loss in better)
    assert all(sign * loss.change < 1e-4 for loss in worse)


def test_small_batches_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("neox")
    circuit = random_circuit(c.graph, 0.3, seed=4)
    together = {loss.name: loss.metric for loss in assess(c.experiment, circuit).edges}
    monkeypatch.setattr("workbench.engine.budget.WHAT_IF_BYTES", {"cpu": 1})
    alone = {loss.name: loss.metric for loss in assess(c.experiment, circuit).edges}
    np.testing.assert_allclose([alone[n] for n in together], list(together.values()), atol=1e-5)


def test_empty_and_open_circuits() -> None:
    c = case("gpt2")
    found = assess(c.experiment, Circuit.empty(c.graph))
    assert found.edges == found.nodes == ()
    assert found.circuit == pytest.approx(c.experiment.corrupted.metric)
    assert json.loads(json.dumps(found.to_json()))["edges"] == []
    refused(assess_part(c.experiment, Circuit.start(c.graph), AssessmentSettings()))


def test_no_faithfulness_where_the_model_does_not_tell_clean_from_corrupted() -> None:
    experiment = level_experiment()
    circuit = random_circuit(experiment.graph, 0.5, seed=2)
    found = assess(experiment, circuit)
    assert found.faithfulness is None
    assert all(loss.faithfulness is None for loss in (*found.edges, *found.nodes))
