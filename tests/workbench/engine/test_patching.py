"""Effects in the three settings, and EAP, against the reference on the bridge's hooks."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.support.cases.engine_cases import (
    FAMILIES,
    case,
    expected_effect,
    random_circuit,
    some_edges,
)
from workbench.circuits.circuit import Circuit
from workbench.discovery.estimates import estimates
from workbench.engine.effect_settings import SETTINGS
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import drop_costs, edge_effects, node_effects
from workbench.errors import WorkbenchError

families = pytest.mark.parametrize("family", FAMILIES)


@families
@pytest.mark.parametrize("setting", SETTINGS)
def test_edge_effects_equal_the_reference(family: str, setting: str) -> None:
    c = case(family)
    circuit = random_circuit(c.graph, 0.3, seed=9)
    edges = some_edges(c.graph, 15, seed=10)
    evaluator = Evaluator(c.experiment, circuit)
    found: dict[str, float] = {}
    for names, effects in edge_effects(evaluator, edges, setting):
        found.update(zip(names, effects, strict=True))
    assert list(found) == edges
    expected = [expected_effect(c, circuit, e, setting) for e in edges]
    np.testing.assert_allclose([found[e] for e in edges], expected, rtol=0, atol=2e-5)
    assert setting != "full" or np.abs(expected).max() > 1e-3


def test_within_the_circuit_an_open_destination_counts_as_all_kept() -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, Circuit.start(c.graph))
    edges = ["m2->logits", "input->logits"]
    (names, effects), *_ = edge_effects(evaluator, edges, "within")
    into = {c.graph.edge_name(s, c.graph.logits_destination) for s in range(c.graph.n_sources)}
    everything_else = frozenset(c.graph.destinations) - {"logits"}
    for edge, effect in zip(names, effects, strict=True):
        expected = c.circuit_metric(into - {edge}, everything_else).mean()
        assert effect == pytest.approx(expected - c.experiment.clean.metric, abs=2e-5)


def test_drop_costs_are_effects_within_the_circuit() -> None:
    c = case("llama")
    circuit = random_circuit(c.graph, 0.2, seed=11)
    evaluator = Evaluator(c.experiment, circuit)
    here = evaluator.value().metric
    edges = circuit.edges()[:6]
    for names, costs in drop_costs(evaluator, edges):
        for edge, cost in zip(names, costs, strict=True):
            dropped = c.circuit_metric(set(circuit.edges()) - {edge}).mean()
            assert cost == pytest.approx(dropped - here, abs=2e-5)


@families
def test_node_effects_are_activation_patching(family: str) -> None:
    c = case(family)
    evaluator = Evaluator(c.experiment, Circuit.empty(c.graph))
    nodes = ["input", "a0.h1", "m0", "a1.h0", "m1"]
    every = set(c.graph.edges())
    for names, effects in node_effects(evaluator, nodes):
        for node, effect in zip(names, effects, strict=True):
            kept = {e for e in every if not e.startswith(f"{node}->")}
            expected = c.circuit_metric(kept).mean() - c.experiment.clean.metric
            assert effect == pytest.approx(expected, abs=2e-5)
    with pytest.raises(WorkbenchError, match="logits"):
        list(node_effects(evaluator, ["logits"]))


def test_cancelling_keeps_what_was_found() -> None:
    c = case("gpt2")
    evaluator = Evaluator(c.experiment, Circuit.full(c.graph))
    edges = list(c.graph.edges())[:40]
    stop = threading.Event()
    batches = []
    for names, _ in edge_effects(evaluator, edges, "full", cancel=stop):
        batches.append(names)
        stop.set()
    assert len(batches) == 1 and batches[0] == edges[: len(batches[0])]


def test_an_unknown_setting_is_refused() -> None:
    evaluator = Evaluator(case("gpt2").experiment, Circuit.empty(case("gpt2").graph))
    with pytest.raises(WorkbenchError, match="full, along, within"):
        list(edge_effects(evaluator, ["m0->logits"], "everywhere"))


@families
def test_eap_is_the_gradient_times_the_difference(family: str) -> None:
    """Central differences: corrupt an edge by a small share, and see what the metric does."""
    c = case(family)
    scores = estimates(c.experiment)
    assert scores.shape == (c.graph.n_sources, c.graph.n_destinations)
    for edge in some_edges(c.graph, 8, seed=12):
        slopes = []
        for group, reference in zip(c.experiment.batch.groups, c.references, strict=True):
            share = 0.02
            up, down = (reference.nudged(edge, s) for s in (share, -share))
            slopes.append((group, (up - down) / (2 * share)))
        expected = float(c.metric([slope for _, slope in slopes]).mean())
        found = scores[c.graph.parse_edge(edge)]
        assert found == pytest.approx(expected, rel=0.02, abs=2e-3)


def test_eap_does_not_depend_on_how_pairs_are_sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.discovery.estimates import eap

    c = case("llama")
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": 1})
    np.testing.assert_allclose(eap(c.experiment), estimates(c.experiment), rtol=2e-6, atol=1e-6)
