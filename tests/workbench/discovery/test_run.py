"""A discovery from beginning to end: what is asked, found, selected, scored and written."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support.fake_methods import PIECES, add_method, nodes, scores, search, some_scores
from tests.support.tiny_models import tiny_gpt2
from workbench import Circuit, Model, discover, evaluate, load_circuit, load_model, load_task
from workbench.base.work import Work, finish
from workbench.circuits.circuit import all_edges
from workbench.discovery import options
from workbench.discovery.catalogue import METHODS, Kind
from workbench.discovery.findings import Findings
from workbench.discovery.findings_file import load_findings
from workbench.discovery.options import ABSOLUTE, Options, steps
from workbench.discovery.request import DiscoveryRequest, RequestChoices
from workbench.discovery.run import Discovery, discovery, discovery_from
from workbench.discovery.selection import Selection, select
from workbench.engine.kept_edges import is_kept
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.prepare import prepare
from workbench.experiment.settings import ExperimentSettings


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.from_hf(*tiny_gpt2(layers=3), name="tiny")


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> str:
    return add_method(monkeypatch, "edges", scores, options=(steps(7),))


@pytest.fixture
def searching(monkeypatch: pytest.MonkeyPatch) -> str:
    return add_method(monkeypatch, "search", search, options=(options.EDGES, ABSOLUTE))


def test_the_best_edges_are_selected_and_scored(model: Model, scoring: str) -> None:
    task = load_task("ioi", model, pairs=5, seed=3)
    found = discover(model, task, scoring, edges=20, seed=9)
    findings = Findings.of(model.graph, scoring, "logit_diff")
    findings.edges = some_scores(findings, seed=9)
    expected = select(findings, Selection("top", 20))
    assert found.complete and found.seconds >= 0
    assert found.circuit == expected.circuit
    assert (found.selected.asked, found.selected.chosen) == (20, 20)
    assert found.selected.kept == found.circuit.n_edges
    assert found.score == evaluate(model, task, Circuit(model.graph, found.circuit.mask))
    np.testing.assert_array_equal(found.circuit.scores, findings.edges)


def test_what_the_circuit_file_says(model: Model, scoring: str, tmp_path: Path) -> None:
    found = discover(
        model, "ioi", scoring, edges=30, select="greedy", signed=True, pairs=3, seed=2,
        ablation="mean", means="greater-than", metric="prob_diff",
    )  # fmt: skip
    assert found.save(tmp_path / "found.json") == ()
    loaded = load_circuit(tmp_path / "found.json", model.graph)
    assert loaded == found.circuit
    known = loaded.provenance
    assert known["model"]["name"] == "tiny"
    assert known["task"]["name"] == "ioi" and known["task"]["pairs"] == 3
    assert known["metric"]["name"] == "prob_diff"
    assert known["ablation"]["name"] == "mean"
    assert known["ablation"]["means_from"]["task"] == "greater-than"
    assert known["seed"] == known["task"]["seed"] == 2
    assert known["versions"]["torch"]
    evaluation = known["evaluation"]
    assert evaluation["circuit"] == found.score.circuit
    assert evaluation["faithfulness"] == found.score.faithfulness
    assert evaluation["closed"] is True
    about = known["discovery"]
    assert about["method"] == scoring and about["complete"] is True
    assert about["options"] == {"steps": 7, "seed": 2}
    assert about["selection"]["how"] == "greedy" and about["selection"]["signed"] is True
    assert (about["asked"], about["chosen"], about["kept"]) == (30, 30, found.circuit.n_edges)
    # Scores of the kept edges stand in the file, and of no others.
    assert loaded.scores is not None and found.circuit.scores is not None
    assert not np.isnan(loaded.scores[loaded.mask]).any()
    assert np.isnan(loaded.scores[~loaded.mask]).all()


def test_the_other_format_has_all_scores(model: Model, scoring: str, tmp_path: Path) -> None:
    found = discover(model, "ioi", scoring, edges=30, pairs=3)
    found.save(tmp_path / "graph.json", "eap-ig")
    edges = json.loads((tmp_path / "graph.json").read_text())["edges"]
    assert len(edges) == model.graph.n_edges
    for name, entry in edges.items():
        assert entry["score"] == float(found.findings.edges[model.graph.parse_edge(name)])
        assert entry["in_graph"] == found.circuit.has(name)


def test_scores_are_kept_with_what_they_are_of(model: Model, scoring: str, tmp_path: Path) -> None:
    found = discover(model, "ioi", scoring, edges=30, pairs=3)
    found.save_scores(tmp_path / "found.npz")
    findings, about = load_findings(tmp_path / "found.npz", model.graph)
    np.testing.assert_array_equal(findings.edges, found.findings.edges)
    assert about["task"]["name"] == "ioi" and about["discovery"]["method"] == scoring


def test_a_search_is_told_the_number(model: Model, searching: str) -> None:
    found = discover(model, "ioi", searching, edges=40, absolute=True, pairs=3)
    assert found.request.options == Options(edges=40, absolute=True)
    assert found.request.selection is None
    assert found.selected.asked == 40
    kept = found.findings.kept
    assert kept is not None
    assert found.circuit == Circuit(model.graph, is_kept(kept)).pruned()
    assert found.circuit.scores is None
    about = found.to_json()
    assert about["selection"] is None and about["tried"] == found.findings.tried > 0


def test_nodes_bring_their_edges(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    name = add_method(monkeypatch, "nodes", nodes)
    found = discover(model, "ioi", name, nodes=2, pairs=3)
    assert set(found.circuit.nodes()) == {"input", "m2", "a2.h1", "logits"}
    assert (found.selected.unit, found.selected.asked, found.selected.kept) == ("nodes", 2, 2)
    assert found.circuit.provenance["node_scores"]["m2"] == -9.0


def test_defaults_are_filled_in_and_told(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Options] = []

    def listening(experiment: Any, findings: Findings, options: Options) -> Work[None]:
        told.append(options)
        yield from scores(experiment, findings, options)

    name = add_method(monkeypatch, "edges", listening, options=(steps(7),))
    discover(model, "ioi", name, edges=3, pairs=2, seed=4)
    discover(model, "ioi", name, edges=3, pairs=2, steps=2)
    assert told == [Options(steps=7, seed=4), Options(steps=2)]


def stopping(after: int, event: threading.Event) -> Any:
    def find(experiment: Any, findings: Findings, options: Options) -> Work[None]:
        for number, fraction in enumerate(scores(experiment, findings, options), 1):
            if number == after:
                event.set()
            yield fraction
        findings.complete = True

    return find


def test_what_was_found_by_then_is_used(
    model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event = threading.Event()
    name = add_method(monkeypatch, "edges", stopping(2, event))
    found = discover(model, "ioi", name, edges=60, pairs=2, cancel=event)
    assert not found.complete
    scored = np.zeros_like(found.circuit.mask)
    for piece in range(2):
        scored[piece::PIECES] = True
    scored &= all_edges(model.graph)
    np.testing.assert_array_equal(~np.isnan(found.findings.edges), scored)
    assert found.circuit.n_edges > 0
    assert not (found.circuit.mask & ~scored).any()
    found.save(tmp_path / "part.json")
    assert load_circuit(tmp_path / "part.json").provenance["discovery"]["complete"] is False


def test_nothing_found_yet_is_a_cancellation(model: Model, scoring: str) -> None:
    event = threading.Event()
    event.set()
    with pytest.raises(Cancelled):
        discover(model, "ioi", scoring, edges=3, pairs=2, cancel=event)
    event.clear()

    def at(message: str, fraction: float | None) -> None:
        if "Recording" in message:
            event.set()

    with pytest.raises(Cancelled):
        discover(model, "ioi", scoring, edges=3, pairs=2, cancel=event, progress=at)


@pytest.mark.parametrize("kind", ["nodes", "search", "learned"])
def test_nothing_found_yet_of_another_kind(
    model: Model, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = threading.Event()

    def slow(experiment: Any, findings: Findings, options: Options) -> Work[None]:
        findings.edges[all_edges(findings.graph)] = 0.5  # beside what it selects by
        event.set()
        yield 0.1

    name = add_method(monkeypatch, kind, slow)
    asked: RequestChoices = {"nodes": 3} if kind == "nodes" else {}
    with pytest.raises(Cancelled):
        discover(model, "ioi", name, pairs=2, cancel=event, **asked)


def test_progress_says_what_is_done(model: Model, scoring: str) -> None:
    told: list[tuple[str, float | None]] = []

    def progress(message: str, fraction: float | None) -> None:
        told.append((message, fraction))

    discover(model, "ioi", scoring, edges=3, pairs=2, progress=progress)
    running = [fraction for text, fraction in told if text == f"Running {scoring}"]
    assert running == [(piece + 1) / PIECES for piece in range(PIECES)]


def test_as_work_on_an_experiment(model: Model, scoring: str) -> None:
    experiment = prepare(model, "ioi", ExperimentSettings(model.name, "ioi", pairs=3))
    selection = Selection("top", 25)
    findings = Findings.of(model.graph, scoring, experiment.metric_name)
    request = DiscoveryRequest(scoring, Options(), selection)
    work = discovery(experiment, request, findings)
    next(work)
    early = discovery_from(experiment, findings.copy(), request, 1.5)
    assert not early.complete and early.seconds == 1.5
    scored = np.isfinite(early.findings.edges)
    shares: list[float] = []
    found = finish(work, shares.append)
    assert isinstance(found, Discovery) and found.complete
    assert not early.complete and not (early.circuit.mask & ~scored).any()
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert found.circuit == discover(model, "ioi", scoring, edges=25, pairs=3).circuit


def test_odd_results_are_remarked_on(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(experiment: Any, findings: Findings, options: Options) -> Work[None]:
        findings.edges[all_edges(findings.graph)] = 1e-12
        findings.remarks.append("As the method says.")
        yield 1.0
        findings.complete = True

    name = add_method(monkeypatch, "edges", nothing)
    remarks = discover(model, "ioi", name, edges=2, pairs=2).remarks
    assert remarks[0] == "As the method says."
    assert "no slope" in remarks[1]
    assert all(remark.endswith(".") for remark in remarks)
    monkeypatch.setitem(METHODS, name, replace(METHODS[name], unit="share"))
    own, whole = discover(model, "ioi", name, edges=200, pairs=2).remarks
    assert own == "As the method says." and whole.startswith("This is the whole model")

    def unjoined(experiment: Any, findings: Findings, options: Options) -> Work[None]:
        findings.edges[model.graph.parse_edge("a0.h0->m1")] = 9
        yield 1.0
        findings.complete = True

    name = add_method(monkeypatch, "edges", unjoined)
    found = discover(model, "ioi", name, edges=1, pairs=2)
    assert found.circuit.n_edges == 0
    assert "do not join" in found.remarks[0]


def test_too_little_memory_is_a_sentence(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(experiment: Any, findings: Findings, options: Options) -> Work[None]:
        yield 0.5
        raise MemoryError

    name = add_method(monkeypatch, "edges", greedy)
    with pytest.raises(WorkbenchError, match="memory"):
        discover(model, "ioi", name, edges=1, pairs=2)


EDGES, NODES, SEARCH, LEARNED = "eap", "atp", "acdc", "edge-pruning"


@pytest.mark.parametrize(
    ("method", "arguments", "says"),
    [
        ("no-such", {"edges": 3}, "eap-ig"),
        (EDGES, {}, "--edges N"),
        (EDGES, {"edges": 3, "threshold": 0.1}, "one of the two"),
        (EDGES, {"nodes": 3}, "not --nodes"),
        (EDGES, {"edges": 0}, "1 or more"),
        (EDGES, {"edges": -3, "select": "greedy"}, "1 or more"),
        (EDGES, {"threshold": math.nan}, "finite"),
        (EDGES, {"threshold": math.inf, "signed": True}, "finite"),
        (EDGES, {"threshold": -1.0}, "below 0"),
        (EDGES, {"threshold": 0.1, "select": "greedy"}, "greedy"),
        (EDGES, {"threshold": 0.1, "exactly": True}, "no number"),
        (EDGES, {"edges": 3, "select": "best"}, "best"),
        (EDGES, {"edges": 3, "steps": 3}, "--steps"),
        (EDGES, {"edges": 3, "absolute": True}, "--absolute"),
        (EDGES, {"edges": 3, "measure": "kl"}, "--measure"),
        (EDGES, {"edges": 3, "metric": "accuracy"}, "slope"),
        (EDGES, {"edges": 3, "metric": "beauty"}, "no metric"),
        (EDGES, {"edges": 3, "ablation": "fire"}, "no ablation"),
        ("eap-ig", {"edges": 3, "ablation": "zero"}, "not for zero"),
        ("eap-ig", {"edges": 3, "steps": 0}, "steps"),
        (NODES, {"edges": 3}, "--nodes N"),
        (NODES, {}, "how many nodes"),
        (NODES, {"nodes": 0}, "1 or more"),
        (NODES, {"nodes": 3, "select": "greedy"}, "greedily"),
        (NODES, {"nodes": 3, "exactly": True}, "nodes"),
        (SEARCH, {}, "--threshold T"),
        (SEARCH, {"edges": 3}, "does not heed --edges"),
        (SEARCH, {"threshold": math.inf}, "finite"),
        (SEARCH, {"threshold": 0.1, "signed": True}, "of its own"),
        (SEARCH, {"threshold": 0.1, "nodes": 3}, "of its own"),
        (SEARCH, {"threshold": 0.1, "measure": "beauty"}, "no measure"),
        ("greedy-growth", {}, "--edges N"),
        ("greedy-growth", {"edges": 0}, "1 or more"),
        (LEARNED, {"steps": 10}, "--edges N"),
        (LEARNED, {"edges": 10, "threshold": 0.5}, "--threshold"),
        (LEARNED, {"edges": 10, "select": "greedy"}, "of its own"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    method: str, arguments: dict[str, Any], says: str
) -> None:
    # No model is needed to find out.
    with pytest.raises(WorkbenchError) as caught:
        discover(SimpleNamespace(name="none"), "no-such-task", method, **arguments)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert says in sentence
    assert sentence.endswith(".") and "\n" not in sentence


def test_the_task_s_own_metric_is_checked(model: Model) -> None:
    task = replace(load_task("ioi", model, pairs=2), metric="accuracy")
    with pytest.raises(WorkbenchError, match="slope"):
        discover(model, task, EDGES, edges=3)


def test_a_selection_that_does_not_suit_the_method() -> None:
    for name, selection in ((SEARCH, Selection("top", 3)), (EDGES, None)):
        options = Options(threshold=0.1) if name == SEARCH else Options()
        with pytest.raises(WorkbenchError):
            request = DiscoveryRequest(name, options, selection)
            request.checked(metric=None, ablation="patching")


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_can_be_asked_for(name: str) -> None:
    method = METHODS[name]
    asked: dict[str, Any] = {"nodes": 5} if method.kind == "nodes" else {"edges": 5}
    if "threshold" in method.option_names:
        asked = {"threshold": 0.1}
    request = DiscoveryRequest.parse(name, **asked)
    told = request.checked(metric="logit_diff", ablation=method.ablations[0])
    assert (request.selection is None) == (method.kind in ("search", "learned"))
    for option, value in method.defaults.items():
        assert getattr(told.options, option) == value


def test_with_context_aware_means_edges_are_kept() -> None:
    pocket = load_model("pocket")
    found = discover(pocket, "ioi", "eap", edges=40, pairs=8, ablation="context-mean")
    assert found.selected.kept > 30
    assert found.selected.joined == sum(e.startswith("input->") for e in found.circuit.edges()) > 0
    assert any("carries nothing" in remark for remark in found.remarks)
    assert found.score.faithfulness is not None and abs(found.score.faithfulness - 1) < 0.1


def test_with_context_aware_means_a_learned_circuit_is_joined_to_the_input() -> None:
    model = load_model("known")
    found = discover(
        model, "induction", "edge-pruning", edges=11, steps=30, pairs=4, ablation="context-mean"
    )
    assert found.circuit.n_edges
    assert any(edge.startswith("input->") for edge in found.circuit.edges())
