"""The tests' p-values against sums and permutations written out, and what they say of `known`."""

from __future__ import annotations

import json
from itertools import permutations
from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.cases.assessment_cases import known_experiment, refused
from tests.support.cases.engine_cases import ablated_case, case, random_circuit
from workbench.assessment.parts.hypotheses import (
    EQUIVALENCE,
    INDEPENDENCE,
    MINIMALITY,
    PARTIAL_NECESSITY,
    SUFFICIENCY,
    assess_part,
)
from workbench.assessment.results.hypotheses import Hypotheses
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.random_circuits import RandomCircuits
from workbench.assessment.tools.statistics import equivalence_p, holm, hsic_permutations
from workbench.assessment.tools.variants import complement_scores
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES, true_circuit
from workbench.circuits.circuit import Circuit, all_edges
from workbench.engine.evaluator import Evaluator

pytestmark = pytest.mark.dependencies


def binomial(counts: range, n: int, p: float) -> float:
    return sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in counts)


def by_name(found: Hypotheses, name: str) -> list:
    return [test for test in found.tests if test.name == name]


@pytest.mark.parametrize(("wins", "n"), [(8, 16), (12, 16), (0, 16), (3.5, 7), (5.5, 6), (1, 1)])
def test_equivalence_is_a_sum_of_binomial_chances(wins: float, n: int) -> None:
    far = [k for k in range(n + 1) if abs(2 * k - n) >= abs(2 * wins - n)]
    expected = sum(comb(n, k) * 0.6**k * 0.4 ** (n - k) for k in far)
    assert equivalence_p(wins, n, 0.1) == pytest.approx(expected)


def test_equivalence_keeps_its_level_where_it_has_to() -> None:
    """Rejected at 5 % at most where the chance of winning is anywhere within epsilon."""
    n = 40
    rejected = [k for k in range(n + 1) if equivalence_p(k, n, 0.1) <= 0.05]
    assert 0 in rejected and n in rejected
    for chance in (0.4, 0.45, 0.5, 0.6):
        assert sum(binomial(range(k, k + 1), n, chance) for k in rejected) <= 0.05 + 1e-9


def hsic(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """tr(K H L H) / (n - 1)^2 with the matrices written out."""
    n = len(x)

    def kernel(v: NDArray[np.float64]) -> NDArray[np.float64]:
        distances = [abs(v[i] - v[j]) for i in range(n) for j in range(i)]
        sigma = np.median(distances)
        return np.array([[np.exp(-((a - b) ** 2) / (2 * sigma**2)) for b in v] for a in v])

    h = np.eye(n) - 1 / n
    return float(np.trace(kernel(x) @ h @ kernel(y) @ h) / (n - 1) ** 2)


def test_hsic_and_its_permutations() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=5)
    y = x**2 + 0.1 * random.normal(size=5)
    statistic, p = finish(hsic_permutations(x, y, 4000, np.random.default_rng(1)))
    assert statistic == pytest.approx(hsic(x, y))
    exact = np.mean([hsic(x, y[list(o)]) >= statistic - 1e-12 for o in permutations(range(5))])
    assert p == pytest.approx(exact, abs=0.03)
    x = random.normal(size=60)
    y = x**2  # dependent, though hardly correlated
    assert finish(hsic_permutations(x, y, 300, random))[1] == pytest.approx(1 / 301)
    apart = [
        finish(hsic_permutations(one, other, 99, random))[1]
        for one, other in (random.normal(size=(2, 12)) for _ in range(100))
    ]
    assert 0.3 < np.mean(apart) < 0.7
    assert np.mean(np.array(apart) <= 0.05) < 0.15
    assert finish(hsic_permutations(x, np.ones(60), 50, random))[1] == 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == pytest.approx([1, 1])
    assert holm([]) == []


