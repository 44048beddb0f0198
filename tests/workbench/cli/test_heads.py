"""The command `workbench heads`, and `workbench readout` of a head by its weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from workbench import find_heads, heads_at, load_model, prepare
from workbench.cli.main import main
from workbench.readouts.heads.columns import COLUMNS


def test_all_heads_as_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "heads.csv"
    arguments = ["heads", "known", "--task", "induction", "--pairs", "4", "--device", "cpu"]
    assert main([*arguments, "--sort", "induction", "--top", "3", "-o", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["head", "kind", "prev"]
    assert [line.split()[:2] for line in lines[1:3]] == [["a1.h0", "ind"], ["a1.h2", "ind"]]
    assert "50 sequences of 7 random tokens" in " ".join(lines[4:])
    rows = list(csv.DictReader(out.open()))
    assert [row["head"] for row in rows[:2]] == ["a1.h0", "a1.h2"] and len(rows) == 3
    assert main([*arguments, "--filter", "dup", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    (row,) = value["heads"]
    model = load_model("known", device="cpu")
    table = find_heads(model, prepare(model, "induction", pairs=4))
    assert row["head"] == "a0.h3" and row["kinds"] == ["duplicate-token head"]
    assert row["duplicate"] == pytest.approx(table.value("a0.h3", "duplicate"))
    assert value["input"] == "effective" and not value["warnings"]


def test_heads_on_the_prompts_from_a_role(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["heads", "known", "--task", "induction", "--pairs", "4", "--device", "cpu"]
    model = load_model("known", device="cpu")
    experiment = prepare(model, "induction", pairs=4)
    role = experiment.batch.roles.names[-1]
    asked = [*arguments, "--role", role, "--run", "clean-corrupted", "--pair", "2"]
    assert main([*asked, "--sort", f"@{role}", "--top", "3"]) == 0
    out = capsys.readouterr().out
    wanted = heads_at(experiment, role, pair=1, run="clean-corrupted")
    assert "looks at" in out and wanted.ordered(f"@{role}")[0] in out
    assert main([*asked, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["at"]["position"] == role and value["at"]["pair"] == 1
    for row in value["heads"]:
        for name in ("previous", "entropy", "direct", f"@{role}"):
            assert row[name] == pytest.approx(wanted.value(row["head"], name), abs=1e-6)
    assert main([*arguments, "--pair", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["at"]["position"] == -1


def test_a_filter_that_no_head_passes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["heads", "known", "--device", "cpu", "--filter", "no-such-head"]
    assert main(arguments) == 0
    assert "no head matches the filter 'no-such-head'" in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["heads"] == [] and "no head matches" in value["warnings"][0]


def test_without_a_task_and_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heads", "known", "--given", "embedding", "--device", "cpu", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert "direct" not in value["columns"] and len(value["heads"]) == 12
    assert main(["heads", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}  " in listed for name in COLUMNS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["heads"], "Name a model"),
        (["heads", "known", "--sort", "size"], "no column 'size'"),
        (["heads", "known", "--sort", "direct"], "name one with --task"),
        (["heads", "known", "--filter", "size>1"], "no column 'size'"),
        (["heads", "known", "--role", "END"], "name one with --task"),
        (["heads", "known", "--task", "induction", "--role", "END", "--position", "1"], "not both"),
        (["heads", "known", "--task", "induction", "--role", "XX"], "No pair has a role 'XX'"),
        (["heads", "known", "--task", "induction", "--pair", "9", "--pairs", "4"], "no pair 9"),
        (["heads", "known", "-o", "heads.txt"], "ends in .csv"),
        (["heads", "known", "--task", "nothing"], "no task"),
        (["heads", "no-such-model-here/at-all"], "no-such-model-here"),
        (["readout", "known", "induction", "--node", "m0", "-r", "ov"], "Only heads"),
        (["readout", "known", "induction", "--node", "a0.h0", "--distance", "2"], "goes with"),
        (
            ["readout", "known", "induction", "-r", "qk", "--node", "a0.h0", "--way", "x"],
            "no way 'x'",
        ),
    ],
)
def test_what_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ov", "qk"])
def test_a_head_by_its_weights(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    of = ["readout", "known", "induction", "--pairs", "4", "--device", "cpu", "--node", "a1.h0"]
    more = ["-r", name, "--pair", "1", "--position", "-2", "--way", "embedding", "--json"]
    assert main([*of, *more]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["readout"] == name and value["shape"] == "ranking" and value["values"]
