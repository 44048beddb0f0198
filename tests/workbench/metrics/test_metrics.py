"""Metrics against their definitions, written out pair by pair on logits of the plain model."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.cases.engine_cases import case
from workbench.errors import WorkbenchError
from workbench.metrics.catalogue import BUILT_IN, METRICS, MetricKind
from workbench.metrics.metric import Answers, Metric
from workbench.transformer.forward import unembed

RIGHT = [(3, 5, 8), (4,), (7, 9)]
WRONG = [(10,), (11, 12), (13, 14, 15, 16)]


def by_hand(name: str, logits: Tensor, clean: Tensor, right: tuple[int, ...], wrong: Any) -> float:
    """One pair's metric from its logits [vocabulary] and the clean run's."""
    p = logits.double().softmax(-1)
    if name == "logit_diff":
        return sum(float(logits[i]) for i in right) / len(right) - sum(
            float(logits[i]) for i in wrong
        ) / len(wrong)
    if name == "prob_diff":
        return sum(float(p[i]) for i in right) - sum(float(p[i]) for i in wrong)
    if name == "kl":
        q = clean.double().softmax(-1)
        return sum(
            float(a) * (math.log(a) - math.log(b)) for a, b in zip(q, p, strict=True) if a > 0
        )
    return float(max(logits[i] for i in right) > max(logits[i] for i in wrong))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_metric_is_what_its_definition_says(name: str, family: str) -> None:
    parts = case(family).model.parts
    generator = torch.Generator().manual_seed(3)
    clean = torch.randn(3, parts.d_model, generator=generator)
    finals = torch.randn(3, 4, parts.d_model, generator=generator)
    answers = Answers.of(RIGHT, WRONG, parts.device, parts.dtype)
    metric = Metric(name, parts, answers, clean)
    logits, clean_logits = unembed(parts, finals), unembed(parts, clean)
    found = metric.of_residual(finals)
    assert found.shape == (3, 4)
    for i in range(3):
        for k in range(4):
            expected = by_hand(name, logits[i, k], clean_logits[i], RIGHT[i], WRONG[i])
            assert float(found[i, k]) == pytest.approx(expected, abs=1e-4)
            correct, kl = (x[i] for x in metric.correct_and_kl(finals[:, k]))
            assert float(correct) == by_hand(
                "accuracy", logits[i, k], clean_logits[i], RIGHT[i], WRONG[i]
            )
            assert float(kl) == pytest.approx(
                by_hand("kl", logits[i, k], clean_logits[i], RIGHT[i], WRONG[i]), abs=1e-4
            )
    if name == "logit_diff":  # from all logits, as where they are capped
        torch.testing.assert_close(metric.logit_difference(logits), found, rtol=0, atol=1e-4)
    torch.testing.assert_close(
        metric.part(slice(1, 3)).of_residual(finals[1:]), found[1:], rtol=0, atol=1e-5
    )


def test_kl_of_the_model_with_itself_is_zero() -> None:
    parts = case("gpt2").model.parts
    clean = torch.randn(2, parts.d_model, generator=torch.Generator().manual_seed(1))
    answers = Answers.of(RIGHT[:2], WRONG[:2], parts.device, parts.dtype)
    kl = Metric("kl", parts, answers, clean).of_residual(clean[:, None])
    assert float(kl.min()) >= 0 and float(kl.max()) < 1e-5


def test_without_wrong_answers_the_answer_has_to_be_the_best_of_all() -> None:
    parts = case("gpt2").model.parts
    final = torch.randn(1, parts.d_model, generator=torch.Generator().manual_seed(2))
    best = int(unembed(parts, final).argmax())
    for token, expected in ((best, 1.0), ((best + 1) % parts.w_u.shape[1], 0.0)):
        answers = Answers.of([(token,)], [()], parts.device, parts.dtype)
        metric = Metric("accuracy", parts, answers, final)
        assert float(metric.of_residual(final[:, None])) == expected


def test_a_tie_is_no_right_answer_but_a_shared_best_token_is() -> None:
    """Against wrong answers the right one has to be ahead; alone it has to be behind none."""
    parts = case("gpt2").model.parts
    logits = torch.zeros(1, 1, parts.w_u.shape[1])
    final = torch.zeros(1, parts.d_model)
    for wrong, expected in (((2,), 0.0), ((), 1.0)):
        answers = Answers.of([(1,)], [wrong], parts.device, parts.dtype)
        assert float(Metric("accuracy", parts, answers, final).correct(logits)) == expected


def test_an_unknown_metric_is_refused() -> None:
    parts = case("gpt2").model.parts
    answers = Answers.of(RIGHT[:1], WRONG[:1], parts.device, parts.dtype)
    with pytest.raises(WorkbenchError, match="choose one of: logit_diff, prob_diff"):
        Metric("perplexity", parts, answers, torch.zeros(1, parts.d_model))


@pytest.mark.parametrize("name", METRICS)
def test_many_alternatives_are_measured_a_few_at_a_time(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = case("llama").experiment
    clean = experiment.recordings[0].clean.final[:, -1]
    answers = experiment.metrics[0].answers
    metric = Metric(name, experiment.parts, answers, clean)
    finals = clean[:, None] + torch.randn(1, 7, 1, generator=torch.Generator().manual_seed(0))
    together = metric.of_residual(finals)
    one = 4 * len(clean) * experiment.parts.w_u.shape[1]
    for n in (0, 1, 3):
        monkeypatch.setattr("workbench.metrics.metric.LOGIT_BYTES", n * one)
        torch.testing.assert_close(metric.of_residual(finals), together)


def test_the_bias_of_the_unembedding_is_scaled_as_its_logits_are() -> None:
    plain = case("llama").model.parts
    bias = torch.randn(plain.w_u.shape[1], generator=torch.Generator().manual_seed(4))
    parts = replace(plain, b_u=bias, logit_scale=0.25)
    finals = torch.randn(3, 2, parts.d_model, generator=torch.Generator().manual_seed(5))
    answers = Answers.of(RIGHT, WRONG, parts.device, parts.dtype)
    metric = Metric("logit_diff", parts, answers, finals[:, 0])
    logits = 0.25 * (parts.norm_final(finals) @ parts.w_u + bias)
    for i in range(3):
        for k in range(2):
            expected = by_hand("logit_diff", logits[i, k], logits[i, k], RIGHT[i], WRONG[i])
            assert float(metric.of_residual(finals)[i, k]) == pytest.approx(expected, abs=1e-5)


def test_another_final_norm_is_that_of_all_that_is_computed() -> None:
    parts = case("llama").model.parts
    finals = torch.randn(3, 2, parts.d_model, generator=torch.Generator().manual_seed(6))
    answers = Answers.of(RIGHT, WRONG, parts.device, parts.dtype)
    for name in ("logit_diff", "accuracy", "prob_diff"):
        metric = Metric(name, parts, answers, finals[:, 0]).with_final_norm(torch.nn.Identity())
        logits = finals @ parts.w_u
        expected = [
            [by_hand(name, logits[i, k], logits[i, k], RIGHT[i], WRONG[i]) for k in range(2)]
            for i in range(3)
        ]
        torch.testing.assert_close(
            metric.of_residual(finals), torch.tensor(expected), rtol=0, atol=1e-4
        )


def test_one_answer_against_one_is_a_number_and_against_none_is_not() -> None:
    parts = case("gpt2").model.parts
    final = torch.randn(1, 1, parts.d_model, generator=torch.Generator().manual_seed(7))
    logits = unembed(parts, final)
    for right, wrong in (((3,), (5,)), ((3,), ()), ((), (5,)), ((), ())):
        answers = Answers.of([right], [wrong], parts.device, parts.dtype)
        found = float(Metric("logit_diff", parts, answers, final[:, 0]).logit_difference(logits))
        if right and wrong:
            assert found == pytest.approx(float(logits[0, 0, 3] - logits[0, 0, 5]), abs=1e-5)
        else:
            assert math.isnan(found)


@pytest.mark.parametrize("fitting", [1, 3, 5])
def test_so_many_alternatives_at_a_time_as_their_logits_fit(
    fitting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the clean distribution is computed once."""
    parts, sizes = case("gpt2").model.parts, list[int]()
    finals = torch.randn(3, 11, parts.d_model, generator=torch.Generator().manual_seed(8))
    answers = Answers.of(RIGHT, WRONG, parts.device, parts.dtype)
    metric = Metric("kl", parts, answers, finals[:, 0])

    def counted(parts: Any, final: Tensor) -> Tensor:
        sizes.append(final.shape[1] if final.ndim == 3 else 0)
        return unembed(parts, final)

    monkeypatch.setattr("workbench.metrics.metric.unembed", counted)
    monkeypatch.setattr(
        "workbench.metrics.metric.LOGIT_BYTES", fitting * 3 * 4 * parts.w_u.shape[1]
    )
    metric.of_residual(finals)
    pieces = [min(fitting, 11 - at) for at in range(0, 11, fitting)]
    assert sorted(sizes) == sorted([0, *pieces])


def test_which_metrics_go_in_steps_and_which_answers_they_have_to_have() -> None:
    """A method by slopes is refused for the first; pairs without answers for the others."""
    kinds = {kind.name: kind for kind in BUILT_IN}
    assert [name for name, kind in kinds.items() if kind.in_steps] == ["accuracy"]
    assert [name for name, kind in kinds.items() if not kind.answers] == ["kl"]
    assert [name for name, kind in kinds.items() if kind.wrong_answers] == ["logit_diff"]
    plain = MetricKind("a", "b")
    assert not plain.in_steps and plain.answers and plain.wrong_answers
