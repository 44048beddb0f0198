"""The catalogue of metrics: their names, and the definition shown beside each number. No torch."""

from __future__ import annotations

from workbench.errors import WorkbenchError

NEGLIGIBLE = 1e-4
"""A share of what corrupting does to the metric below which an estimate is rounding."""

DEFINITIONS: dict[str, str] = {
    "logit_diff": "mean logit of the answers minus mean logit of the wrong answers, last position",
    "prob_diff": "summed probability of the answers minus that of the wrong answers, last position",
    "kl": "KL(model || circuit), summed over the vocabulary, in nats, last position",
    "accuracy": "share of pairs whose best answer has a higher logit than the best wrong answer",
}

# Metrics that change in steps: their slope is zero wherever there is one.
STEPS = ("accuracy",)


def check_metric(name: str) -> str:
    """The name back, if it is a metric's.

    Raises:
        WorkbenchError: if it is not.
    """
    if name not in DEFINITIONS:
        raise WorkbenchError(
            f"There is no metric {name!r}; choose one of: {', '.join(DEFINITIONS)}."
        )
    return name
