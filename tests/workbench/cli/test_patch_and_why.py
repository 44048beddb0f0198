"""`workbench patch` and `workbench why`: what scripts compute, and sentences for bad input."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_models import tiny_gpt2
from workbench import attention_sources, attention_without, load_model, prepare, role_map
from workbench.cli.main import main
from workbench.experiment.experiment import Experiment


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2()
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def experiment(model: Path) -> Experiment:
    return prepare(load_model(str(model), device="cpu"), "ioi", pairs=3)


def command(name: str, model: Path, *more: str) -> list[str]:
    return [name, str(model), "ioi", "--pairs", "3", "--device", "cpu", *more]


def test_patch_says_what_a_script_is_told(
    model: Path, experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = role_map(experiment, "head", pair=1)
    table, picture = tmp_path / "map.csv", tmp_path / "map.svg"
    asked = ("--what", "head", "--pair", "2")
    assert not main(command("patch", model, *asked, "--json", "-o", str(table)))
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["points"]] == list(found.points)
    values = [one["values"] for one in told["points"]]
    np.testing.assert_allclose(values, found.values, atol=1e-6)
    assert [one["name"] for one in told["roles"]] == list(found.roles)
    rows = list(csv.reader(table.read_text().splitlines()))
    assert rows[0] == ["point", "layer", *found.roles] and len(rows) == len(found.points) + 1
    assert not main(command("patch", model, *asked, "-o", str(picture)))
    said = capsys.readouterr().out
    assert said.startswith(found.title) and str(picture) in said
    assert "<svg" in picture.read_text()


def test_why_says_what_a_script_is_told(
    model: Path, experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    found = attention_sources(experiment, "a1.h0", query="END", key="S2", pair=None)
    asked = ("--head", "a1.h0", "--query", "END", "--key", "S2", "--without", "1")
    assert not main(command("why", model, *asked, "--json"))
    told = json.loads(capsys.readouterr().out)
    one, other, part = found.strongest(1)[0]
    first = told["parts"][0]
    assert (first["query_source"], first["key_source"]) == (one, other)
    assert first["part"] == pytest.approx(part, abs=1e-6)
    left = attention_without(experiment, found, one, other)
    assert first["attention_without"] == pytest.approx(left, abs=1e-6)
    assert told["score"] == pytest.approx(found.score, abs=1e-6)
    assert sum(told["by_query"].values()) == pytest.approx(found.score, abs=1e-4)
    assert not main(command("why", model, "--head", "a1.h0", "--pair", "1", "--query", "-2"))
    assert capsys.readouterr().out.startswith("a1.h0 from -2")
    # Of the mean over pairs, a position stands for the role that it has in the first one.
    assert not main(command("why", model, "--head", "a1.h0"))
    assert capsys.readouterr().out.startswith("a1.h0 from END to ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("patch", "--what", "neuron"), "What is patched is one of"),
        (("patch", "--pair", "9"), "no pair"),
        (("patch", "-o", "map.txt"), "map.txt"),
        (("why", "--head", "m0"), "Only heads attend"),
        (("why", "--head", "a1.h0", "--query", "S9"), "No pair has a role"),
        (("why", "--head", "a1.h0", "--query", "99"), "no position 99"),
        (("why", "--head", "a1.h0", "--run", "circuit"), "split by sources"),
    ],
)
def test_what_cannot_be_meant_is_a_sentence(
    model: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *more = arguments
    assert main(command(name, model, *more)) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err and "defect" not in err
