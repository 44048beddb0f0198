"""`workbench discover`: files, report, one sentence for bad input, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.fake_methods import add_method, nodes, scores, search
from tests.support.tiny_models import tiny_gpt2
from workbench.base.text import time_left
from workbench.base.work import Work
from workbench.bundled_models.known import true_circuit
from workbench.cli import main
from workbench.discovery.catalogue import METHODS
from workbench.discovery.findings import Findings
from workbench.discovery.findings_file import load_findings
from workbench.discovery.options import EDGES, Options, steps
from workbench.discovery.request import DiscoveryRequest
from workbench.formats import load_circuit

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2(layers=3)
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main.main([str(argument) for argument in ("discover", *arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def test_circuit_scores_and_report(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add_method(monkeypatch, "edges", scores, options=(steps(7),))
    circuit, all_scores = tmp_path / "found.json", tmp_path / "found.npz"
    code, out, err = run(
        model, "ioi", "--method", name, "--edges", 40, "--pairs", 4, "--seed", 3,
        "-o", circuit, "--scores", all_scores,
    )  # fmt: skip
    assert code == 0, err
    loaded = load_circuit(circuit)
    about = loaded.provenance["discovery"]
    assert (about["asked"], about["chosen"], about["kept"]) == (40, 40, loaded.n_edges)
    for words in (
        f"{name}: of tests",
        "steps 7, seed 3",
        "top by |score|",
        f"40 asked for, 40 chosen, {loaded.n_edges} kept",
        "ioi, 4 pairs",
        "faithfulness",
        f"written       {circuit}",
        f"written       {all_scores}",
    ):
        assert words in out, words
    assert "partial" not in out
    findings, known = load_findings(all_scores)
    assert findings.method == name and known["seed"] == 3
    assert np.isfinite(findings.edges).sum() == findings.graph.n_edges
    assert f"Running {name} …" in err


def test_the_true_circuit_of_the_known_model(run: Run, tmp_path: Path) -> None:
    for way in ([], ["--signed"], ["--select", "greedy"], ["--exactly"]):
        path = tmp_path / "found.json"
        code, out, err = run("known", "induction", "-m", "eap", "--edges", 11, "-o", path, *way)
        assert code == 0, err
        assert load_circuit(path) == true_circuit()
        assert "11 asked for, " in out and ", 11 kept" in out
    code, _, err = run("known", "induction", "-m", "eap", "--threshold", 0.5, "-o", path)
    assert code == 0, err
    assert load_circuit(path) == true_circuit()


def test_as_json(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = add_method(monkeypatch, "edges", scores)
    code, out, _ = run(
        model, "ioi", "-m", name, "--threshold", 1.5, "--signed", "--pairs", 2, "--json",
        "-o", tmp_path / "graph.json", "--format", "eap-ig",
    )  # fmt: skip
    assert code == 0
    result = json.loads(out)
    assert result["method"] == name
    assert result["selection"] == {
        "how": "threshold", "n": None, "threshold": 1.5, "signed": True,
        "fill": False, "by_role": False,
    }  # fmt: skip
    assert result["asked"] is None
    assert result["kept"] == len(result["edges"]) == result["evaluation"]["edges"]
    assert result["written"] == [str(tmp_path / "graph.json")]
    assert load_circuit(tmp_path / "graph.json").edges() == result["edges"]


def test_what_it_reports_is_what_evaluate_finds(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    name = add_method(monkeypatch, "search", search, options=(EDGES,))
    path = tmp_path / "found.json"
    flags = ["--pairs", "3", "--ablation", "zero", "--json"]
    _, out, _ = run(model, "ioi", "-m", name, "--edges", 50, "-o", path, *flags)
    assert main.main(["evaluate", str(model), "ioi", str(path), *flags]) == 0
    printed, found = json.loads(capfd.readouterr().out), json.loads(out)
    assert printed == found["evaluation"] | {"warnings": found["warnings"]}


def test_nodes(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = add_method(monkeypatch, "nodes", nodes)
    code, out, _ = run(model, "ioi", "-m", name, "--nodes", 3, "--pairs", 2)
    assert code == 0
    assert "nodes, 3 asked for, 3 chosen, 3 kept" in out


def test_as_many_as_are_left(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = add_method(monkeypatch, "edges", scores)
    _, out, _ = run(
        model, "ioi", "-m", name, "--edges", 20, "--exactly", "--select", "greedy", "--json",
        "--pairs", 2,
    )  # fmt: skip
    result = json.loads(out)
    assert result["asked"] == 20 and result["kept"] <= 20 < result["chosen"]


def interrupted(times: int) -> Any:
    def find(experiment: Any, findings: Findings, options: Options) -> Work[None]:
        work = scores(experiment, findings, options)
        yield next(work)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        yield from work

    return find


def test_ctrl_c_leaves_what_was_found(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = add_method(monkeypatch, "edges", interrupted(1))
    before = signal.getsignal(signal.SIGINT)
    path, kept = tmp_path / "part.json", tmp_path / "part.npz"
    code, out, err = run(
        model, "ioi", "-m", name, "--edges", 40, "--pairs", 2, "-o", path, "--scores", kept
    )
    assert code == 130
    last = err.strip().splitlines()[-1]
    assert last == f"workbench: interrupted; {path} and {kept} hold what had been found by then."
    assert "stopped before its end" in out
    assert load_circuit(path).provenance["discovery"]["complete"] is False
    findings, _ = load_findings(kept)
    assert not findings.complete
    assert 0 < np.isfinite(findings.edges).sum() < findings.graph.n_edges
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_ends_it(
    run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = add_method(monkeypatch, "edges", interrupted(2))
    code, out, err = run(
        model, "ioi", "-m", name, "--edges", 4, "--pairs", 2, "-o", tmp_path / "part.json"
    )
    assert (code, out) == (130, "")
    assert err.strip().splitlines()[-1] == "workbench: interrupted; nothing was written."
    assert not (tmp_path / "part.json").exists()


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["pocket"],
        ["pocket", "ioi"],
        ["pocket", "ioi", "-m", "no-such", "--edges", 3],
        ["pocket", "ioi", "-m", "eap"],
        ["pocket", "ioi", "-m", "eap", "--edges", 0],
        ["pocket", "ioi", "-m", "eap", "--edges", "many"],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "--threshold", 1],
        ["pocket", "ioi", "-m", "eap", "--threshold", "nan"],
        ["pocket", "ioi", "-m", "eap", "--nodes", 3],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "--steps", 5],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "--metric", "accuracy"],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "--ablation", "fire"],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "--means-from", "ioi"],
        ["pocket", "ioi", "-m", "eap-ig", "--edges", 3, "--ablation", "zero"],
        ["pocket", "ioi", "-m", "acdc", "--edges", 3],
        ["pocket", "ioi", "-m", "acdc", "--threshold", 0.1, "--exactly"],
        ["pocket", "no-such-task", "-m", "eap", "--edges", 3],
        ["no/such/model", "ioi", "-m", "eap", "--edges", 3],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "-o", "no/such/folder/found.json"],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "-o", "."],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "--scores", "no/such/folder/found.npz"],
        ["pocket", "ioi", "-m", "eap", "--edges", 3, "--format", "pickle"],
    ],
)
def test_bad_input_is_one_sentence_and_loads_no_model(
    run: Run, flags: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*arguments: object, **named: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("workbench.models.model.load_model", loaded)
    code, out, err = run(*flags)
    assert (code, out) == (2, "")
    if err.startswith("workbench: "):
        assert err.count("\n") == 1 and err.strip().endswith(".")
    else:  # of typer, in a frame
        assert "Invalid value" in err


def test_the_list_names_every_method(run: Run) -> None:
    code, out, _ = run("--list")
    assert code == 0
    for method in METHODS.values():
        assert f"{method.name}  ({method.kind})" in out
        assert method.definition in out
    _, out, _ = run("--list", "--json")
    assert [method["name"] for method in json.loads(out)] == list(METHODS)


@pytest.mark.parametrize(
    ("elapsed", "fraction", "words"),
    [
        (0.5, 0.5, ""),
        (10, None, ""),
        (10, 0.0, ""),
        (10, 1.0, ""),
        (10, 0.5, "10 s left"),
        (60, 0.25, "3 min 00 s left"),
        (600, 0.1, "1 h 30 min left"),
    ],
)
def test_time_left(elapsed: float, fraction: float | None, words: str) -> None:
    assert time_left(elapsed, fraction) == words


def test_shares_are_selected_greedily_unless_told_otherwise(run: Run) -> None:
    asked = ("pocket", "ioi", "--method", "ifr", "--edges", 60, "--pairs", 4, "--json")
    code, out, err = run(*asked)
    assert code == 0, err
    found = json.loads(out)
    assert found["selection"]["how"] == "greedy"
    # Shares of one input do not compare with those of another: the best of all edges fall apart.
    assert found["kept"] > 30
    code, out, _ = run(*asked, "--select", "top")
    top = json.loads(out)
    assert top["selection"]["how"] == "top" and top["kept"] < 15


@pytest.mark.parametrize("name", ["eap", "ifr"])
def test_a_threshold_needs_no_way(name: str) -> None:
    request = DiscoveryRequest.parse(name, threshold=0.5)
    assert request.selection is not None and request.selection.how == "threshold"
