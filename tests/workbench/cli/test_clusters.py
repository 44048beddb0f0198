"""`workbench clusters` and the call behind it, on prompts of two tasks in one file."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench import load_circuit, load_model, load_task
from workbench.circuits.circuit import Circuit
from workbench.cli.main import main
from workbench.engine.evaluator import Evaluator
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import make_batch
from workbench.prompts.pair_json import pair_to_json

N = 4


@cache
def pocket() -> Model:
    return load_model("pocket", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("task") / "mixed.jsonl"
    tasks = [load_task(name, pocket(), pairs=N) for name in ("greater-than", "ioi")]
    named = [replace(pair, task=task.name) for task in tasks for pair in task.pairs]
    lines = [json.dumps(pair_to_json(pair)) for pair in named]
    path.write_text("\n".join(lines) + "\n")
    return path


def run(pairs_file: Path, *more: str) -> int:
    common = ("--metric", "logit_diff", "--edges", "40", "--normalise", "--k", "2")
    return main(["clusters", "pocket", str(pairs_file), "--method", "eap", *common, *more])


def test_json_and_files(
    pairs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "circuits"
    assert run(pairs_file, "--splits", "2", "--json", "-o", str(folder)) == 0
    out: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert out["labels"] == [0] * N + [1] * N
    assert (out["k"], out["by"], out["criteria"]) == (2, "given", None)
    assert (out["method"], out["metric"]["name"]) == ("eap", "logit_diff")
    assert len(out["control"]["splits"]) == 2
    assert [one["tasks"] for one in out["clusters"]] == [{"greater-than": N}, {"ioi": N}]
    assert out["purity"] == 1.0
    assert " went to the " in out["clusters"][1]["prompts"][0]
    assert out["written"] == [str(folder / f"cluster-{i}.json") for i in (1, 2)]
    task = load_task(str(pairs_file), pocket())
    for i, cluster in enumerate(out["clusters"]):
        circuit = load_circuit(out["written"][i], pocket().graph)
        assert circuit.edges() == cluster["edges"]
        assert circuit.scores is not None
        assert np.array_equal(np.isfinite(circuit.scores), circuit.mask)
        about = circuit.provenance["cluster"]
        assert (about["number"], about["of"], about["pairs"]) == (i + 1, 2, cluster["pairs"])
        own = replace(task, pairs=tuple(task.pairs[pair] for pair in cluster["pairs"]))
        on = Experiment(pocket(), make_batch(own, pocket().tokenizer), metric="logit_diff")
        plain = Circuit(circuit.graph, circuit.mask)
        expected = on.faithfulness(Evaluator(on, plain).value().metric)
        assert about["faithfulness_on_own_pairs"] == pytest.approx(expected, abs=1e-4)
        assert out["cross"][i][i] == about["faithfulness_on_own_pairs"]


def test_by_role(pairs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "circuits"
    assert run(pairs_file, "--by-role", "--splits", "1", "--json", "-o", str(folder)) == 0
    out: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert out["labels"] == [0] * N + [1] * N and out["selection"]["by_role"]
    for cluster, path in zip(out["clusters"], out["written"], strict=True):
        circuit = load_circuit(path, pocket().graph)
        assert circuit.at and circuit.parts() == cluster["edges"]
    assert run(pairs_file, "--by-role", "--splits", "1") == 0
    assert " at some roles" in capsys.readouterr().out


def test_text(pairs_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(pairs_file, "--splits", "1") == 0
    out = capsys.readouterr().out
    assert "2 by k-means, each pair's scores scaled to length 1; their number was given" in out
    assert f"cluster 2     {N} pairs" in out
    assert f"tasks       {N} ioi" in out and "purity        1.0000" in out
    assert "random splits" in out


def test_the_number_is_chosen_and_all_criteria_are_said(
    pairs_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ("--method", "eap-ig", "--steps", "3", "--by", "elbow", "--splits", "0")
    assert main(["clusters", "pocket", str(pairs_file), "--metric", "logit_diff", *args]) == 0
    out = capsys.readouterr().out
    assert "silhouette says" in out
    assert "used: elbow" in out
    assert "random splits" not in out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--method", "acdc"), "acdc does not score the edges"),
        (("--method", "nothing"), "no method"),
        (("--steps", "4"), "eap does not heed --steps"),
        (("--edges", "0"), "has to be 1 or more"),
        (("--k", "99"), "do not make 99 clusters"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    pairs_file: Path,
    more: tuple[str, ...],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(pairs_file, *more) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in error


def test_a_folder_with_something_in_it_is_left_alone(
    pairs_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("x")
    assert run(pairs_file, "-o", str(tmp_path)) == 2
    assert "There is something in" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
