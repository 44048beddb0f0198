"""How the first threshold of a session is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.session.threshold_rule import DEFAULT_RULE, ThresholdRule

ESTIMATES = np.array([[0.0, -0.5, 0.03], [0.0319, 0.0, -0.002]])


@pytest.mark.parametrize("text", ["share 0.02", "value 0.1", "top 200"])
def test_a_rule_is_read_as_it_is_written(text: str) -> None:
    assert str(ThresholdRule.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "share", "share x", "share 0", "share 1.1", "value nan", "value inf", "top 0",
             "top 2.5", "mean 1", "share 0.1 0.2"],
)  # fmt: skip
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ThresholdRule.parse(text)


def test_a_script_is_told_in_a_sentence() -> None:
    with pytest.raises(WorkbenchError, match="top K"):
        ThresholdRule("top", 0.5)


def test_a_share_is_of_the_difference_without_its_sign() -> None:
    assert ThresholdRule.parse("share 0.1").threshold(-3.456, ESTIMATES) == 0.35
    assert DEFAULT_RULE.threshold(0.0, ESTIMATES) == 0.02


def test_a_value_is_taken_as_it_is() -> None:
    assert ThresholdRule.parse("value 0.1234").threshold(3.0, ESTIMATES) == 0.1234


@pytest.mark.parametrize(("k", "threshold", "kept"), [(1, 0.5, 1), (2, 0.031, 2), (3, 0.03, 3)])
def test_so_many_edges_reach_the_threshold_of_the_top(k: int, threshold: float, kept: int) -> None:
    found = ThresholdRule("top", k).threshold(1.0, ESTIMATES)
    assert found == pytest.approx(threshold, rel=1e-12)
    assert (np.abs(ESTIMATES) >= found).sum() == kept


def test_of_fewer_estimates_the_least_is_taken() -> None:
    assert ThresholdRule("top", 99).threshold(1.0, ESTIMATES) == pytest.approx(0.002)


def test_without_estimates_the_usual_rule_holds() -> None:
    assert ThresholdRule("top", 3).threshold(2.0, np.zeros((2, 3))) == 0.04
