"""`workbench neurons`: lists, one neuron, the search, which suffice, and bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workbench import ExperimentSettings, evaluate, load_circuit, neurons_of, prepare
from workbench.cli.main import main

OF = ("pocket", "ioi", "--pairs", "4")


def run(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    assert main(["neurons", *args]) == code
    out = capsys.readouterr()
    if code:
        assert not out.out
        return out.err.strip().splitlines()[-1]
    return json.loads(out.out) if "--json" in args else out.out


def test_the_list_is_what_a_script_computes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "m2.csv"
    found = run(capsys, *OF, "--node", "m2", "--top", "3", "--json", "-o", str(table))
    settings = ExperimentSettings("pocket", "ioi", pairs=4)
    experiment = prepare(settings.load_model(), "ioi", settings)
    listed = neurons_of(experiment, "m2", exact=3)
    rows = listed.sorted_by("effect")[:3]
    assert [row["neuron"] for row in found["rows"]] == [listed.name(row) for row in rows]
    for told, row in zip(found["rows"], rows, strict=True):
        assert told["exact"] == pytest.approx(row.exact, abs=1e-6)
        assert told["estimate"] == pytest.approx(row.estimate, abs=1e-6)
    assert (found["neurons"], found["kept"], found["setting"]) == (512, 512, "full")
    assert len(table.read_text(encoding="utf-8").splitlines()) == 4
    level = run(capsys, *OF, "--node", "m2", "--top", "3", "--metric", "kl", "--json")
    assert all(row["exact"] is not None and row["estimate"] is None for row in level["rows"])
    text = run(capsys, *OF, "--node", "m2", "--top", "2", "--by", "direct")
    assert "m2: 512 of 512 neurons kept" in text and "LN(W_out[n])" in text


def test_one_neuron_and_the_search(capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = run(capsys, *OF, "--neuron", "m2.n3", "--json")
    assert len(found["tokens"]["promoted"]) == 10
    assert found["inputs"]["gate"] == pytest.approx(
        sum(feed["gate"] for feed in found["inputs"]["feeds"]), abs=1e-4
    )
    assert found["prompts"]["largest"][0]["value"] == found["prompts"]["most"]
    text = run(capsys, *OF, "--neuron", "m2.n3")
    assert "promotes" in text and "[[" in text and "gate" in text
    hits = run(capsys, "pocket", "--promoting", " Mary", "--top", "2", "--json")
    assert len(hits) == 2 and hits[0]["deviations"] >= hits[1]["deviations"]
    assert hits[0]["name"] in run(capsys, "pocket", "--promoting", " Mary", "--top", "2")


def test_what_suffices_is_written_and_evaluates_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "narrowed.json"
    more = ("--suffice", "--faithfulness", "0.9", "-o", str(out))
    found = run(capsys, *OF, "--node", "m3", *more, "--json")
    circuit = load_circuit(out)
    assert circuit.neurons == {"m3": tuple(found["neurons"])}
    settings = ExperimentSettings("pocket", "ioi", pairs=4)
    score = evaluate(settings.load_model(), "ioi", circuit, under=settings)
    assert score.faithfulness == pytest.approx(found["faithfulness"], abs=1e-4)
    assert found["faithfulness"] >= 0.9 and 0 < len(found["neurons"]) < found["of"]
    within = ("--setting", "within", "--circuit", str(out), "--top", "1", "--json")
    listed = run(capsys, *OF, "--node", "m3", *within)
    assert listed["kept"] == len(found["neurons"]) and listed["setting"] == "within"
    assert "these" in run(capsys, *OF, "--node", "m3", "--suffice")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "Name a model"),
        (("pocket",), "one of --node"),
        (("pocket", "--node", "m0"), "Name a task"),
        (("pocket", "ioi", "--node", "m0", "--neuron", "m0.n1"), "one of --node"),
        (("pocket", "ioi", "--node", "m0", "--faithfulness", "0.9"), "goes with --suffice"),
        (("pocket", "ioi", "--node", "m0", "--setting", "along"), "--circuit FILE"),
        (("pocket", "ioi", "--node", "m0", "-o", "x.pdf"), "A table is written as"),
        ((*OF, "--node", "a0.h1"), "has no neurons"),
        ((*OF, "--node", "m99"), "no node or input 'm99'"),
        ((*OF, "--neuron", "m0.n9999"), "no neuron 9999"),
        ((*OF, "--neuron", "m0"), "is no neuron"),
        ((*OF, "--node", "m0", "--suffice", "--faithfulness", "nan"), "nan is no faithfulness"),
        ((*OF, "--node", "m0", "--pair", "9"), "no pair 9"),
        (("pocket", "--promoting", "xyzzy"), "has to be exactly one"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], said: str
) -> None:
    assert said in run(capsys, *args, code=2)
