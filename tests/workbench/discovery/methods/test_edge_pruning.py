"""Edge pruning: the circuits that it learns, its gates, and what does not change its findings."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.cases.engine_cases import case
from workbench import load_model, load_task
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES
from workbench.circuits.circuit import Circuit, all_edges
from workbench.discovery.catalogue import find_method
from workbench.discovery.estimates import estimates
from workbench.discovery.findings import Findings
from workbench.discovery.methods import edge_pruning
from workbench.discovery.methods.edge_pruning import Gates, find
from workbench.discovery.options import Options
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import is_kept
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch

pytestmark = pytest.mark.slow


@cache
def experiment(model: str, task: str, pairs: int) -> Experiment:
    loaded = load_model(model, device="cpu", dtype="float32")
    made = load_task(task, loaded, pairs=pairs)
    return Experiment(loaded, make_batch(made, loaded.tokenizer), metric=made.metric)


def learned(on: Experiment, **options: Any) -> Findings:
    findings = Findings.of(on.graph, "edge-pruning", on.metric_name)
    finish(find(on, findings, Options(**options)))
    return findings


def test_the_true_edges_are_learned_exactly() -> None:
    on = experiment("known", "induction", 8)
    findings = learned(on, edges=11, steps=300)
    assert findings.kept is not None
    assert set(Circuit(on.graph, is_kept(findings.kept)).edges()) == set(TRUE_EDGES)


def test_a_learned_circuit_is_at_least_as_faithful_as_the_best_by_eap() -> None:
    on = experiment("pocket", "greater-than", 8)
    findings = learned(on, edges=50)
    by_eap = Circuit.empty(on.graph)
    by_eap.mask.reshape(-1)[np.argsort(-np.abs(estimates(on)).reshape(-1))[:50]] = True
    assert findings.kept is not None
    mine = Evaluator(on, Circuit(on.graph, is_kept(findings.kept))).value()
    other = Evaluator(on, by_eap.pruned()).value()
    far = [abs(1 - (on.faithfulness(value.metric) or 0)) for value in (mine, other)]
    assert far[0] < far[1]
    assert mine.kl < other.kl


def test_findings_are_probabilities_and_usable_after_every_step() -> None:
    on = case("llama").experiment
    findings = Findings.of(on.graph, "edge-pruning", "logit_diff")
    fractions = []
    for fraction in find(on, findings, Options(steps=5, edges=30)):
        fractions.append(fraction)
        if fraction * 5 == round(fraction * 5):
            assert findings.kept is not None
            assert 0 < findings.kept.sum() <= 30
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert findings.complete
    assert findings.needed == 1
    real = all_edges(on.graph)
    assert np.isnan(findings.edges[~real]).all()
    assert ((findings.edges[real] >= 0) & (findings.edges[real] <= 1)).all()
    # In expectation as many gates are open as asked for.
    assert findings.edges[real].sum() == pytest.approx(30, rel=1e-3)
    assert findings.kept is not None
    assert not (findings.kept & ~real).any()


def test_the_catalogue_finds_it() -> None:
    method = find_method("edge-pruning")
    assert method.load() is find
    assert method.defaults == {"steps": edge_pruning.STEPS, "by_role": False}


def test_a_seed_gives_the_same_findings_and_another_seed_others() -> None:
    on = case("gpt2").experiment
    first, again, other = (learned(on, steps=6, edges=20, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.edges, again.edges, equal_nan=True)
    assert not np.array_equal(first.edges, other.edges, equal_nan=True)


def test_slices_of_pairs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    on = case("gpt2").experiment
    whole = learned(on, steps=6, edges=20)
    monkeypatch.setattr(edge_pruning, "what_if_bytes", lambda device: 1)
    pieces = learned(on, steps=6, edges=20)
    np.testing.assert_allclose(pieces.edges, whole.edges, atol=2e-4)


def test_every_pair_comes_once_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    on = case("gpt2").experiment
    monkeypatch.setattr(edge_pruning, "CHUNK", 1)
    monkeypatch.setattr(edge_pruning, "PAIRS_A_STEP", 2)
    batches = edge_pruning._minibatches(on, torch.Generator().manual_seed(0))
    for _ in range(3):
        seen = [
            (which, pair)
            for _ in range(3)  # two pairs, two, and the one that is left
            for which, pairs in next(batches)
            for pair in range(pairs.start, pairs.stop)
        ]
        assert sorted(seen) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]


def test_the_weights_are_left_alone() -> None:
    c = case("neox")
    before = {name: value.clone() for name, value in c.model.hf.state_dict().items()}
    learned(c.experiment, steps=3, edges=10)
    assert all(torch.equal(before[name], now) for name, now in c.model.hf.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in c.model.hf.parameters())


def test_a_gate_opens_as_often_as_it_says() -> None:
    gates = Gates(5 * 20000, 2, 10)
    gates.a = torch.tensor([-4.0, -2.0, 0.0, 1.0, 3.0], dtype=torch.float64).repeat(20000)
    random = torch.Generator().manual_seed(0)
    draws = gates.draw(torch.rand(len(gates.a), generator=random, dtype=torch.float64))
    assert (draws.min() == 0) and (draws.max() == 1)
    often = (draws > 0).double().view(20000, 5).mean(0)
    torch.testing.assert_close(often, gates.open_probability()[:5], rtol=0, atol=0.012)


def test_a_gate_learns_along_its_slope() -> None:
    gates = Gates(1, 1, 10)
    noise = torch.tensor([0.3], dtype=torch.float64)
    value = []
    for a in (-0.5 - 1e-6, -0.5 + 1e-6, -0.5):
        gates.a = torch.tensor([a], dtype=torch.float64)
        value.append(float(gates.draw(noise)))
    assert 0 < value[2] < 1
    assert float(gates._slope) == pytest.approx((value[1] - value[0]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("options", [{"steps": 0}, {"edges": 0}])
def test_nothing_to_learn_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(WorkbenchError, match="at least one"):
        learned(case("gpt2").experiment, **options)
