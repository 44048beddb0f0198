"""Sweeps over checkpoints: each cell is the plain command's, and the page has it over time."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from pathlib import Path

import jsonschema
import pytest

from tests.support.tiny_models import tiny_gpt2
from workbench import (
    Circuit,
    WorkbenchError,
    evaluate,
    find_heads,
    load_circuit,
    load_model,
    read_sweep,
    run_sweep,
    save_circuit,
    sweep_cells,
)
from workbench.assessment.report.document import Figure
from workbench.checkpoints.results import does_task
from workbench.cli.main import main
from workbench.sweeps.folder import SweepFolder
from workbench.sweeps.results import Circuits, jaccard, rows_of
from workbench.sweeps.schema import schema
from workbench.sweeps.training import training_blocks

FILE = """
checkpoints = "runs"
tasks = ["ioi"]
methods = ["eap"]
sizes = [5]
circuits = ["c.json"]
heads = true
pairs = 3
device = "cpu"
"""
STEPS = (0, 9, 100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training, a circuit file, and a sweep over them that was run."""
    folder = tmp_path_factory.mktemp("sweep")
    for step in STEPS:
        hf, tokenizer = tiny_gpt2(layers=1, heads=2, seed=step)
        hf.save_pretrained(folder / "runs" / f"checkpoint-{step}")
        tokenizer.save_pretrained(folder / "runs" / f"checkpoint-{step}")
    graph = load_model(str(folder / "runs" / "checkpoint-0"), device="cpu").graph
    edges = ["input->a0.h1<v>", "a0.h1->m0", "m0->logits"]
    save_circuit(Circuit.from_edges(graph, edges), folder / "c.json")
    (folder / "s.toml").write_text(FILE)
    assert run_sweep(folder / "s.toml").finished == 9
    return folder


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_cells_are_what_plain_calls_give(made: Path) -> None:
    folder = SweepFolder(made / "s")
    kinds = {"found": 0, "given": 0, "heads": 0}
    for cell in sweep_cells(made / "s.toml"):
        kinds[cell.kind] += 1
        found = folder.result(cell)
        model = load_model(cell.settings.model, device="cpu")
        assert Path(model.name).name == f"checkpoint-{cell.checkpoint and cell.checkpoint.step}"
        if cell.kind == "heads":
            alone = find_heads(model).to_json()
            assert [row["induction"] for row in found["heads"]] == pytest.approx(
                [row["induction"] for row in alone["heads"]]
            )
            continue
        given = cell.kind == "given"
        circuit = made / "c.json" if given else folder.cell(cell) / "circuit.json"
        score = evaluate(model, "ioi", str(circuit), pairs=3)
        assert found["evaluation"]["faithfulness"] == pytest.approx(score.faithfulness, rel=1e-5)
        assert found["evaluation"]["clean"] == pytest.approx(score.clean, rel=1e-6)
    assert kinds == {"found": 3, "given": 3, "heads": 3}


