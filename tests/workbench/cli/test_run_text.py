"""The command `workbench run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.tiny_models import tiny_gpt2
from workbench import load_model, save_circuit
from workbench.circuits.circuit import Circuit, all_edges
from workbench.cli.main import main
from workbench.engine.continuation import continue_text


def test_it_says_what_a_script_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hf, tokenizer = tiny_gpt2()
    path = tmp_path / "tiny"
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    model = load_model(str(path), device="cpu")
    circuit = Circuit(model.graph, all_edges(model.graph))
    circuit.mask[2:4] = False
    file = tmp_path / "circuit.json"
    save_circuit(circuit, file)
    arguments = ["run", str(path), "The keys near the", "--device", "cpu"]
    assert not main([*arguments, "--top", "3", "--json"])
    told = json.loads(capsys.readouterr().out)
    found = continue_text(model, "The keys near the", n=0, top=3)
    assert told == json.loads(json.dumps(found.to_json() | {"warnings": []}))
    of = ["--circuit", str(file), "--corrupted", "The key near the", "--tokens", "4"]
    assert not main([*arguments, *of, "--json"])
    told = json.loads(capsys.readouterr().out)
    found = continue_text(model, "The keys near the", circuit, corrupted="The key near the", n=4)
    assert told == json.loads(json.dumps(found.to_json() | {"warnings": []}))
    assert not main([*arguments, *of])
    said = capsys.readouterr().out
    assert said.startswith("The| keys| near| the\n") and "\ncircuit " in said
    assert found.definition in said
    for more, words in (
        (["--corrupted", "The key"], "go with --circuit FILE"),
        (["--circuit", str(file)], "corrupted text"),
    ):
        assert main([*arguments, *more]) == 2
        assert words in capsys.readouterr().err
