"""A circuit at each checkpoint: what `evaluate` says of each model loaded alone."""

from __future__ import annotations

import json
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from workbench import evaluate, load_circuit, load_model, over_checkpoints
from workbench.checkpoints.results import AtCheckpoint
from workbench.checkpoints.scores import CheckpointRuns
from workbench.checkpoints.sequence import read_checkpoints
from workbench.cli.main import main
from workbench.experiment.settings import ExperimentSettings

SETTINGS = ExperimentSettings("", "ioi", pairs=3, device="cpu")


def same(found: AtCheckpoint, circuit: Path) -> None:
    alone = evaluate(load_model(found.checkpoint.model, device="cpu"), "ioi", str(circuit), pairs=3)
    for name in ("clean", "corrupted", "circuit", "faithfulness", "accuracy", "kl"):
        assert getattr(found, name) == pytest.approx(getattr(alone, name), rel=1e-6), name
    assert found.clean_accuracy == alone.clean_accuracy
    assert (found.edges, found.pairs, found.reason) == (3, 3, "")


def test_each_is_what_its_model_gives_alone(made: Path) -> None:
    told: list[AtCheckpoint] = []
    found = over_checkpoints(made, "ioi", made / "c.json", under=SETTINGS, told=told.append)
    assert told == found and [row.checkpoint.step for row in found] == [0, 20, 100]
    for row in found:
        same(row, made / "c.json")
    assert len({row.clean for row in found}) == 3
    alone = over_checkpoints(made, "ioi", under=SETTINGS)
    assert [row.clean for row in alone] == [row.clean for row in found]
    assert all(row.circuit is row.faithfulness is row.edges is None for row in alone)


def test_what_fits_is_kept_and_what_does_not_is_loaded_again(made: Path) -> None:
    sequence, circuit = read_checkpoints(made), load_circuit(made / "c.json")
    first = CheckpointRuns(sequence, "ioi", SETTINGS)
    rows = [first.at(one, circuit) for one in sequence for _ in range(2)]
    assert first.loaded == 3 and rows[::2] == rows[1::2]
    none = CheckpointRuns(sequence, "ioi", SETTINGS, room=0)
    assert [none.at(one, circuit) for one in sequence for _ in range(2)] == rows
    assert none.loaded == 6
    first.forget()
    first.at(sequence[0], circuit)
    assert first.loaded == 4


def test_a_damaged_checkpoint_has_a_reason_and_the_others_numbers(
    training: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (training / "checkpoint-20" / "model.safetensors").write_bytes(b"no weights at all")
    command = ["checkpoints", str(training), "ioi", "--pairs", "3", "--device", "cpu"]
    command += ["--circuit", str(training / "c.json")]
    assert main([*command, "--json", "-o", str(training / "t.csv")]) == 0
    rows = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [bool(row["reason"]) for row in rows] == [False, True, False]
    assert "truncated or corrupt" in rows[1]["reason"] and rows[1]["clean"] is None
    assert (training / "t.csv").read_text().count("\n") == 4
    assert main([*command, "-o", str(training / "t.svg")]) == 0
    said = capsys.readouterr().out
    assert "truncated" in said and "faithfulness" in said
    assert "steps of training" in (training / "t.svg").read_text()
    for step in (0, 100):
        (training / f"checkpoint-{step}" / "config.json").unlink()
    assert main(command) == 2


def test_another_tokenizer_is_found_out_by_the_prompts(training: Path) -> None:
    path = training / "checkpoint-20" / "tokenizer.json"
    sequence = read_checkpoints(training)  # the file is changed behind its back
    tokens = json.loads(path.read_text())
    vocabulary = tokens["model"]["vocab"]
    one, two = sorted(vocabulary, key=vocabulary.__getitem__)[-2:]
    vocabulary[one], vocabulary[two] = vocabulary[two], vocabulary[one]
    names = [name for name in vocabulary if name.strip("Ġ ") in ("Mary", "John", "the", "to")]
    for name, other in pairwise(names):
        vocabulary[name], vocabulary[other] = vocabulary[other], vocabulary[name]
    path.write_text(json.dumps(tokens))
    found = over_checkpoints(sequence, "ioi", under=SETTINGS)
    assert [bool(row.reason) for row in found] == [False, True, False]
    assert "makes other tokens of the prompts than that of checkpoint-0" in found[1].reason


def test_ctrl_c_leaves_what_was_computed(made: Path) -> None:
    stop = threading.Event()
    found = over_checkpoints(made, "ioi", under=SETTINGS, told=lambda _: stop.set(), cancel=stop)
    assert len(found) == 1


def test_bad_input_is_one_sentence(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*words: str) -> str:
        assert main(["checkpoints", *words]) == 2
        said = capsys.readouterr().err.strip()
        assert said.startswith("workbench: ") and "Traceback" not in said
        return said

    assert "No folder is named" in refused(f"{made}/x-*", "ioi")
    assert "no task" in refused(str(made), "ioj").lower()
    assert "MODEL@REVISION" in refused(str(made), "ioi", "--revision", "step1")
    assert "--circuit FILE" in refused(str(made), "ioi", "--edges", "3")
