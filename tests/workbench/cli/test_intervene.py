"""`workbench intervene`: what it prints is what the library finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.main import main
from workbench.engine.intervention_effect import intervention_effect, with_interventions
from workbench.experiment.prepare import prepare
from workbench.models.model import load_model

pytestmark = pytest.mark.dependencies

HOW = ["pocket", "ioi", "--pairs", "3", "--device", "cpu"]


def ran(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    code = main(["intervene", *HOW, *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_json_is_what_the_library_finds(capsys: Any) -> None:
    options = ["--scale", "a2.h1,a1.h0=2", "--set", "m1=corrupted", "--at", "-1"]
    more = ["--do", "m2.n3 * 0", "--pair", "2", "--tokens", "2", "--alphas", "0,1"]
    code, out, _ = ran(capsys, *options, *more, "--json")
    found = json.loads(out)
    lines = ["a2.h1,a1.h0 * 2 at -1", "m1 = corrupted at -1", "m2.n3 * 0"]
    assert code == 0 and found["interventions"] == lines
    plain = prepare(load_model("pocket", device="cpu"), "ioi", pairs=3)
    effect = intervention_effect(plain, with_interventions(plain, lines), pair=1, n=2)
    same = json.loads(json.dumps(effect.to_json()))
    assert {name: found[name] for name in same} == same
    assert [point["alpha"] for point in found["curve"]["points"]] == [0, 1]


def test_text_has_a_line_for_each_thing(capsys: Any) -> None:
    code, out, _ = ran(capsys, "--scale", "a2.h1=0", "--alphas", "0,2", "--tokens", "0")
    assert code == 0
    assert "does          a2.h1 * 0" in out and "a2.h1 * 0, over its factor" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Say what is to be done"),
        (["--scale", "a2.h1"], "takes NODE="),
        (["--scale", "a2.h1=two"], "is no intervention"),
        (["--scale", "a2.h9=2"], "a2.h9"),
        (["--set", "m1=mean", "--alphas", "1,2"], "no factor"),
        (["--scale", "m1=2", "--pair", "9"], "no pair 9"),
        (["--scale", "m1=2", "--at", "99"], "no position 99"),
        (["--scale", "m1=2", "--circuit", "nowhere.json"], "nowhere.json"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(capsys: Any, options: list[str], said: str) -> None:
    code, out, err = ran(capsys, *options)
    assert code == 2 and not out and said in err and "Traceback" not in err


def test_a_circuit_is_measured_in_both_models(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    assert main(["discover", *HOW, "--method", "eap", "--edges", "60", "-o", str(path)]) == 0
    capsys.readouterr()
    code, out, _ = ran(capsys, "--scale", "a2.h1=0", "--circuit", str(path), "--json")
    found = json.loads(out)
    assert code == 0
    assert found["without"]["faithfulness"] != found["done"]["faithfulness"]