def test_commands_are_plain_ones(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = {cell.kind: cell for cell in sweep_cells(made / "s.toml")}
    for kind in ("given", "heads"):
        assert main(shlex.split(cells[kind].command())[1:]) == 0
        told = json.loads(capsys.readouterr().out)
        kept = SweepFolder(made / "s").result(cells[kind])
        if kind == "given":
            assert told["faithfulness"] == pytest.approx(kept["evaluation"]["faithfulness"])
        else:
            assert [row["copying"] for row in told["heads"]] == pytest.approx(
                [row["copying"] for row in kept["heads"]]
            )


def test_tables_and_page_have_the_steps(made: Path) -> None:
    rows = [json.loads(line) for line in (made / "s" / "table.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [step for step in STEPS for _ in range(3)]
    assert {row["method"]: row["file"] for row in rows} == {
        "heads": None, "circuit": str(made / "c.json"), "eap": None,
    }  # fmt: skip
    with (made / "s" / "heads.csv").open(newline="") as table:
        heads = list(csv.DictReader(table))
    assert [(row["step"], row["head"]) for row in heads] == [
        (str(step), head) for step in STEPS for head in ("a0.h0", "a0.h1")
    ]
    page = (made / "s" / "page.html").read_text()
    for words in ("What the model does,", "Overlaps", "Kinds of heads"):
        assert f"{words} over training" in page
    # These models do no task, so that a faithfulness would be a ratio of noise.
    for words in ("Faithfulness over training", "Faithfulness over sizes", "Overlaps over models"):
        assert words not in page
    cells = [cell for cell in sweep_cells(made / "s.toml") if cell.kind == "found"]
    first, second = (
        load_circuit(SweepFolder(made / "s").cell(cell) / "circuit.json") for cell in cells[:2]
    )
    index = jaccard(first, second)
    assert index is not None and f">{index:.2f}<" in page


def test_faithfulness_is_drawn_where_the_model_does_the_task(made: Path) -> None:
    sweep, folder = read_sweep(made / "s.toml"), SweepFolder(made / "s")
    able = {"clean": 2.0, "corrupted": 0.0, "clean_accuracy": 0.8, "faithfulness": 0.625}
    for able_from, points in ((0, 3), (9, 2), (101, 0)):
        told = [
            (cell, row if row["step"] < able_from or cell.kind == "heads" else {**row, **able})
            for cell, row in zip(sweep.cells, rows_of(sweep, folder), strict=True)
        ]
        blocks = training_blocks(told, Circuits(sweep, folder), [])
        drawn = [one for one in blocks if isinstance(one, Figure) and one.name == "training-0"]
        assert len(drawn) == (points > 0)
        if drawn:  # the marks of two curves, and one of each in the legend
            assert drawn[0].svg.count("<use ") >= 2 * points
    assert does_task(2.0, 0.0, 0.7) and does_task(2.0, 1.7, float("nan"))
    assert not (does_task(2.0, 0.0, 0.69) or does_task(2.0, 1.9, 1.0) or does_task(None, 1, 1))


def test_what_is_done_is_done_and_what_is_damaged_stops_no_other(copied: Path) -> None:
    shutil.rmtree(copied / "s")
    (copied / "s.toml").write_text(FILE.replace("heads = true", ""))
    (copied / "runs" / "checkpoint-9" / "model.safetensors").write_bytes(b"none")
    found = run_sweep(copied / "s.toml")
    assert found.finished == 4 and found.left == 0
    assert all("truncated or corrupt" in reason for _, reason in found.failed)
    assert run_sweep(copied / "s.toml").computed == 0
    hf, tokenizer = tiny_gpt2(layers=1, heads=2, seed=8)
    hf.save_pretrained(copied / "runs" / "checkpoint-8")
    tokenizer.save_pretrained(copied / "runs" / "checkpoint-8")
    assert run_sweep(copied / "s.toml").computed == 2
    # A circuit that is changed is another circuit.
    graph = load_circuit(copied / "c.json").graph
    save_circuit(Circuit.full(graph), copied / "c.json")
    assert run_sweep(copied / "s.toml").computed == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('tasks = ["ioi"]\nheads = true', "models or checkpoints"),
        ('tasks = ["ioi"]\ncheckpoints = "runs"', "methods, circuits or heads = true"),
        (FILE.replace('"runs"', '"runs/x-*"'), "No folder is named"),
        (FILE.replace('"runs"', "[]"), "list of checkpoints is empty"),
        (FILE.replace('"runs"', '{ model = "a/b" }'), "revisions"),
        (FILE.replace('"runs"', '{ model = "a/b", revision = ["x"] }'), "revision"),
        (FILE + 'revision = "main"', "no revision"),
        (FILE.replace('"c.json"', '"d.json"'), "no file"),
    ],
)
def test_a_file_is_refused_in_a_sentence(copied: Path, text: str, said: str) -> None:
    (copied / "t.toml").write_text(text)
    with pytest.raises(WorkbenchError, match=said) as error:
        read_sweep(copied / "t.toml")
    assert "\n" not in str(error.value)


def test_the_file_is_what_its_schema_says(made: Path) -> None:
    import tomllib

    for given in ('"runs"', '["a", "b"]', '{ model = "a/b", revisions = ["step1"] }'):
        jsonschema.validate(tomllib.loads(FILE.replace('"runs"', given)), schema())


def test_revisions_are_cells_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(
        FILE.replace('"runs"', '"a/b@step1,step0"').replace('circuits = ["c.json"]', "")
    )
    cells = [cell for cell in sweep_cells(path) if cell.kind == "found"]
    assert [cell.settings.revision for cell in cells] == ["step0", "step1"]
    assert "b-step0-ioi-eap" in cells[0].name and "--revision step0" in cells[0].command()
