"""What speaks against a result: every command says it on stderr once, and in `--json`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench import load_model
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.cli import main
from workbench.experiment.prepare import load_task
from workbench.formats import save_circuit

SWAPPED = ("hardly does this task", "prefers the wrong answers", "corrupted prompts do better")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task whose answers and wrong answers are exchanged, a circuit, and one without an edge."""
    made = tmp_path_factory.mktemp("swapped")
    model = load_model("pocket")
    pairs = load_task("ioi", model, pairs=4).pairs
    rows = [
        {
            "clean": pair.clean,
            "corrupted": pair.corrupted,
            "answers": pair.wrong_answers,
            "wrong_answers": pair.answers,
        }
        for pair in pairs
    ]
    (made / "swapped.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    graph: Graph = model.graph
    save_circuit(Circuit.full(graph), made / "all.json")
    save_circuit(Circuit.empty(graph), made / "none.json")
    return made


@pytest.fixture(autouse=True)
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))


def warned(capfd: pytest.CaptureFixture[str], words: str) -> list[str]:
    """The warnings of a command; they are the same in both places."""
    capfd.readouterr()
    assert main.main([*words.split(), "--json"]) == 0
    out, err = capfd.readouterr()
    prefix = "workbench: warning: "
    said = [line.removeprefix(prefix) for line in err.splitlines() if line.startswith(prefix)]
    assert len(said) == len(set(said))
    assert json.loads(out)["warnings"] == said
    return said


@pytest.mark.parametrize(
    "words",
    [
        "discover pocket swapped.jsonl --method eap --edges 20",
        "evaluate pocket swapped.jsonl all.json",
        "evaluate pocket swapped.jsonl all.json --by-pair",
        "readout pocket swapped.jsonl --readout lens --node m1",
        "clusters pocket swapped.jsonl --splits 0",
        "expand pocket swapped.jsonl",
        "assess pocket swapped.jsonl all.json --parts faithfulness",
    ],
)
def test_exchanged_answers(capfd: pytest.CaptureFixture[str], words: str) -> None:
    said = warned(capfd, words)
    assert len(said) == len(SWAPPED)
    assert all(part in sentence for part, sentence in zip(SWAPPED, said, strict=True))


@pytest.mark.parametrize(
    "words",
    [
        "evaluate pocket ioi none.json --pairs 2",
        "draw none.json --output none.svg",
    ],
)
def test_a_circuit_without_an_edge(capfd: pytest.CaptureFixture[str], words: str) -> None:
    (said,) = warned(capfd, words)
    assert "none.json keeps no edge" in said


def test_a_pair_that_is_tried(capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--clean", "Mary and John went to ", "--corrupted", "Mary and Paul went to "]
    capfd.readouterr()
    assert main.main(["try", "pocket", *words, "--answer", " the", "--wrong", " a", "--json"]) == 0
    out, err = capfd.readouterr()
    (said,) = [line for line in json.loads(out)["warnings"] if "ends in a space" in line]
    assert err.count(said) == 1
