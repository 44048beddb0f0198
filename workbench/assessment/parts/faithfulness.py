"""Faithfulness: how much of what the model does the circuit does, in all and by prompt.

F = (m(C) - m(corrupted)) / (m(model) - m(corrupted)), a ratio of means over the pairs (Hanna et al.
2024, 2403.17806), not a mean of ratios: a pair whose own span is near zero would drown the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.assessment.results.faithfulness import Faithfulness, PromptScore
from workbench.assessment.settings import AssessmentSettings
from workbench.assessment.tools.bootstrap import Bootstrap
from workbench.base.transfers import on_host
from workbench.base.work import Work
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.metrics.metric import LOGIT_BYTES, Metric
from workbench.transformer.forward import unembed


def assess_part(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Faithfulness]:
    """The circuit's faithfulness, with everything outside it ablated.

    Raises:
        WorkbenchError: the circuit is another model's, or its metric is not a number.
    """
    evaluator = Evaluator(experiment, circuit)
    value = evaluator.value()
    yield 0.3
    of_circuit, of_model = [], []
    for i, (sheet, recording, metric) in enumerate(
        zip(evaluator.sheets, experiment.recordings, experiment.metrics, strict=True)
    ):
        of_circuit.append(_read(metric, sheet.final))
        of_model.append(_read(metric, recording.clean.final[:, -1]))
        yield 0.3 + 0.6 * (i + 1) / len(experiment.recordings)
    ours, models = _joined(experiment, of_circuit), _joined(experiment, of_model)
    m_circuit, m_model, m_corrupted = (
        np.array(run.per_pair) for run in (value, experiment.clean, experiment.corrupted)
    )
    check_numbers(m_circuit, "circuit")
    bootstrap = Bootstrap.of(
        experiment.n_pairs, settings.resamples, settings.confidence, settings.seed
    )
    faithfulness, undefined = bootstrap.ratio(
        m_circuit, m_model, m_corrupted, experiment.faithfulness(value.metric)
    )
    return Faithfulness(
        metric=experiment.metric_name,
        model=bootstrap.mean(m_model),
        corrupted=bootstrap.mean(m_corrupted),
        circuit=bootstrap.mean(m_circuit),
        faithfulness=faithfulness,
        kl=bootstrap.mean(ours.kl),
        accuracy=bootstrap.mean(ours.correct),
        model_accuracy=bootstrap.mean(models.correct),
        agreement=bootstrap.mean((ours.top == models.top).astype(np.float64)),
        prompts=_prompts(experiment, np.stack([m_model, m_corrupted, m_circuit]), ours, models),
        closed=circuit.is_closed,
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=settings.seed,
        undefined=undefined,
    )


def check_numbers(per_pair: NDArray[np.float64], what: str) -> None:
    """Refuse a metric that is NaN or infinite, of which nothing can be said.

    Raises:
        WorkbenchError: on how many pairs it is not a number.
    """
    bad = int((~np.isfinite(per_pair)).sum())
    if bad:
        raise WorkbenchError(
            f"The metric of the {what} is not a number on {bad} of {len(per_pair)} pairs: try "
            "float32, or leave those prompts out."
        )


@dataclass
class _Read:
    """What is read off a run's logits, all [pair] in the task's order."""

    correct: NDArray[np.float64]
    kl: NDArray[np.float64]
    top: NDArray[np.int64]
    rank: NDArray[np.int64]


def _read(metric: Metric, final: Tensor) -> Tensor:
    """What one group's final residuals say: [pair, d_model] to [pair, 4].

    Right or not, KL, most likely token and rank of the best answer; so many pairs at a time that
    their logits fit.
    """
    at_once = max(1, LOGIT_BYTES // (4 * metric.parts.w_u.shape[1]))
    rows = []
    with torch.no_grad():
        for start in range(0, len(final), at_once):
            pairs = slice(start, start + at_once)
            of_pairs = metric.part(pairs)
            logits = unembed(metric.parts, final[pairs])
            answers = of_pairs.answers
            right = logits.gather(-1, answers.right)
            best = right.masked_fill(answers.right_weight == 0, float("-inf")).amax(-1)
            rank = 1 + (logits > best[:, None]).sum(-1)
            columns = (
                of_pairs.correct(logits[:, None])[:, 0],
                of_pairs.kl(logits[:, None])[:, 0],
                logits.argmax(-1),
                rank,
            )
            rows.append(torch.stack([on_host(column.double()) for column in columns], dim=1))
    return torch.cat(rows)


def _joined(experiment: Experiment, groups: list[Tensor]) -> _Read:
    correct, kl, top, rank = experiment.in_order(groups).T
    return _Read(correct, kl, top.astype(np.int64), rank.astype(np.int64))


def _prompts(
    experiment: Experiment, metrics: NDArray[np.float64], ours: _Read, models: _Read
) -> tuple[PromptScore, ...]:
    """Every pair, the largest shortfall first; `metrics` of model, corrupted run and circuit."""
    batch = experiment.batch
    # A distance is better the smaller it is; every other metric the larger.
    sign = -1.0 if experiment.metric_name == "kl" else 1.0
    tops, model_tops = (batch.encoding.pieces(read.top.tolist()) for read in (ours, models))
    scores = [
        PromptScore(
            index=i,
            clean=pair.clean,
            corrupted=pair.corrupted,
            answers=pair.answers,
            wrong_answers=pair.wrong_answers,
            model_metric=float(metrics[0, i]),
            corrupted_metric=float(metrics[1, i]),
            circuit_metric=float(metrics[2, i]),
            shortfall=float(sign * (metrics[0, i] - metrics[2, i])),
            right=bool(ours.correct[i]),
            model_right=bool(models.correct[i]),
            top=tops[i],
            model_top=model_tops[i],
            agrees=bool(ours.top[i] == models.top[i]),
            rank=int(ours.rank[i]),
            model_rank=int(models.rank[i]),
            kl=float(ours.kl[i]),
        )
        for i, pair in enumerate(batch.task.pairs)
    ]
    return tuple(sorted(scores, key=lambda score: -score.shortfall))
