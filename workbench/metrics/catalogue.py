"""The catalogue of metrics: their names, and the definition shown beside each number.

Importing this loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.plugins import Catalogue

NEGLIGIBLE = 1e-4
"""A share of what corrupting does to the metric below which an estimate is rounding."""


@dataclass(frozen=True)
class MetricKind:
    """One metric; a larger value is better, but for `kl`.

    Attributes:
        name: as it is asked for.
        definition: shown beside every number.
        in_steps: it changes in steps, so that its slope is zero wherever there is one.
        answers, wrong_answers: whether a pair has to have such; one that has none is scored by what
            it has.
        compute: of a plug-in's, the function from logits [pair, alternative, vocabulary] and the
            `Answers` of the pairs to the metric [pair, alternative], as "package.module:name";
            None for those that `Metric` computes itself.
    """

    name: str
    definition: str
    in_steps: bool = False
    compute: str | None = None
    answers: bool = True
    wrong_answers: bool = True


BUILT_IN = (
    MetricKind(
        "logit_diff",
        "mean logit of the answers minus mean logit of the wrong answers, last position",
    ),
    MetricKind(
        "prob_diff",
        "summed probability of the answers minus that of the wrong answers, last position",
        wrong_answers=False,
    ),
    MetricKind(
        "kl",
        "KL(model || circuit), summed over the vocabulary, in nats, last position",
        answers=False,
        wrong_answers=False,
    ),
    MetricKind(
        "accuracy",
        "share of pairs whose best answer has a higher logit than the best wrong answer",
        in_steps=True,
        wrong_answers=False,
    ),
)

METRICS: Catalogue[MetricKind] = Catalogue("metrics", "metric", MetricKind, BUILT_IN)


def find_metric(name: str) -> MetricKind:
    """The metric of this name, or in a file, `FILE.py:NAME`.

    Raises:
        WorkbenchError: there is none.
    """
    return METRICS.find(name)


def check_metric(name: str) -> str:
    """The metric's own name, if it is a metric.

    Raises:
        WorkbenchError: if it is not.
    """
    return find_metric(name).name


def changes_in_steps(name: str) -> bool:
    """Whether a metric's slope is zero wherever there is one. Raises as `check_metric` does."""
    return find_metric(name).in_steps
