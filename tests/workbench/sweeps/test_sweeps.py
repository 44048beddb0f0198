"""Sweeps of cells: the same numbers as plain commands, each cell once, whatever is killed."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import pytest

from tests.support.paths import ROOT
from tests.support.tiny_models import tiny_gpt2
from workbench import WorkbenchError, load_circuit, read_sweep, run_sweep, sweep_cells
from workbench.base.abandoned import writer_token
from workbench.cli.main import main
from workbench.sweeps.compute import Computer
from workbench.sweeps.folder import SweepFolder
from workbench.sweeps.on_ray import check_ray
from workbench.sweeps.schema import schema

FILE = """
models = ["./tiny"]
tasks = ["ioi"]
methods = ["eap", "atp", { name = "acdc", thresholds = [0.01] }]
sizes = [4, 9]
nodes = [2]
seeds = [0, 1]
pairs = 3
device = "cpu"
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny"
    hf, tokenizer = tiny_gpt2(layers=2, heads=2)
    hf.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def file(tiny: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny, tmp_path / "tiny")
    path = tmp_path / "s.toml"
    path.write_text(FILE)
    return path


def values(path: Path) -> dict[str, object]:
    """A result without what differs from run to run."""
    told = json.loads(path.read_text())
    return {name: told[name] for name in ("edges", "nodes", "evaluation", "chosen", "options")}


