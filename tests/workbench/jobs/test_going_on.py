"""A computation that is killed after any of its pieces goes on, and finds the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.cases.session_cases import tiny
from workbench.assessment.assess import assessment
from workbench.assessment.settings import AssessmentSettings
from workbench.base import ledger
from workbench.base.kept_values import kept_text
from workbench.base.ledger import Ledger, keep_ledger
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.discovery.clusters.request import ClusterRequest
from workbench.discovery.clusters.run import clusters_of
from workbench.discovery.findings import Findings
from workbench.discovery.request import DiscoveryRequest
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import prepare


class Killed(BaseException):
    """Nothing may catch it, as nothing catches SIGKILL."""


METHODS: dict[str, dict[str, Any]] = {
    "eap": {"edges": 20},
    "eap-ig": {"edges": 20, "steps": 3},
    "exact": {"edges": 20},
    "activation-patching": {"nodes": 4},
    "atp": {"nodes": 4},
    "atp-star": {"nodes": 4},
    "ifr": {"edges": 20},
    "acdc": {"threshold": 0.05},
    "greedy-growth": {"edges": 8},
    "greedy-pruning": {"edges": 8},
    "edge-pruning": {"edges": 8, "steps": 6},
}


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return prepare(*tiny())


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that even these have several."""
    from workbench.discovery.gradients import node_gradients, slices
    from workbench.discovery.methods import ifr

    monkeypatch.setattr(slices, "SLICE_BYTES", {"cpu": 1})
    monkeypatch.setattr(slices, "SLICE_BYTES_ELSEWHERE", 1)
    monkeypatch.setattr(ifr, "SLICE_BYTES", 2**14)
    assert node_gradients


def killed_again_and_again(
    folder: Path, compute: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, every: int
) -> tuple[Any, int]:
    """What it comes to if it is killed after so many pieces each time, and how often it was."""
    write, standing, left = Ledger.write, ledger.Standing.write, [every]

    def dying() -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise Killed

    def one(self: Ledger, at: str, key: str, value: Any) -> None:
        write(self, at, key, value)
        dying()

    def sums(self: ledger.Standing) -> None:
        grown = self._make is not None
        standing(self)
        if grown:
            dying()

    monkeypatch.setattr(Ledger, "write", one)
    monkeypatch.setattr(ledger.Standing, "write", sums)
    for kills in range(400):
        left[0] = every
        try:
            with keep_ledger(folder, eager=True) as kept:
                found = compute()
                assert not kept.differs() and not kept.trouble
                return found, kills
        except Killed:
            continue
    raise AssertionError("it never ends")


@pytest.mark.parametrize("method", METHODS)
def test_a_method_goes_on(
    method: str, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = DiscoveryRequest.parse(method, **METHODS[method]).checked(
        metric=experiment.metric_name, ablation=experiment.ablation
    )

    def compute() -> Findings:
        findings = Findings.about(experiment, method)
        finish(request.entry.load()(experiment, findings, request.options))
        return findings

    at_once = tmp_path / "at once"
    at_once.mkdir()
    with keep_ledger(at_once) as whole:
        expected = compute()
    found, kills = killed_again_and_again(tmp_path, compute, monkeypatch, 2)
    assert kills >= min(2, whole.written // 2)
    for name in ("edges", "nodes", "positions", "kept"):
        a, b = getattr(expected, name), getattr(found, name)
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b, equal_nan=True), name
    assert found.neurons.keys() == expected.neurons.keys()
    assert all(np.array_equal(found.neurons[n], expected.neurons[n]) for n in found.neurons)
    assert list(found.neurons) == list(expected.neurons)
    assert (found.remarks, found.tried) == (expected.remarks, expected.tried)
    if method in ("eap", "eap-ig", "atp", "atp-star", "ifr", "edge-pruning", "greedy-growth"):
        without = compute_without(compute)
        assert np.array_equal(without.edges, found.edges, equal_nan=True), "no clock in it"


def test_all_parts_of_an_assessment_go_on(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, settings = experiment.graph, AssessmentSettings(n_random=4, resamples=20, n_repeats=2)
    edges = [graph.edge_name(s, d) for s, d in [(0, 3), (2, 9)]]
    circuit = Circuit.from_edges(graph, [*edges, "input->logits", "input->m0", "m0->logits"])

    def compute() -> dict[str, str]:
        made = finish(assessment(experiment, circuit, settings=settings))
        return {n: kept_text(one) for n, one in made.results.items()} | made.failed

    at_once = tmp_path / "at once"
    at_once.mkdir()
    with keep_ledger(at_once):
        expected = compute()
    assert len(expected) == 8
    found, kills = killed_again_and_again(tmp_path, compute, monkeypatch, 5)
    assert kills >= 5 and found == expected


def test_clusters_go_on(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ClusterRequest("eap", edges=20, k=2, splits=2).checked(
        metric=experiment.metric_name, ablation=experiment.ablation
    )

    def compute() -> Any:
        return finish(clusters_of(experiment, request, 0)).to_json()

    expected = compute()
    found, kills = killed_again_and_again(tmp_path, compute, monkeypatch, 2)
    assert kills >= 4 and found == expected, "no clock in it"


def compute_without(compute: Callable[[], Findings]) -> Findings:
    assert not ledger.is_kept()
    return compute()
