"""Scoring many changed runs, over the pairs that the model answers rightly.

Whether an answer beats the wrong ones takes their logits alone, so that nothing of the vocabulary's
size is computed for it where every pair has both.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.errors import WorkbenchError
from workbench.flow.results import Score
from workbench.metrics.metric import Metric

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


class Scorer:
    """Accuracy and metric over the pairs that the model answers rightly.

    Attributes:
        right: [pair], in the task's order.
        base: the model's own.

    Raises:
        WorkbenchError: there is no such pair.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._accuracies = [accuracy_of(metric) for metric in experiment.metrics]
        finals = [r.whole.final[:, -1:] for r in experiment.recordings]
        correct, metric = self.by_pair(finals)
        self.right: NDArray[np.bool_] = correct[:, 0] == 1
        if not self.right.any():
            raise WorkbenchError(
                "The model answers no pair rightly, or no pair has answers, so that there is no "
                "accuracy that could be lost: choose a task that the model can do."
            )
        self.base = Score(1.0, float(metric[self.right, 0].mean()))

    def by_pair(self, finals: Sequence[Tensor]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Whether each pair is answered rightly, and its metric, [pair, alternative] both.

        Args:
            finals: each group's [pair, alternative, d_model].
        """
        metrics, in_order = self._experiment.metrics, self._experiment.in_order
        with torch.no_grad():
            correct = [
                wide(accuracy.of_residual(final))
                for accuracy, final in zip(self._accuracies, finals, strict=True)
            ]
            value = [wide(m.of_residual(final)) for m, final in zip(metrics, finals, strict=True)]
        return in_order(correct), in_order(value)

    def scores(self, finals: Sequence[Tensor]) -> list[Score]:
        """One for each alternative."""
        correct, metric = (values[self.right].mean(0) for values in self.by_pair(finals))
        return [Score(float(a), float(m)) for a, m in zip(correct, metric, strict=True)]


def accuracy_of(metric: Metric) -> Metric:
    """The accuracy of the same pairs, from the logits of their answers if that is enough."""
    accuracy, answers = metric.named("accuracy"), metric.answers
    counts = (answers.right_weight.sum(-1), answers.wrong_weight.sum(-1))
    if (array_of(torch.cat(counts)) == 0).any():
        return accuracy  # an answer has to beat the whole vocabulary
    every = torch.cat([answers.right.flatten(), answers.wrong.flatten()])
    ids = uploaded(np.unique(array_of(every)), every.device)
    few = copy.copy(accuracy)
    parts = metric.parts
    bias = None if parts.b_u is None else parts.b_u[ids]
    few.parts = replace(parts, w_u=parts.w_u[:, ids], b_u=bias)
    few.answers = replace(
        answers,
        right=torch.searchsorted(ids, answers.right),
        wrong=torch.searchsorted(ids, answers.wrong),
    )
    return few
