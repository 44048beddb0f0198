"""Activation patching of nodes, everywhere and by position, against hooks on the plain model."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tests.support.cases.node_cases import LENGTHS, NAMES, STARTS, node_case, workspace_of
from workbench.circuits.circuit import Circuit
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.engine.evaluator import Evaluator
from workbench.engine.patching import node_effects

TOLERANCE = 5e-5
names = pytest.mark.parametrize("name", [*NAMES, "olmo2", "mixtral"])


@names
def test_nodes_are_corrupted_at_all_positions(name: str) -> None:
    c = node_case(name)
    nodes = c.found("activation-patching").nodes
    assert nodes is not None
    for node, found in zip(c.graph.sources, nodes, strict=True):
        effects = [c.effect(g, r.patched(node)) for g, r in enumerate(c.references)]
        assert found == pytest.approx(np.concatenate(effects).mean(), abs=TOLERANCE)
    assert np.abs(nodes).max() > 0.1


@names
def test_positions_are_corrupted_one_by_one_aligned_at_the_ends(name: str) -> None:
    c = node_case(name)
    positions = c.found("activation-patching").positions
    assert positions is not None
    longest = max(LENGTHS)
    assert positions.shape == (c.graph.n_sources, longest)
    expected = np.zeros((c.graph.n_sources, longest))
    for source, node in enumerate(c.graph.sources):
        for column in range(longest):
            for g, reference in enumerate(c.references):
                place = column - (longest - LENGTHS[g])
                if place >= 0:
                    expected[source, column] += c.effect(g, reference.patched(node, [place])).sum()
    np.testing.assert_allclose(positions, expected / c.n_pairs, rtol=0, atol=TOLERANCE)
    first = min(longest - n + start for n, start in zip(LENGTHS, STARTS, strict=True))
    assert (positions[:, :first] == 0).all()
    assert np.abs(positions[:, first]).max() > 1e-3


def test_effects_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    c = node_case("llama")
    whole = c.found("activation-patching")
    alone = []
    for experiment in c.by_pair():
        nodes = c.found("activation-patching", experiment).nodes
        assert nodes is not None
        alone.append(nodes)
    assert whole.nodes is not None and whole.positions is not None
    np.testing.assert_allclose(whole.nodes, np.mean(alone, axis=0), rtol=0, atol=1e-5)
    monkeypatch.setattr("workbench.engine.node_patching.what_if_bytes", lambda device: 1)
    one_by_one = c.found("activation-patching")
    assert one_by_one.nodes is not None and one_by_one.positions is not None
    np.testing.assert_allclose(one_by_one.nodes, whole.nodes, rtol=0, atol=1e-5)
    np.testing.assert_allclose(one_by_one.positions, whole.positions, rtol=0, atol=1e-5)


def test_what_is_there_on_the_way_is_final() -> None:
    c = node_case("gpt2")
    whole = c.found("activation-patching")
    findings = Findings.of(c.graph, "activation-patching", "logit_diff")
    fractions = []
    for fraction in find_method("activation-patching").load()(c.experiment, findings, Options()):
        fractions.append(fraction)
        assert findings.nodes is not None and whole.nodes is not None
        known = ~np.isnan(findings.nodes)
        assert known.any() and not findings.complete
        np.testing.assert_allclose(findings.nodes[known], whole.nodes[known], rtol=0, atol=1e-6)
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1)


def test_nodes_in_any_order() -> None:
    c = node_case("gpt_neox")
    evaluator = Evaluator(c.experiment, Circuit.empty(c.graph))
    nodes = ["m1", "a0.h0", "input", "a2.h1", "a0.h1", "m0"]
    whole = c.found("activation-patching").nodes
    assert whole is not None
    for batch, effects in node_effects(evaluator, nodes):
        expected = [whole[c.graph.source_index(node)] for node in batch]
        np.testing.assert_allclose(effects, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("ablation", ["zero", "positional-mean"])
def test_with_constants_in_place_of_the_corrupted_run(ablation: str) -> None:
    c = node_case("llama")
    experiment = workspace_of(c.experiment.model, c.groups, ablation=ablation)
    found = c.found("activation-patching", experiment)
    node, place = "a1.h2", 1  # before the prompts differ
    expected = np.zeros(2)
    for g, reference in enumerate(c.references):
        constants = {
            name: torch.zeros_like(x) if ablation == "zero" else x.mean(0).expand_as(x)
            for name, x in reference.values.items()
        }
        other = copy.copy(reference)
        other.corrupted_values = constants
        expected[0] += c.effect(g, other.patched(node)).sum()
        column = place - (max(LENGTHS) - LENGTHS[g])
        if column >= 0:
            expected[1] += c.effect(g, other.patched(node, [column])).sum()
    source = c.graph.source_index(node)
    assert found.nodes is not None and found.positions is not None
    scores = [found.nodes[source], found.positions[source, place]]
    np.testing.assert_allclose(scores, expected / c.n_pairs, rtol=0, atol=TOLERANCE)
    assert abs(expected[1]) > 1e-4 or ablation != "zero"
