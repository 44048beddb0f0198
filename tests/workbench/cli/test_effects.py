"""`workbench effects` and `workbench repair`: text, JSON, files, and what is refused."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from workbench import load_model, node_map, prepare, self_repair
from workbench.cli.main import main
from workbench.experiment.experiment import Experiment

PAIRS = 3


@cache
def experiment() -> Experiment:
    return prepare(load_model("pocket", device="cpu", dtype="float32"), "ioi", pairs=PAIRS)


def run(command: str, *more: str) -> int:
    return main([command, "pocket", "ioi", "--pairs", str(PAIRS), "--device", "cpu", *more])


def json_of(capsys: pytest.CaptureFixture[str], command: str, *more: str) -> dict[str, Any]:
    assert run(command, *more, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("into", "ablation"), [("metric", "zero"), ("a3.h1", "patching"), ("m2", "mean")]
)
def test_a_map_as_json_and_csv(
    into: str, ablation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.csv"
    out = json_of(capsys, "effects", "--into", into, "--ablation", ablation, "-o", str(path))
    wanted = node_map(experiment(), into, ablation=ablation)
    exact = dict(zip(wanted.graph.sources, wanted.exact, strict=True))
    assert (out["into"], out["ablation"], out["complete"]) == (into, ablation, True)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["node"] for row in rows] == [node["node"] for node in out["nodes"]]
    for node, row in zip(out["nodes"], rows, strict=True):
        value = exact[node["node"]]
        if value != value:
            assert node["exact"] is None and row["exact"] == ""
        else:
            assert node["exact"] == pytest.approx(value, abs=1e-4)
            assert float(row["exact"]) == node["exact"]


def test_estimates_alone(capsys: pytest.CaptureFixture[str]) -> None:
    out = json_of(capsys, "effects", "--estimate")
    assert all(node["exact"] is None and node["estimate"] is not None for node in out["nodes"])


@pytest.mark.parametrize("form", ["svg", "png", "pdf"])
@pytest.mark.parametrize("command", ["effects", "repair"])
def test_pictures(command: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{form}"
    assert run(command, "-o", str(path)) == 0
    begins = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[form]
    assert path.read_bytes().startswith(begins)
    if form == "svg":
        assert "a3.h1" in path.read_text() or "mlp" in path.read_text()


def test_direct_and_total_effects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "repair.csv"
    out = json_of(capsys, "repair", "--sort", "total", "-o", str(path))
    wanted = self_repair(experiment())
    assert [row["node"] for row in out["rows"]] == [row.node for row in wanted.rows]
    for row, theirs in zip(out["rows"], wanted.rows, strict=True):
        for name in ("direct", "total", "repaired", "heads", "mlps", "norm", "metric"):
            assert row[name] == pytest.approx(getattr(theirs, name), abs=1e-4)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    sizes = [abs(float(row["total"])) for row in rows]
    assert sizes == sorted(sizes, reverse=True)


def test_a_token_a_pair_a_set_and_the_other_definition(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = json_of(
        capsys,
        *("repair", "--node", "a3.h1+m3", "--node", "m0", "--definition", "removal"),
        *("--target", " Mary", "--distractor", " John", "--pair", "2", "--ablation", "zero"),
    )
    assert [row["node"] for row in out["rows"]] == ["a3.h1+m3", "m0"]
    assert (out["pair"], out["pairs"], out["definition"]) == (2, 1, "removal")
    assert "Mary" in out["target"] and "John" in out["target"]
    for row in out["rows"]:
        assert row["left"] == pytest.approx(0, abs=1e-5)
        assert row["direct"] == pytest.approx(-row["writes"])
    top = json_of(capsys, "repair", "--target", "top", "--node", "m3")
    assert "top token" in top["target"]


def test_joint_effects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = ("--node", "a3.h1", "--node", "m3", "--node", "a3.h2")
    path = tmp_path / "joint.csv"
    out = json_of(capsys, "repair", "--joint", *nodes, "-o", str(path))
    assert set(out["alone"]) == {"a3.h1", "m3", "a3.h2"} and len(out["interactions"]) == 3
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 7 and rows[-1]["nodes"] == "a3.h1+m3+a3.h2"
    assert float(rows[-1]["effect"]) == pytest.approx(out["together"])
    assert run("repair", "--joint", *nodes, "-o", str(tmp_path / "joint.svg")) == 2
    assert "write a table" in capsys.readouterr().err


def test_text_says_what_is_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("repair", "--top", "3") == 0
    out = capsys.readouterr().out
    assert "and 18 more" in out and "Rushing and Nanda" in out
    assert run("effects", "--top", "3", "--into", "logits") == 0
    out = capsys.readouterr().out
    assert "through logits alone" in out and "attribution patching" in out
    assert run("repair", "--joint", "--node", "m0", "--node", "m3") == 0
    assert "m0+m3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "more", "words"),
    [
        ("effects", ("--into", "input"), "No map can be into"),
        ("effects", ("--into", "a9.h9"), "No map can be into"),
        ("effects", ("--ablation", "wrong"), "no ablation"),
        ("effects", ("-o", "map.docx"), "no format"),
        ("effects", ("--pair", "99"), "There is no pair 99; the task has"),
        ("repair", ("--pair", "99"), "There is no pair 99; the task has"),
        ("repair", ("--position", "-99"), "Position -99 is before the first token"),
        ("repair", ("--node", "a9.h9"), "a9.h9"),
        ("repair", ("--definition", "wrong"), "no definition"),
        ("repair", ("--sort", "wrong"), "no column"),
        ("repair", ("--joint", "--node", "m0"), "two nodes at least"),
        ("repair", ("--target", "not one token at all"), "exactly one"),
    ],
)
def test_bad_requests_end_in_one_sentence(
    command: str, more: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, *more) == 2
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
