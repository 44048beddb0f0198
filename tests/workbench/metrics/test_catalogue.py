"""Metrics of a user's own: named in a file, computed, scored and followed by a method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cases.engine_cases import case
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.errors import WorkbenchError
from workbench.metrics import catalogue
from workbench.metrics.catalogue import changes_in_steps, check_metric
from workbench.plugins import Catalogue

CODE = """
from workbench.metrics.catalogue import MetricKind

def compute(logits, answers):
    return logits.gather(-1, answers.right[:, None, :1].expand(-1, logits.shape[1], -1))[..., 0]

METRIC = MetricKind("first_logit", "logit of the first answer", compute=f"{__name__}:compute")
"""


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    anew = Catalogue("metrics", "metric", catalogue.MetricKind, catalogue.BUILT_IN)
    monkeypatch.setattr(catalogue, "METRICS", anew)
    (tmp_path / "lab.py").write_text(CODE)
    yield f"{tmp_path / 'lab.py'}:METRIC"


def test_it_is_a_metric_as_any_other(named: str) -> None:
    assert check_metric(named) == "first_logit" and not changes_in_steps("first_logit")
    experiment = case("gpt2").experiment.with_metric(named)
    assert experiment.metric_name == "first_logit"
    value = Evaluator(experiment, Circuit.full(experiment.graph)).value()
    assert value.metric == pytest.approx(experiment.clean.metric, rel=1e-4)
    assert value.metric != pytest.approx(case("gpt2").experiment.clean.metric)


def test_what_is_no_metric() -> None:
    with pytest.raises(WorkbenchError, match="choose one of: logit_diff"):
        check_metric("beauty")
