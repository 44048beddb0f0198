"""Which checkpoints a name, a pattern or a list stands for, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from workbench import WorkbenchError
from workbench.checkpoints.sequence import Checkpoint, read_checkpoints, step_of


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("checkpoint-100", 100), ("step1000-tokens4B", 1000), ("stage1-step5000-tokens21B", 5000),
        ("global_step_7", 7), ("my-run-12", 12), ("main", None),
    ],
)  # fmt: skip
def test_steps_are_read_from_names(name: str, step: int | None) -> None:
    assert step_of(name) == step


def test_folders_are_in_the_order_of_numbers(made: Path) -> None:
    found = read_checkpoints(made)
    assert [one.label for one in found] == ["0", "20", "100"]
    assert read_checkpoints(f"{made}/checkpoint-*") == found
    names = [str(made / f"checkpoint-{step}") for step in (100, 0, 20)]
    assert read_checkpoints(names) == found
    assert read_checkpoints("checkpoint-?0*", beside=made) == found[1:]


def test_revisions_are_of_the_hub() -> None:
    found = read_checkpoints("a/b@step1000,step0")
    assert found == (Checkpoint("a/b", "step0", 0), Checkpoint("a/b", "step1000", 1000))
    assert read_checkpoints({"model": "a/b", "revisions": ["step0", "step1000"]}) == found
    assert read_checkpoints(["a/b@step1000", "a/b@step0"]) == found


def test_a_list_without_numbers_keeps_its_order() -> None:
    assert [one.label for one in read_checkpoints(["a/base", "a/tuned"])] == ["base", "tuned"]


def test_what_is_no_sequence_is_refused(made: Path, training: Path) -> None:
    def refused(given: object, match: str) -> None:
        with pytest.raises(WorkbenchError, match=match) as told:
            read_checkpoints(given)  # type: ignore[arg-type]
        assert str(told.value).count("\n") == 0

    refused(f"{made}/nothing-*", "No folder is named as")
    refused([], "empty")
    refused(str(made / "checkpoint-0"), "holds no folders named checkpoint-N")
    refused("there/is/none", "There is no folder there/is/none")
    refused(["a/b@main", "a/b@step1"], "main has no number of steps")
    refused({"model": "a/b"}, "a model and a list of its revisions")
    shutil.copytree(training / "checkpoint-20", training / "again-20")
    refused(f"{training}/*-20", "are both of step 20")
    shutil.rmtree(training / "again-20")
    other = training / "checkpoint-100"
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"n_layer": 3}))
    refused(training, "checkpoint-100 and checkpoint-0 are not of one training: n_layer is 3 and 2")
    (other / "config.json").write_text(json.dumps(config))
    tokens = json.loads((other / "tokenizer.json").read_text())
    (other / "tokenizer.json").write_text(json.dumps(tokens, indent=3))
    assert len(read_checkpoints(training)) == 3  # written in another way
    vocabulary = tokens["model"]["vocab"]
    first, second = list(vocabulary)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (other / "tokenizer.json").write_text(json.dumps(tokens))
    refused(training, "their tokenizers differ")
    (other / "config.json").write_text("{")
    assert len(read_checkpoints(training)) == 3  # what is damaged is told when it is loaded