def test_cells_are_what_plain_commands_find_and_scores_are_computed_once(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["sweep", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    cells = sweep_cells(file)
    assert (told["finished"], told["computed"], told["left"]) == (8, 8, 0) == (len(cells), 8, 0)
    folder = SweepFolder(file.with_suffix(""))
    # Of each seed one for eap, one for atp; a search's are its own.
    assert len(list((folder.path / "scores").iterdir())) == 4
    for cell in cells:
        command = shlex.split(cell.command(str(file.with_name("plain.json"))))
        assert main([*command[1:], "--json"]) == 0
        plain = json.loads(capsys.readouterr().out)
        found = values(folder.cell(cell) / "result.json")
        # Runs that another method used before are the same but for rounding.
        nodes = found.pop("nodes")
        assert nodes == (
            None if plain["nodes"] is None else pytest.approx(plain["nodes"], rel=1e-5)
        )
        assert found == {name: plain[name] for name in found}
        kept = load_circuit(folder.cell(cell) / "circuit.json")
        assert (kept.mask == load_circuit(file.with_name("plain.json")).mask).all()
    rows = [json.loads(line) for line in (folder.path / "table.jsonl").read_text().splitlines()]
    assert [row["cell"] for row in rows] == [cell.name for cell in cells]
    assert {row["state"] for row in rows} == {"finished"}
    with (folder.path / "table.csv").open(newline="") as table:
        assert [row["cell"] for row in csv.DictReader(table)] == [row["cell"] for row in rows]
    page = (folder.path / "page.html").read_text()
    assert "Faithfulness over sizes" in page and "Stability over seeds" in page

    def never(*_: object) -> None:
        raise AssertionError("a finished cell was computed again")

    monkeypatch.setattr(Computer, "_cell", never)
    assert run_sweep(file).computed == 0
    # The scores are read, not computed, for a size that comes later.
    monkeypatch.undo()
    file.write_text(FILE.replace("[4, 9]", "[4, 9, 12]"))
    from workbench.discovery.catalogue import Method

    monkeypatch.setattr(Method, "load", never)
    assert run_sweep(file).computed == 2


def test_failed_cells_are_told_and_go_on_alone(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        FILE.replace('"eap", "atp", {', '"eap-ig", {').replace("[0, 1]", "[0]")
        + 'ablations = ["patching", "zero"]\n'
    )
    assert main(["grid", str(file), "--check"]) == 2
    assert "2 cells cannot be" in capsys.readouterr().out
    assert main(["grid", str(file)]) == 2
    said = capsys.readouterr()
    assert "4 of 6 cells finished" in said.out and "for the ablation patching" in said.err
    assert run_sweep(file).computed == 0
    failed = [cell for cell, _ in run_sweep(file).failed]
    assert [cell.settings.ablation for cell in failed] == ["zero", "zero"]
    tried: list[str] = []
    run_sweep(file, retry=True, told=lambda cell, reason: tried.append(cell.name))
    assert tried == [cell.name for cell in failed]


def test_a_plain_run_leaves_failed_cells_alone(file: Path) -> None:
    sweep = read_sweep(file)
    for cell in sweep.cells:
        SweepFolder(sweep.folder).write_failure(cell, "It is too large.")
    tried: list[str] = []
    found = run_sweep(sweep, told=lambda cell, reason: tried.append(cell.name))
    assert not tried and [cell for cell, _ in found.failed] == list(sweep.cells)


def test_ctrl_c_amid_retry_leaves_the_rest_failed_and_the_same_command_goes_on(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = read_sweep(file)
    folder, cancel = SweepFolder(sweep.folder), threading.Event()
    for cell in sweep.cells:
        folder.write_failure(cell, "It is too large.")
    stopped = run_sweep(sweep, retry=True, cancel=cancel, told=lambda *_: cancel.set())
    assert (stopped.computed, len(stopped.failed), stopped.left) == (1, len(sweep.cells) - 1, 0)
    assert stopped.interrupted
    found = run_sweep(sweep, retry=True)
    assert found.computed == len(sweep.cells) - 1 and not found.failed and not found.interrupted


def test_ctrl_c_amid_retry_ends_as_ctrl_c_does(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = read_sweep(file)
    SweepFolder(sweep.folder).write_failure(sweep.cells[0], "It is too large.")
    cell = Computer._cell

    def interrupted(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        cell(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Computer, "_cell", interrupted)
    assert main(["grid", str(file), "--retry"]) == 130
    assert "--retry runs the failed cells again" in capsys.readouterr().err


def test_progress_counts_what_is_done_of_the_present_cell(file: Path) -> None:
    told: list[float] = []
    file.write_text(FILE.replace("[0, 1]", "[0]").replace('"eap", "atp", ', ""))
    run_sweep(file, progress=lambda message, fraction: told.append(fraction or 0.0))
    assert told == sorted(told) and len([f for f in told if 0 < f < 1]) > 1


def test_what_changes_scores_keeps_them_apart(file: Path) -> None:
    methods = ", ".join(f'{{ name = "eap-ig", steps = {n} }}' for n in (2, 3))
    file.write_text(FILE.replace('"eap"', methods))
    found = [cell.scores_name for cell in sweep_cells(file) if cell.method == "eap-ig"]
    assert len(found) == 8 and len(set(found)) == 4


@pytest.mark.parametrize("chosen", ["balanced", "map.json"])
def test_a_model_is_spread_as_plain_commands_do(file: Path, chosen: str) -> None:
    file.with_name("map.json").write_text(json.dumps({"": "cpu"}), encoding="utf-8")
    plain = read_sweep(file).cells[0]
    file.write_text(f'device_map = "{chosen}"\n{file.read_text()}', encoding="utf-8")
    spread = read_sweep(file).cells[0]
    where = chosen if chosen == "balanced" else str(file.with_name(chosen))
    assert spread.settings.device_map == where
    assert f"--device-map {where}" in spread.command() and "device-map" not in plain.command()
    assert spread.of_model() != plain.of_model()
    with pytest.raises(WorkbenchError, match="Ray gives each cell one card"):
        check_ray(read_sweep(file))
    assert main(["sweep", str(file)]) == 0


def test_half_written_folders_of_the_dead_are_swept(file: Path) -> None:
    folder = SweepFolder(read_sweep(file).folder)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = writer_token()
    for token in (mine, mine.replace(f"-{os.getpid()}-", f"-{gone.pid}-")):
        (folder.path / "cells" / f".half-{token}").mkdir(parents=True)
    folder.sweep_up()
    assert [path.name for path in (folder.path / "cells").iterdir()] == [f".half-{mine}"]


def test_two_runs_of_one_folder(file: Path) -> None:
    with (
        SweepFolder(read_sweep(file).folder).locked(),
        pytest.raises(WorkbenchError, match="Another run works on"),
    ):
        run_sweep(file)


def test_a_job_computes_its_cell_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grid", str(file), "--print"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert main(shlex.split(lines[3])[1:]) == 0
    capsys.readouterr()
    assert main(["grid", str(file), "--print"]) == 0
    assert capsys.readouterr().out.splitlines() == lines[:3] + lines[4:]
    assert main(["grid", str(file), "--dry-run", "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)
    assert [plan["state"] for plan in plans].count("finished") == 1
    assert all(plan["bytes"] > 1000 for plan in plans)
    assert main(["grid", str(file), "--cell", "none"]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has to say tasks"),
        ("sise = [3]", "no setting 'sise' of a sweep. Did you mean 'sizes'"),
        ("pairs = 0", "greater than or equal to 1"),
        ("pairs = ", "not TOML"),
        ('methods = ["acdc"]', "ends at a threshold"),
        ('methods = ["atp"]', "Say how many nodes"),
        ('methods = ["none"]', "none"),
        ('methods = [{ name = "eap", step = 3 }]', "no setting"),
    ],
)
def test_a_file_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.toml"
    rest = {"models": '["pocket"]', "tasks": '["ioi"]', "methods": '["eap"]', "sizes": "[5]"}
    lines = [f"{k} = {v}" for k, v in rest.items() if text and not text.startswith(k)]
    path.write_text("\n".join([text, *lines]))
    with pytest.raises(WorkbenchError, match=said) as error:
        read_sweep(path)
    assert "\n" not in str(error.value)


def test_the_schema_in_docs_is_the_one_of_the_models() -> None:
    """If the models are meant to change, write `json.dumps(schema(), indent=2)` there anew."""
    kept = json.loads((ROOT / "docs" / "sweep.schema.json").read_text())
    assert kept == schema()
    jsonschema.Draft202012Validator.check_schema(kept)


def test_handing_out_cells_loads_no_torch(file: Path) -> None:
    code = (
        "import sys, workbench.sweeps.run, workbench.sweeps.workers\n"
        "from workbench import sweep_cells\n"
        f"cells = sweep_cells({str(file)!r}); assert not [c.check() for c in cells if c.check()]\n"
        "from workbench.cli.main import main\n"
        f"assert main(['grid', {str(file)!r}, '--print']) == 0\n"
        "assert not {'torch', 'transformers', 'textual'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


@pytest.mark.slow
def test_killed_at_any_moment_nothing_is_lost_and_nothing_there_twice(file: Path) -> None:
    """A run is killed with its worker, twice, then goes on to the end."""
    cells = sweep_cells(file)
    folder = SweepFolder(file.with_suffix(""))
    seen: dict[str, int] = {}
    for least in (1, 4):
        run = subprocess.Popen(
            [sys.executable, "-m", "workbench", "grid", str(file), "--workers", "1"],
            cwd=ROOT,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 90
        while sum(map(folder.is_done, cells)) < least and time.monotonic() < until:
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        for cell in filter(folder.is_done, cells):
            when = (folder.cell(cell) / "result.json").stat().st_mtime_ns
            assert seen.setdefault(cell.name, when) == when
    assert len(seen) >= 4
    found = run_sweep(file)
    assert found.finished == len(cells) and found.computed == len(cells) - len(seen)
    named = {path.name for path in (folder.path / "cells").iterdir() if path.name[0] != "."}
    assert named == {cell.name for cell in cells}
    for cell in cells:
        when = (folder.cell(cell) / "result.json").stat().st_mtime_ns
        assert seen.get(cell.name, when) == when
        load_circuit(folder.cell(cell) / "circuit.json")


@pytest.mark.slow
def test_cells_of_a_worker_that_dies_are_handed_out_again(file: Path) -> None:
    killed = threading.Event()

    def kill() -> None:
        while not (workers := multiprocessing.active_children()):
            time.sleep(0.01)
        assert workers[0].pid is not None
        os.kill(workers[0].pid, signal.SIGKILL)
        killed.set()

    thread = threading.Thread(target=kill)
    thread.start()
    found = run_sweep(file, workers=1)
    thread.join()
    assert killed.is_set() and found.finished == len(sweep_cells(file)) and not found.failed
