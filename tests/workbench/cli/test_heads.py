"""The command `workbench heads`, and `workbench readout` of a head by its weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from workbench import find_heads, load_model, prepare
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
