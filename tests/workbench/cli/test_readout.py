"""The command `workbench readout`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_models import tiny_gpt2
from workbench import load_model, prepare, read_out, save_circuit
from workbench.circuits.circuit import Circuit
from workbench.cli.main import main
from workbench.readouts.catalogue import READOUTS
from workbench.readouts.circuit_runs import InCircuit
from workbench.readouts.jacobian.files import save_lens
from workbench.readouts.jacobian.lens import JacobianLens
from workbench.readouts.results import AnswerCurve
from workbench.readouts.shapes import shape_of, to_json


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2()
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_it_says_what_a_script_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["readout", str(model), "greater-than", "--pairs", "3", "--device", "cpu"]
    experiment = prepare(load_model(str(model), device="cpu"), "greater-than", pairs=3)
    width = experiment.model.parts.d_model
    save_lens(JacobianLens({1: torch.eye(width)}, width, 1), tmp_path / "lens.pt")
    circuit = Circuit.from_edges(experiment.graph, ["input->m0", "m0->logits"])
    save_circuit(circuit, tmp_path / "circuit.json")
    for name in READOUTS:
        node = "a1.h0" if READOUTS[name].by_node else None
        of = ["--readout", name, "--pair", "2", *(["--node", node] if node else [])]
        more: dict[str, Any] = {}
        if READOUTS[name].needs_lens:
            of += ["--through", str(tmp_path / "lens.pt")]
            more["through"] = tmp_path / "lens.pt"
        if READOUTS[name].directed:
            of += ["--direction", "embed: war"]
            more["direction"] = "embed: war"
        if READOUTS[name].runs == ("circuit",):
            of += ["--circuit", str(tmp_path / "circuit.json")]
            more["run"] = InCircuit(circuit)
        assert not main([*arguments, *of, "--json"])
        told = json.loads(capsys.readouterr().out)
        told.pop("warnings")
        found = read_out(experiment, name, node, pair=1, **more)  # the second, as in "--pair 2"
        if isinstance(found, AnswerCurve):
            assert told.pop("probabilities") == list(found.probabilities)
        shape = shape_of(found)
        assert told == json.loads(json.dumps({"readout": name, **to_json(shape)}))
        assert not main([*arguments, *of])
        assert capsys.readouterr().out.startswith(shape.title)


def test_the_list_and_what_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert not main(["readout", "--list", "--json"])
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(READOUTS)
    assert not main(["readout", "--list"])
    assert "lens  " in capsys.readouterr().out
    for arguments, said in (
        (["readout"], "Name a model and a task"),
        (["readout", "gpt2", "ioi"], "is of a node"),
        (["readout", "gpt2", "ioi", "-r", "no-such"], "There is no readout"),
        (
            ["readout", "gpt2", "ioi", "-r", "residual", "--role", "S2", "--position", "1"],
            "not both",
        ),
        (["readout", "gpt2", "ioi", "-r", "map", "--role", "S2"], "of no single position"),
    ):
        assert main(arguments) == 2
        assert said in capsys.readouterr().err


def test_plots_and_tables_are_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["readout", str(model), "ioi", "--pairs", "2", "--device", "cpu"]
    experiment = prepare(load_model(str(model), device="cpu"), "ioi", pairs=2)
    found = read_out(experiment, "attention", "a1.h0", pair=0)
    of = ["-r", "attention", "--node", "a1.h0", "--pair", "1", "-o"]
    for suffix, begins in ((".pdf", b"%PDF"), (".svg", b"<?xml"), (".tex", b"\\begin{tabular}")):
        out = tmp_path / f"attention{suffix}"
        assert not main([*arguments, *of, str(out)])
        assert out.read_bytes().startswith(begins)
    out = tmp_path / "attention.csv"
    assert not main([*arguments, *of, str(out)])
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.tokens) * (len(found.tokens) + 1) // 2
    for row in rows:
        assert float(row["weight"]) == float(found.weights[int(row["query"]), int(row["key"])])
    capsys.readouterr()
    for name, words in (("x.bmp", "says no format"), ("no/x.csv", "folder does not exist")):
        assert main([*arguments, *of, str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err


def test_a_role_takes_the_place_of_a_position(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["readout", str(model), "ioi", "--pairs", "2", "--device", "cpu", "-r", "residual"]
    told = []
    for at in (["--role", "END"], ["--position", "-1"]):
        assert not main([*arguments, *at, "--json"])
        told.append(json.loads(capsys.readouterr().out))
    assert told[0]["rows"] == told[1]["rows"]


def test_a_pair_that_is_not_there(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["readout", str(model), "greater-than", "--pairs", "3", "--device", "cpu"]
    assert main([*arguments, "-r", "residual", "--pair", "4"]) == 2
    assert "There is no pair 4; the task has 3." in capsys.readouterr().err
