"""`workbench intervene`: what it prints is what the library finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.cli.main import main
from workbench.engine.continuation import continue_pair
from workbench.engine.intervention_effect import intervention_effect, with_interventions
from workbench.experiment.prepare import prepare
from workbench.formats import load_circuit, save_circuit
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


def test_roles_are_positions_too(capsys: Any) -> None:
    code, out, _ = ran(capsys, "--scale", "a2.h1=0", "--at", "S2, END", "--tokens", "0", "--json")
    found = json.loads(out)
    assert code == 0 and found["interventions"] == ["a2.h1 * 0 at S2,END"]
    plain = prepare(load_model("pocket", device="cpu"), "ioi", pairs=3)
    done = with_interventions(plain, found["interventions"])
    assert found["done"]["clean"] == done.clean.metric != plain.clean.metric


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
        (["--scale", "m1=2", "--at", "S9"], "No pair has a role 'S9'"),
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


def test_commands_heed_what_a_circuit_file_says_is_done(capsys: Any, tmp_path: Path) -> None:
    path, other = tmp_path / "c.json", tmp_path / "d.json"
    assert main(["discover", *HOW, "--method", "eap", "--edges", "60", "-o", str(path)]) == 0
    circuit = load_circuit(path)
    circuit.provenance["interventions"] = [{"text": "a3.h0 * 0"}]
    save_circuit(circuit, other)
    capsys.readouterr()

    def said(*arguments: str) -> Any:
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    model = load_model("pocket", device="cpu")
    done = prepare(model, "ioi", pairs=3, interventions=["a3.h0 * 0"])
    found = said("evaluate", HOW[0], HOW[1], str(other), *HOW[2:])
    assert found["interventions"] == ["a3.h0 * 0"]
    assert found["clean"] == pytest.approx(done.clean.metric, abs=1e-5)
    assert "interventions" not in said("evaluate", HOW[0], HOW[1], str(path), *HOW[2:])
    assessed = said("assess", HOW[0], HOW[1], str(other), *HOW[2:], "--parts", "faithfulness")
    assert assessed["model_metric"] == pytest.approx(done.clean.metric, abs=1e-5)
    prompt, corrupted = done.batch.task.pairs[0].clean, done.batch.task.pairs[0].corrupted
    how = ["--circuit", str(other), "--corrupted", corrupted, "--tokens", "2", "--device", "cpu"]
    goes_on = said("run", "pocket", prompt, *how)
    assert [one["token"] for one in goes_on["model"]] == [
        one.token for one in continue_pair(done, 0, n=2).model
    ]
    both = [str(path), str(other)]
    assert main(["assess", HOW[0], HOW[1], *both, *HOW[2:], "--parts", "faithfulness"]) == 2
    assert "different interventions" in capsys.readouterr().err


def test_edges_and_groups_are_targets(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    circuit = Circuit.full(load_model("pocket", device="cpu").graph)
    circuit.groups = (RoleGroup("movers", "", ("a3.h0", "a3.h1")),)
    save_circuit(circuit, path)
    lines = ["--scale", "a1.h1->a2.h0=0", "--do", "group:movers->logits * 0.5 at -1"]
    code, out, _ = ran(capsys, *lines, "--circuit", str(path), "--tokens", "1", "--json")
    found = json.loads(out)
    assert code == 0
    said = ["a1.h1->a2.h0 * 0", "a3.h0->logits,a3.h1->logits * 0.5 at -1"]
    assert found["interventions"] == said
    plain = prepare(load_model("pocket", device="cpu"), "ioi", pairs=3)
    assert found["done"]["clean"] == with_interventions(plain, said).clean.metric
    # All edges are kept, so that the circuit is the changed model.
    assert found["done"]["circuit"] == pytest.approx(found["done"]["clean"], abs=1e-4)
    code, _, err = ran(capsys, "--scale", "group:movers=0")
    assert code == 2 and "no group" in err


@pytest.mark.parametrize(
    "command",
    [
        ["discover", *HOW, "--method", "eap", "--edges", "60"],
        ["clusters", "pocket", "ioi", "--pairs", "4", "--method", "eap", "--k", "2"],
        ["expand", *HOW, "--rule", "top-k", "--value", "1"],
    ],
    ids=lambda command: command[0],
)
def test_methods_work_on_the_changed_model(capsys: Any, tmp_path: Path, command: list[str]) -> None:
    to = tmp_path / ("circuits" if command[0] == "clusters" else "c.json")
    done = ["a1.h1->a2.h0 * 0", "m2 * 0.5"]
    options = [word for line in done for word in ("--do", line)]
    assert main([*command, *options, "--json", "-o", str(to)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["text"] if isinstance(one, dict) else one for one in found["interventions"]] == done
    file = to / "cluster-1.json" if to.is_dir() else to
    assert [one["text"] for one in load_circuit(file).provenance["interventions"]] == done
    assert main([*command, "--do", "m2 / 2"]) == 2
    assert "is no intervention" in capsys.readouterr().err
