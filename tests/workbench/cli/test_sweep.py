"""The command `workbench sweep`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.support.tiny_models import tiny_gpt2
from workbench import Circuit, load_model, prepare, save_circuit, sweep_edges
from workbench.cli.main import main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2(layers=2, heads=2)
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_it_says_what_a_script_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = prepare(load_model(str(model), device="cpu"), "ioi", pairs=3)
    circuit = Circuit.from_edges(experiment.graph, ["input->m0", "m0->logits"])
    save_circuit(circuit, tmp_path / "c.json")
    of = ["sweep", str(model), "ioi", "--pairs", "3", "--device", "cpu", "--into", "logits"]
    out = tmp_path / "effects.csv"
    assert not main([*of, "--json", "-o", str(out)])
    told = json.loads(capsys.readouterr().out)
    wanted = sweep_edges(experiment, ["logits"])
    assert [row["edge"] for row in told["edges"]] == [row.edge for row in wanted.rows]
    assert told["edges"][0]["effect"] == pytest.approx(wanted.rows[0].effect, abs=1e-6)
    assert told["complete"] and told["written"] == [str(out)]
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [f"{row['source']}->{row['destination']}" for row in rows] == [
        row.edge for row in wanted.rows
    ]
    within = ["--setting", "within", "--circuit", str(tmp_path / "c.json"), "--top", "2"]
    assert not main([*of, *within])
    said = capsys.readouterr().out
    assert "within the circuit" in said and "kept" in said and "more" in said
    assert not main([*of, "--together", "--out-of", "m0"])
    assert capsys.readouterr().out.startswith("m0->logits")
    assert not main([*of[:-1], "a1.h0<k>", "--out-of", "m0", "--by-role", "--json"])
    told = json.loads(capsys.readouterr().out)
    wanted = sweep_edges(experiment, ["a1.h0<k>"], ["m0"], by_role=True)
    assert [row["edge"] for row in told["edges"]] == [row.edge for row in wanted.rows]
    assert {row.edge for row in wanted.rows} >= {"m0->a1.h0<k>@S2", "m0->a1.h0<k>@END"}


def test_what_it_refuses(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    of = ["sweep", str(model), "ioi", "--pairs", "2", "--device", "cpu"]
    for more, said in (
        (["--setting", "within"], "refers to a circuit"),
        (["-o", str(tmp_path / "x.json")], "End the table's name in"),
        (["--into", "a7.h0"], "a7.h0"),
        (["--edges", "3"], "go with --circuit FILE"),
        (["--together", "--by-role"], "not both"),
        (["--circuit", str(tmp_path / "none.json")], "There is no file"),
    ):
        assert main([*of, *more]) == 2
        assert said in capsys.readouterr().err
