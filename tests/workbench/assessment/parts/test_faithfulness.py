"""Faithfulness and its intervals, against loops over the plain model's logits."""

from __future__ import annotations

import json
import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.cases.assessment_cases import Case, case
from tests.support.cases.engine_cases import random_circuit
from workbench.assessment.parts.faithfulness import assess_part
from workbench.assessment.results.faithfulness import Faithfulness
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.bootstrap import Bootstrap
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError


def assessed(c: Case, circuit: Circuit, n: int = 50, seed: int = 0) -> Faithfulness:
    return finish(assess_part(c.experiment, circuit, AssessmentSettings(resamples=n, seed=seed)))


def log_softmax(row: list[float]) -> list[float]:
    top = max(row)
    total = math.log(sum(math.exp(x - top) for x in row)) + top
    return [x - total for x in row]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_number_is_that_of_the_plain_model(family: str, seed: int) -> None:
    c = case(family)
    circuit = random_circuit(c.graph, 0.5, seed)
    found = assessed(c, circuit)
    edges = set(circuit.edges())
    runs = {"circuit": c.logits(edges), "model": c.logits()}
    metrics = {
        "circuit": c.logit_diffs(edges),
        "model": c.logit_diffs(),
        "corrupted": c.logit_diffs(corrupted=True),
    }
    means = {name: statistics.fmean(values) for name, values in metrics.items()}
    for name, mean in means.items():
        assert getattr(found, name).value == pytest.approx(mean, abs=1e-4)
    share = (means["circuit"] - means["corrupted"]) / (means["model"] - means["corrupted"])
    assert found.faithfulness.value == pytest.approx(share, rel=1e-3, abs=1e-4)
    pieces = c.experiment.batch.encoding.pieces
    assert sorted(p.index for p in found.prompts) == list(range(c.experiment.n_pairs))
    for p in found.prompts:
        row, model_row = (runs[name][p.index].double().tolist() for name in ("circuit", "model"))
        pair = c.experiment.batch.task.pairs[p.index]
        assert (p.clean, p.corrupted) == (pair.clean, pair.corrupted)
        assert (p.answers, p.wrong_answers) == (pair.answers, pair.wrong_answers)
        right, wrong = c.answers(p.index)
        assert p.right == (max(row[t] for t in right) > max(row[t] for t in wrong))
        assert p.model_right == (
            max(model_row[t] for t in right) > max(model_row[t] for t in wrong)
        )
        assert p.rank == 1 + sum(x > max(row[t] for t in right) for x in row)
        assert p.model_rank == 1 + sum(x > max(model_row[t] for t in right) for x in model_row)
        best = row.index(max(row))
        assert p.top == pieces([best])[0]
        assert p.agrees == (best == model_row.index(max(model_row)))
        log_p, log_q = log_softmax(model_row), log_softmax(row)
        kl = sum(math.exp(a) * (a - b) for a, b in zip(log_p, log_q, strict=True))
        assert p.kl == pytest.approx(kl, abs=1e-4)
        assert p.shortfall == pytest.approx(
            metrics["model"][p.index] - metrics["circuit"][p.index], abs=1e-4
        )
    assert found.accuracy.value == statistics.fmean(p.right for p in found.prompts)
    assert found.model_accuracy.value == statistics.fmean(p.model_right for p in found.prompts)
    assert found.agreement.value == statistics.fmean(p.agrees for p in found.prompts)
    assert found.kl.value == pytest.approx(statistics.fmean(p.kl for p in found.prompts))


def test_the_prompts_that_fail_most_come_first_whatever_the_metric() -> None:
    for metric in ("logit_diff", "prob_diff", "kl", "accuracy"):
        c = case("gpt2", metric)
        found = assessed(c, random_circuit(c.graph, 0.5, 3))
        shortfalls = [p.shortfall for p in found.prompts]
        assert shortfalls == sorted(shortfalls, reverse=True)
        if metric == "kl":
            assert shortfalls == pytest.approx([p.kl for p in found.prompts], abs=1e-5)
            assert min(shortfalls) >= 0


def test_everything_and_nothing() -> None:
    c = case()
    full, empty = (assessed(c, make(c.graph)) for make in (Circuit.full, Circuit.empty))
    assert full.faithfulness.value == pytest.approx(1, abs=1e-4)
    assert full.faithfulness.low == pytest.approx(1, abs=1e-3)
    assert full.kl.value == pytest.approx(0, abs=1e-6)
    assert full.agreement.value == 1
    assert empty.faithfulness.value == pytest.approx(0, abs=1e-6)
    assert empty.circuit.value == empty.corrupted.value


