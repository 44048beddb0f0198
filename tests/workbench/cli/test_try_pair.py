"""`workbench try`: the numbers of `evaluate` for one pair, and one sentence for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from workbench.circuits.circuit import Circuit
from workbench.cli import main
from workbench.engine.score import evaluate
from workbench.formats import save_circuit
from workbench.models.model import load_model
from workbench.prompts.task_file import read_task

CLEAN = "While Claire and Emily went to the garden, Emily passed a bag to"
CORRUPTED = "While Claire and Emily went to the garden, Simon passed a bag to"


def test_one_pair_is_what_evaluate_says_of_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = load_model("pocket")
    circuit = Circuit.from_edges(model.graph, list(model.graph.edges())[::2])
    save_circuit(circuit, tmp_path / "circuit.json")
    line = {"clean": CLEAN, "corrupted": CORRUPTED}
    line |= {"answers": [" Claire"], "wrong_answers": [" Emily", " Simon"]}  # type: ignore[dict-item]
    (tmp_path / "pair.jsonl").write_text(json.dumps(line))
    told = evaluate(model, read_task(tmp_path / "pair.jsonl"), circuit)

    typed = ["try", "pocket", "--clean", CLEAN, "--corrupted", CORRUPTED]
    typed += ["--answer", " Claire", "--wrong", " Emily", "--wrong", " Simon"]
    of_circuit = [*typed[:2], str(tmp_path / "circuit.json"), *typed[2:]]
    assert main.main([*of_circuit, "--json", "-k", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clean"] == pytest.approx(told.clean, abs=1e-4)
    assert found["corrupted"] == pytest.approx(told.corrupted, abs=1e-4)
    assert found["circuit"] == pytest.approx(told.circuit, abs=1e-4)
    assert found["faithfulness"] == pytest.approx(told.faithfulness, abs=1e-4)
    assert [answer["right"] for answer in found["answers"]] == [True, False, False]
    assert len(found["top_circuit"]) == len(found["top_clean"]) == 3

    assert main.main(of_circuit) == 0
    text = capsys.readouterr().out
    assert "{ Emily}" in text and f"model {told.clean:.4g}"[:10] in text
    # The mean over one prompt at its positions is that prompt: nothing is ablated.
    assert main.main([*of_circuit, "--ablation", "positional-mean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["faithfulness"] is None

    assert main.main([*typed[:5], "While Claire went", *typed[6:]]) == 2
    said = capsys.readouterr().err
    assert "differ in token length, 15 and 4" in said and "Traceback" not in said


def test_a_prompt_that_is_too_long_is_refused_in_one_sentence() -> None:
    """In a process of its own: transformers' logger keeps the stderr that it began with."""
    long = "While Claire and Emily went to the garden, " * 30
    words = ["--clean", f"{long}Emily", "--corrupted", f"{long}Simon", "--answer", " to"]
    command = [sys.executable, "-m", "workbench", "try", "pocket", *words, "--wrong", " a"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    said = [line for line in done.stderr.splitlines() if not line.endswith("…")]
    assert done.returncode == 2 and len(said) == 1
    assert "more than the 64 positions of the model" in said[0]
