"""The methods that go by gradients on `known`, whose circuit is written down."""

from __future__ import annotations

import numpy as np
import pytest

from workbench import load_model, load_task
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES
from workbench.discovery.catalogue import METHODS, methods_per_pair
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    model = load_model("known", device="cpu", dtype="float32")
    return Experiment(model, make_batch(load_task("induction", model, pairs=24), model.tokenizer))


@pytest.mark.parametrize("method", methods_per_pair())
def test_the_true_edges_are_found_and_no_others(experiment: Experiment, method: str) -> None:
    findings = Findings.of(experiment.graph, method, experiment.metric_name)
    finish(METHODS[method].load()(experiment, findings, Options()))
    true = np.zeros(findings.edges.shape, dtype=bool)
    for edge in TRUE_EDGES:
        true[experiment.graph.parse_edge(edge)] = True
    size = np.abs(np.nan_to_num(findings.edges))
    assert size[true].min() > 0.3
    assert size[~true].max() < 0.001
    assert (findings.importance()[true] > 0).all(), "the task needs them"