@pytest.mark.parametrize("ablation", ["patching", "zero", "mean"])
def test_the_model_without_a_circuit_equals_the_evaluator(ablation: str) -> None:
    c = case("gpt2") if ablation == "patching" else ablated_case("gpt2", ablation)
    masks = [random_circuit(c.graph, share, seed=4).mask for share in (0.1, 0.5, 0.9)]
    found = finish(complement_scores(c.experiment, masks))
    for mask, values in zip(masks, found, strict=True):
        rest = Circuit(c.graph, all_edges(c.graph) & ~mask)
        expected = Evaluator(c.experiment, rest).value().per_pair
        np.testing.assert_allclose(values, expected, atol=3e-4)
        if ablation == "patching":
            np.testing.assert_allclose(values, c.circuit_metric(set(rest.edges())), atol=3e-5)


@pytest.mark.parametrize(
    ("family", "ablation"),
    [("llama", "zero"), ("llama", "mean"), ("llama", "patching"), ("neox", "patching")],
)
def test_models_without_few_edges_and_without_all(family: str, ablation: str) -> None:
    """Some inputs lose all that they read: nothing is left but rounding, which a norm magnifies."""
    c = case(family) if ablation == "patching" else ablated_case(family, ablation)
    random, every = np.random.default_rng(0), all_edges(c.graph)
    taken = [every & (random.random(every.shape) < share) for share in (0.0, 0.05, 0.4, 1.0)]
    found = finish(complement_scores(c.experiment, taken))
    for edges, values in zip(taken, found, strict=True):
        left = Circuit(c.graph, every & ~edges)
        expected = Evaluator(c.experiment, left).value().per_pair
        np.testing.assert_allclose(values, expected, atol=2e-5)


def test_every_test_from_nothing() -> None:
    c = case("llama")
    graph, clean = c.graph, c.experiment.clean.metric
    circuit = random_circuit(graph, 0.12, seed=9)
    kept = circuit.pruned()
    assert (kept.n_edges, circuit.n_edges) == (14, 30), "some edges are dead"
    settings = AssessmentSettings(seed=3, n_random=12, q=0.7)
    found = finish(assess_part(c.experiment, circuit, settings))
    edges, every = set(kept.edges()), set(graph.edges())
    own = c.circuit_metric(edges)

    (test,) = by_name(found, EQUIVALENCE)
    wins = (own > np.array(c.experiment.clean.per_pair)).sum()
    assert test.statistic == pytest.approx(wins / 5)
    assert test.p == pytest.approx(equivalence_p(wins, 5, 0.1))

    (test,) = by_name(found, INDEPENDENCE)
    rest = c.circuit_metric(every - edges)
    assert test.statistic == pytest.approx(
        hsic(np.array(c.experiment.clean.per_pair), rest), rel=0.01
    )

    (test,) = by_name(found, SUFFICIENCY)
    random = RandomCircuits(graph, (3, 0))
    others = [Circuit(graph, random.of_size(kept.n_edges)) for _ in range(12)]
    far = [abs(c.circuit_metric(set(other.edges())).mean() - clean) for other in others]
    beaten = sum(abs(own.mean() - clean) <= distance for distance in far)
    assert test.statistic == pytest.approx(beaten / 12)
    assert test.p == pytest.approx(binomial(range(beaten, 13), 12, 0.7))

    (test,) = by_name(found, PARTIAL_NECESSITY)
    random = RandomCircuits(graph, 3)
    others = [Circuit(graph, random.of_size(kept.n_edges)) for _ in range(12)]
    lost = [abs(c.circuit_metric(every - set(other.edges())).mean() - clean) for other in others]
    more = sum(abs(rest.mean() - clean) > effect for effect in lost)
    assert test.statistic == pytest.approx(more / 12)
    assert test.p == pytest.approx(binomial(range(more, 13), 12, 0.7))

    random = RandomCircuits(graph, 3)
    effects = []
    for _ in range(12):
        path = random.path(kept.mask)
        out = path[random.one_of(len(path))]
        inflated = edges | {graph.edge_name(*edge) for edge in path}
        without = inflated - {graph.edge_name(*out)}
        change = c.circuit_metric(inflated).mean() - c.circuit_metric(without).mean()
        effects.append(abs(change))
    tests = by_name(found, MINIMALITY)
    assert [test.edge for test in tests] == circuit.edges()
    for test in tests:
        change = abs(c.circuit_metric(edges - {test.edge}).mean() - own.mean())
        near = sum(abs(change - effect) < 1e-3 for effect in effects)
        count = round(test.statistic * 12)
        assert abs(count - sum(change > effect for effect in effects)) <= near
        assert test.p == pytest.approx(binomial(range(count + 1), 12, 0.7))

    p = np.array([test.p for test in found.tests])
    order = np.argsort(p)
    for rank, i in enumerate(order):
        by_rank = [(len(p) - r) * p[j] for r, j in enumerate(order[: rank + 1])]
        assert found.tests[i].holm == pytest.approx(min(1, max(by_rank)))
        rest_of = [len(p) / (r + 1) * p[order[r]] for r in range(rank, len(p))]
        assert found.tests[i].benjamini_hochberg == pytest.approx(min(1, *rest_of, 1))
    for test in found.tests:
        assert test.rejected == (test.p <= 0.05)
        assert test.rejected_holm == (test.holm <= 0.05)
        assert test.rejected_benjamini_hochberg == (test.benjamini_hochberg <= 0.05)
        assert test.hypothesis.endswith(".")