def test_the_interval_is_that_of_ratios_of_resampled_means() -> None:
    """The same draws, by loops; and other draws give nearly the same interval."""
    c = case()
    circuit = random_circuit(c.graph, 0.7, 5)
    found = assessed(c, circuit, n=400, seed=3)
    by_pair = {p.index: p for p in found.prompts}
    n = len(by_pair)
    ratios = []
    for draw in np.random.default_rng(3).integers(0, n, (400, n)).tolist():
        pairs = [by_pair[i] for i in draw]
        model = statistics.fmean(p.model_metric for p in pairs)
        corrupted = statistics.fmean(p.corrupted_metric for p in pairs)
        kept = statistics.fmean(p.circuit_metric for p in pairs)
        ratios.append((kept - corrupted) / (model - corrupted))
    ratios.sort()

    def percentile(share: float) -> float:
        place = share * (len(ratios) - 1)
        low = int(place)
        return ratios[low] + (place - low) * (ratios[low + 1] - ratios[low])

    assert found.faithfulness.low == pytest.approx(percentile(0.025), rel=1e-9)
    assert found.faithfulness.high == pytest.approx(percentile(0.975), rel=1e-9)
    assert found.undefined == 0
    assert assessed(c, circuit, n=400, seed=3) == found
    assert assessed(c, circuit, n=400, seed=4).faithfulness != found.faithfulness


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        values = generator.normal(2, 1, 60)
        estimate = Bootstrap.of(60, 300, 0.9, trial).mean(values)
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= 2 <= estimate.high
    assert 0.83 <= covered / 200 <= 0.95


@given(st.integers(2, 8), st.integers(0, 1000), st.floats(0.1, 50), st.floats(-50, 50))
@settings(max_examples=40, deadline=None)
def test_faithfulness_knows_no_unit(n: int, seed: int, scale: float, shift: float) -> None:
    """Whatever is measured, in whatever unit from whatever zero, the interval is the same."""
    r = random.Random(seed)
    model, corrupted, kept = (
        np.array([r.gauss(mean, 0.1) for _ in range(n)]) for mean in (3, 1, 2.5)
    )
    bootstrap = Bootstrap.of(n, 50, 0.95, seed)
    plain, _ = bootstrap.ratio(kept, model, corrupted, 0.75)
    kept, model, corrupted = (scale * values + shift for values in (kept, model, corrupted))
    other, _ = bootstrap.ratio(kept, model, corrupted, 0.75)
    assert other.low == pytest.approx(plain.low, rel=1e-6)
    assert other.high == pytest.approx(plain.high, rel=1e-6)


def test_one_pair_has_numbers_and_no_interval() -> None:
    found = assessed(case("gpt2", "logit_diff", (0,)), Circuit.full(case().graph))
    assert found.faithfulness.value == pytest.approx(1, abs=1e-4)
    assert (found.faithfulness.low, found.kl.high) == (None, None)


def test_where_nothing_tells_clean_from_corrupted_there_is_no_ratio() -> None:
    same = np.array([1.0, 1.0])
    estimate, undefined = Bootstrap.of(2, 30, 0.95, 0).ratio(same, same, same, None)
    assert (estimate.value, estimate.low, undefined) == (None, None, 30)
    # A draw of the second pair alone has no span.
    estimate, undefined = Bootstrap.of(2, 400, 0.95, 0).ratio(
        np.array([1.5, 1.0]), np.array([2.0, 1.0]), same, 0.5
    )
    assert (estimate.low, estimate.high) == (0.5, 0.5)
    assert 60 < undefined < 140


def test_bad_input_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    c = case()
    with pytest.raises(WorkbenchError, match="another model"):
        assessed(c, Circuit.full(Graph(5, 3)))
    broken = c.experiment.metrics[0]
    monkeypatch.setattr(broken, "of_residual", lambda final: final[..., 0] * math.nan)
    with pytest.raises(WorkbenchError, match=r"not a number on \d of 5 pairs"):
        assessed(c, random_circuit(c.graph, 0.5, 0))


def test_the_result_is_plain() -> None:
    c = case()
    found = assessed(c, random_circuit(c.graph, 0.5, 0))
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["prompts"][0]["clean"] == found.prompts[0].clean
    assert again["faithfulness"]["low"] == found.faithfulness.low
