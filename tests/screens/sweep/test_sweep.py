"""The screen of a sweep: what its folder says, whoever writes it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from screens.app import WorkbenchApp
from screens.sweep.screen import SweepScreen
from workbench.cli.main import main
from workbench.sweeps.cells import Sweep, read_sweep
from workbench.sweeps.folder import SweepFolder
from workbench.sweeps.status import SweepWatch, sweep_status
from workbench.sweeps.under_way import Board, forget_lost, under_way

FILE = """
models = ["pocket"]
tasks = ["ioi", "greater-than"]
methods = ["eap", { name = "acdc", thresholds = [0.01, 0.1] }]
sizes = [20, 50]
"""
SCORES = ("circuit", "clean", "corrupted", "accuracy", "clean_accuracy", "kl", "nodes")


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Of eight cells the first two are finished, one failed, and one runs."""
    path = tmp_path / "s.toml"
    path.write_text(FILE)
    sweep = read_sweep(path)
    folder = SweepFolder(sweep.folder)
    for i, cell in enumerate(sweep.cells[:2]):
        scored: dict[str, object] = {**dict.fromkeys(SCORES, 0.5)}
        scored |= {"faithfulness": 0.25 + i / 4, "edges": 20}
        scored |= {"all_edges": 100, "pairs": 8, "dropped": 0, "metric": "logit_diff"}
        told = {"evaluation": scored, "seconds": 1.0, "wall_seconds": 3.0 + i}
        text = json.dumps(told)

        def fill(at: Path, text: str = text) -> None:
            (at / "result.json").write_text(text)

        folder.write_cell(cell, fill)
    folder.write_failure(sweep.cells[2], "There is too little memory.")
    monkeypatch.setattr("workbench.sweeps.under_way.BEAT", 0.01)
    board = Board(folder)
    board.begin(sweep.cells[3], "node-7")
    board.say(sweep.cells[3], "Running acdc", 0.5)
    while under_way(folder)[sweep.cells[3].name].fraction is None:
        time.sleep(0.01)
    return sweep


def test_a_sweep_is_told_by_its_folder_with_the_time_that_is_left(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sweep_status(sweep)
    assert found.counts == {"running": 1, "failed": 1, "finished": 2, "waiting": 4}
    # One at a time, each as long as the finished ones took: 3.5 s; eap of another task likewise.
    assert found.seconds_left == pytest.approx(5 * 3.5, abs=0.5)
    assert main(["sweep", str(sweep.path), "--status"]) == 0
    said = capsys.readouterr().out
    assert "50%  Running acdc on node-7" in said and "There is too little memory." in said
    assert main(["sweep", str(sweep.path), "--status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["finished"] == 2 and told["cells"][1]["faithfulness"] == 0.5


def test_what_a_process_that_is_gone_was_at_is_not_running(sweep: Sweep) -> None:
    folder = SweepFolder(sweep.folder)
    kept = next((folder.path / "now").glob("*.json"))
    told = json.loads(kept.read_text())
    kept.unlink()
    told["process"]["started"] -= 1000
    told["cell"] = sweep.cells[4].name
    path = kept.with_name(f"{told['cell']}.json")
    path.write_text(json.dumps(told))
    assert told["cell"] not in under_way(folder)
    assert sweep_status(sweep).counts["running"] <= 1
    path.write_text("{")
    assert told["cell"] not in under_way(folder)
    forget_lost(folder)
    assert not path.exists()


def test_a_finished_cell_is_read_once(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = SweepWatch(sweep)
    before = watch.look()
    monkeypatch.setattr(SweepFolder, "result", lambda *_: pytest.fail("read again"))
    assert [one.row for one in watch.look().cells] == [one.row for one in before.cells]


@pytest.mark.screens
async def test_the_screen_shows_states_reasons_and_the_table_so_far(sweep: Sweep) -> None:
    app = WorkbenchApp(sweep=sweep)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, SweepScreen)
        while screen.status is None:
            await pilot.pause(0.02)
        await pilot.pause()
        title = str(screen.query_one("#sweep-title").render())
        assert "2 finished" in title and "4 waiting" in title
        assert "3 of 8" in str(screen.query_one("#sweep-done").render())
        await pilot.press("down", "down")
        assert "too little memory" in str(screen.query_one("#about").render())
        await pilot.press("f")
        assert [row.state for row in screen.cells.rows] == ["running"]
        assert "node-7" in str(screen.query_one("#about").render())
        await pilot.press("f", "f", "s", "s")
        assert [row.row["faithfulness"] for row in screen.cells.rows] == [0.5, 0.25]
        assert len(screen.copies().tables[0].rows) == 2
        await pilot.press("question_mark")
        await pilot.pause()
        assert app.screen is not screen


@pytest.mark.screens
async def test_the_palette_asks_for_a_sweep_and_leaving_it_leads_back(sweep: Sweep) -> None:
    app = WorkbenchApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        setup = app.screen
        commands = {one.title: one for one in app.get_system_commands(setup)}
        commands["Watch a sweep"].callback()
        await pilot.pause()
        app.screen.query_one("Input").value = str(sweep.path)  # type: ignore[attr-defined]
        await pilot.press("enter")
        for _ in range(200):
            if isinstance(app.screen, SweepScreen):
                break
            await pilot.pause(0.02)
        assert isinstance(app.screen, SweepScreen)
        await pilot.press("escape")
        assert app.screen is setup