def test_the_true_circuit_stands_and_a_redundant_edge_is_found_out() -> None:
    experiment = known_experiment()
    settings = AssessmentSettings(n_random=30)
    found = finish(assess_part(experiment, true_circuit(), settings))
    assert by_name(found, SUFFICIENCY)[0].statistic == 1
    assert by_name(found, SUFFICIENCY)[0].rejected
    assert len(by_name(found, MINIMALITY)) == 11
    assert all(test.statistic > 0.8 and not test.rejected for test in by_name(found, MINIMALITY))
    assert found == finish(assess_part(experiment, true_circuit(), settings))
    more = Circuit.from_edges(experiment.graph, [*TRUE_EDGES, "input->m1", "a0.h0->logits"])
    tests = {
        t.edge: t for t in by_name(finish(assess_part(experiment, more, settings)), MINIMALITY)
    }
    assert tests["input->m1"].rejected_holm, "it leads nowhere"
    assert tests["a0.h0->logits"].rejected_holm, "nothing clean reaches it"
    assert not tests["m2->logits"].rejected


def test_edge_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("gpt2")
    monkeypatch.setattr("workbench.assessment.parts.hypotheses.MOST_COMPLEMENTS", 2)
    settings = AssessmentSettings(n_random=3)
    empty = finish(assess_part(c.experiment, Circuit.empty(c.graph), settings))
    assert [test.name for test in empty.tests] == [EQUIVALENCE, INDEPENDENCE]
    assert "No edge" in empty.remarks[0]
    full = finish(assess_part(c.experiment, Circuit.full(c.graph), settings))
    assert by_name(full, EQUIVALENCE)[0].statistic == 0.5
    assert by_name(full, EQUIVALENCE)[0].p == pytest.approx(1)
    assert by_name(full, MINIMALITY) == [] and "Minimality" in full.remarks[0]
    one = finish(assess_part(known_experiment(pairs=1), true_circuit(), settings))
    assert by_name(one, SUFFICIENCY)[0].n == 3 and by_name(one, PARTIAL_NECESSITY)[0].n == 2
    assert by_name(one, INDEPENDENCE) == [] and "at least 4 pairs" in one.remarks[0]
    assert json.loads(json.dumps(one.to_json()))["tests"][0]["name"] == EQUIVALENCE
    refused(assess_part(c.experiment, Circuit.start(c.graph), settings))
