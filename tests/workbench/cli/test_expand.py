"""`workbench expand`: the file, the report, one sentence for bad input, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_models import tiny_gpt2
from workbench.base.work import Work
from workbench.cli import main
from workbench.formats import load_circuit
from workbench.session.expansion import Expansion
from workbench.session.start import start_session

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2(layers=3)
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main.main([str(argument) for argument in ("expand", *arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def test_edges_at_roles_are_told_as_they_are_named(run: Run, model: Path) -> None:
    code, out, _ = run(model, "ioi", "--rule", "top-k", "--by-role", "--pairs", 4, "--json")
    assert code == 0
    told = json.loads(out)
    at = [name for name in told["circuit"] if "@" in name]
    assert at and {name.partition("@")[2] for name in at} <= set(told["roles"])
    assert told["status"]["at_roles"] == len({name.partition("@")[0] for name in at})


@pytest.mark.parametrize("rule", ["threshold", "top-k", "loss"])
def test_it_does_what_a_session_does(run: Run, model: Path, tmp_path: Path, rule: str) -> None:
    circuit = tmp_path / "found.json"
    code, out, _ = run(
        model, "ioi", "--rule", rule, "--setting", "full", "--pairs", 4, "-o", circuit, "--json"
    )
    assert code == 0
    told = json.loads(out)
    with start_session(str(model), "ioi", pairs=4, journal=tmp_path / "j.jsonl") as session:
        status = session.expand_all(rule, setting="full")
        assert load_circuit(circuit) == session.circuit
        assert told["circuit"] == session.circuit.edges()
        assert told["status"]["faithfulness"] == pytest.approx(status.faithfulness, abs=1e-5)
    assert (told["rule"], told["setting"], told["left"], told["ended"]) == (rule, "full", 0, "")
    assert told["steps"][0]["node"] == "logits" and told["written"] == [str(circuit)]
    provenance = load_circuit(circuit).provenance
    assert provenance["commands"][0]["command"] == "expand-all"
    assert not list((tmp_path / "state").rglob("*.jsonl"))  # no session is left behind


def test_the_report(run: Run, model: Path) -> None:
    code, out, err = run(model, "ioi", "--rule", "top-k", "--value", 2, "--pairs", 4)
    assert code == 0
    assert "logits" in out.splitlines()[0] and "Expanded" in out and "closed" in out
    assert "EAP estimates" in out
    assert "Expanding from the logits backward" in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--rule", "best"), "choose one of: threshold, top-k, loss"),
        (("--rule", "top-k", "--value", "2.5"), "whole number"),
        (("--value", "-1"), "0 or more"),
        (("--setting", "nearly"), "choose one of: eap, full, along, within"),
        (("--format", "png"), "format"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run, model: Path, options: tuple[str, ...], says: str
) -> None:
    code, out, err = run(model, "ioi", *options)
    assert (code, out) == (2, "")
    assert says in err and len(err.strip().splitlines()) == 1


def test_ctrl_c_keeps_what_it_has(
    run: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Expansion._close

    def interrupted(self: Expansion, *arguments: Any) -> Work[None]:
        yield from close(self, *arguments)
        if len(self.steps) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Expansion, "_close", interrupted)
    circuit = tmp_path / "found.json"
    code, out, err = run(model, "ioi", "--value", 0, "--pairs", 4, "-o", circuit)
    assert code == 130
    assert "Stopped after 2 nodes" in out and "stopped before the end" in err
    assert load_circuit(circuit).open
