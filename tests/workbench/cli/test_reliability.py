"""`workbench reliability`: what it prints is what the library finds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.cli.main import main
from workbench.experiment.prepare import prepare
from workbench.models.model import load_model
from workbench.reliability.results import ReliabilitySettings
from workbench.reliability.steering import find_reliability

HOW = ["pocket", "ioi", "--pairs", "8", "--device", "cpu"]


def ran(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    code = main(["reliability", *HOW, *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_json_is_what_the_library_finds(capsys: Any) -> None:
    code, out, _ = ran(capsys, "--numbers", "1,2", "--factors", "1.5", "--sound", "0.6", "--json")
    found = json.loads(out)
    assert code == 0
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=8)
    settings = ReliabilitySettings(numbers=(1, 2), factors=(1.5,), sound=0.6)
    same = json.loads(json.dumps(find_reliability(experiment, settings).to_json()))
    assert {name: found[name] for name in same} == same


def test_text_names_the_kinds_and_what_scaling_does(capsys: Any) -> None:
    code, out, _ = ran(capsys, "--numbers", "1", "--factors", "1.5", "--sound", "0.6")
    assert code == 0
    for said in ("reliable: ", "harmful: ", "unreliable: ", "as it is", "other half", "perplexity"):
        assert said in out
    code, out, _ = ran(capsys, "--map", "--all")
    assert code == 0 and "other half" not in out
    # Every head has a line.
    assert sum(line.startswith("a") and ".h" in line[:6] for line in out.splitlines()) == 16


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--numbers", "1.5"], "whole numbers"),
        (["--factors", "two"], "no factors"),
        (["--order", "best"], "best"),
        (["--also", "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(capsys: Any, options: list[str], said: str) -> None:
    code, out, err = ran(capsys, *options)
    assert code == 2 and not out and said in err and "Traceback" not in err
