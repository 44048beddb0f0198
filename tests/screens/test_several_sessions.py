"""Several sessions in one app: kept, gone to, named, closed, deleted and taken over."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

import screens.app
from screens.app import WorkbenchApp
from screens.bench.screen import BenchScreen
from screens.graph.screen import GraphScreen
from screens.session_commands import session_commands
from screens.setup.screen import SetupScreen
from screens.setup.session_list import SessionList
from screens.widgets.dialogs import Ask, Confirm
from tests.screens.bench.test_bench import screen_text, settled
from tests.support.paths import ROOT
from tests.support.slow_methods import give_method
from tests.support.tiny_sessions import tiny_session, until
from tests.support.toy_session import toy_session
from workbench.discovery.options import Options
from workbench.discovery.selection import Selection
from workbench.experiment.settings import ExperimentSettings
from workbench.session.about import read_about
from workbench.session.journals import list_sessions
from workbench.session.session import Session

NARROW, WIDE = (80, 24), (160, 48)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sessions."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    sessions = tmp_path / "state" / "sessions"
    sessions.mkdir(parents=True)
    return sessions


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the terminal's title was set to."""
    said: list[str] = []
    monkeypatch.setattr(screens.app, "entitle", lambda _, title: said.append(title))
    return said


def toy_at(folder: Path, name: str) -> Session:
    (folder / name).mkdir()
    return toy_session(folder / name)[0]


def in_palette(app: WorkbenchApp) -> dict[str, Callable[[], Any]]:
    return {title: call for title, _, call in session_commands(app, app.sessions)}


async def on_setup(pilot: Pilot[Any]) -> SetupScreen:
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, SetupScreen) and app.screen.is_mounted)
    setup = app.screen
    assert isinstance(setup, SetupScreen)
    await until(pilot, lambda: bool(setup.known.tasks) and setup.quiet)
    return setup


async def in_list(pilot: Pilot[Any]) -> SessionList:
    setup = await on_setup(pilot)
    rows = setup.query_one(SessionList)
    rows.focus()
    await pilot.pause()
    return rows


def lines(rows: SessionList) -> list[str]:
    return [str(rows.line(row, 150, False)) for row in rows.rows]


async def on_bench(pilot: Pilot[Any], session: Session) -> BenchScreen:
    app = pilot.app
    await until(pilot, lambda: getattr(app.screen, "session", None) is session)
    return await settled(pilot)


async def test_escape_comes_back_to_the_session_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = give_method(monkeypatch)
    session = tiny_session(folder)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        bench = await settled(pilot)
        await pilot.press("e")
        bench = await settled(pilot)
        await pilot.press("2", "j", "j")
        await settled(pilot)
        before = (bench.cursor(), app.focused, screen_text(app))
        await pilot.press("ctrl+n")
        setup = await on_setup(pilot)
        assert setup.query_one("#model", Input).value == "tiny"
        await pilot.press("escape")
        assert app.screen is bench and bench.is_mounted
        await settled(pilot)
        assert (bench.cursor(), app.focused, screen_text(app)) == before

        # A discovery goes on behind setup, and what it finds is told there.
        slow.gate.clear()
        bench.discovery.start(_request())
        await pilot.press("ctrl+n")
        await on_setup(pilot)
        assert not setup.is_attached, "setup is made anew"
        assert bench.under_way == "slow"
        slow.gate.set()
        await until(pilot, lambda: not bench.under_way)
        await until(pilot, lambda: bool(session.discoveries.results))
        assert any("tiny · ioi" in note.title for note in app._notifications)
        await pilot.press("escape")
        assert app.screen is bench


def _request() -> Any:
    from screens.discovery.dialog import DiscoveryRequest

    return DiscoveryRequest("slow", Options(seed=0), Selection("greedy", n=12))


async def test_without_a_session_escape_stays_in_setup() -> None:
    app = WorkbenchApp()
    async with app.run_test(size=NARROW) as pilot:
        setup = await on_setup(pilot)
        await pilot.press("escape", "escape")
        assert app.screen is setup


async def test_what_lies_above_a_bench_is_kept_too(tmp_path: Path) -> None:
    one, two = toy_at(tmp_path, "one"), toy_at(tmp_path, "two")
    app = WorkbenchApp(session=one)
    async with app.run_test(size=WIDE) as pilot:
        await on_bench(pilot, one)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GraphScreen))
        graph = app.screen
        app.show_bench(two)
        second = await on_bench(pilot, two)
        in_palette(app)["Session: toy · ioi"]()
        await until(pilot, lambda: app.screen is graph)
        app.resume_session(two.path)  # it is open: there is never a second bench of it
        await until(pilot, lambda: app.screen is second)
        app.show_bench(two)
        assert app.screen is second and len(app.sessions.benches) == 2
        await pilot.press("e")
        await settled(pilot)
        assert two.commands() and not one.commands()


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_open_sessions_come_first_are_gone_to_and_closed(
    tmp_path: Path, folder: Path, size: tuple[int, int]
) -> None:
    former, _ = toy_session(folder)
    former.expand("logits")
    former.close()
    one, two = toy_at(tmp_path, "one"), toy_at(tmp_path, "two")
    app = WorkbenchApp(session=one)
    async with app.run_test(size=size) as pilot:
        await on_bench(pilot, one)
        app.show_bench(two)
        await on_bench(pilot, two)
        await pilot.press("ctrl+n")
        rows = await in_list(pilot)
        assert [row.summary.path for row in rows.rows] == [two.path, one.path, former.path]
        assert [line[2] for line in lines(rows)] == ["●", "●", " "]
        assert "2 open here" in str(rows.border_subtitle) and "2 open here" in screen_text(app)
        await pilot.press("down", "enter")
        await on_bench(pilot, one)

        gone: list[weakref.ref[Any]] = [
            weakref.ref(two),
            weakref.ref(two._engine),
            weakref.ref(app.sessions.benches[1]),
        ]
        path = two.path
        del two
        await pilot.press("ctrl+n")
        rows = await in_list(pilot)
        assert [row.summary.path for row in rows.rows][:2] == [one.path, path]
        await pilot.press("down", "minus")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "MB of memory" in screen_text(app)
        await pilot.press("n", "minus", "y")
        await until(pilot, lambda: len(app.sessions.benches) == 1)
        await until(pilot, lambda: len(rows.rows) == 2)
        await pilot.pause(1.2)

        def freed() -> bool:
            gc.collect()
            return all(ref() is None for ref in gone)

        await until(pilot, freed, seconds=5)
        assert list_sessions()[0].path == former.path and path.is_file(), "it stays saved"
        await pilot.press("escape")
        await on_bench(pilot, one)


async def test_another_task_begins_on_the_model_that_is_loaded(titles: list[str]) -> None:
    app = WorkbenchApp(ExperimentSettings("pocket", "ioi", 2, device="cpu"))
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen), seconds=60)
        first = app.sessions.benches[0].session
        assert titles[-1].startswith("pocket · ioi")
        await pilot.press("ctrl+n")
        setup = await on_setup(pilot)
        setup.query_one("#task", Input).value = "greater-than"
        await pilot.press("enter")
        await until(pilot, lambda: len(app.sessions.benches) == 2, seconds=60)
        second = app.sessions.benches[1].session
        assert second.loaded_model is first.loaded_model
        assert second.task.name == "greater-than" and second.settings.device == "cpu"
        assert titles[-1].startswith("pocket · greater-than")
        await on_bench(pilot, second)
        await pilot.press("ctrl+n", "escape")
        await on_bench(pilot, second)
        app.go_to_session(first.path)
        assert titles[-1].startswith("pocket · ioi")


async def test_leaving_asks_once_for_all_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = give_method(monkeypatch)
    one, two = toy_at(tmp_path, "one"), toy_at(tmp_path, "two")
    app = WorkbenchApp(session=one)
    slow.gate.clear()
    async with app.run_test(size=NARROW) as pilot:
        first = await on_bench(pilot, one)
        first.discovery.start(_request())
        app.show_bench(two)
        second = await on_bench(pilot, two)
        second.discovery.start(_request())
        await pilot.press("ctrl+n")
        await on_setup(pilot)
        await pilot.press("ctrl+q", "ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert sum(isinstance(screen, Confirm) for screen in app.screen_stack) == 1
        said = " ".join(screen_text(app).split())
        assert "slow (toy · ioi) and slow (toy · ioi) are still running" in said
        await pilot.press("n")
        assert app.is_running and first.under_way and second.under_way
        await pilot.press("ctrl+q", "y")
        await pilot.pause()
    slow.gate.set()
    assert app.return_code == 0


async def test_a_title_is_given_on_the_bench_and_in_the_list(
    folder: Path, titles: list[str]
) -> None:
    session, _ = toy_session(folder)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        in_palette(app)["Title and tags of this session"]()
        await until(pilot, lambda: isinstance(app.screen, Ask))
        app.screen.query_one(Input).value = "By hand #paper"
        await pilot.press("enter")
        await until(pilot, lambda: session.title == "By hand")
        await settled(pilot)
        assert "By hand · toy" in screen_text(app)
        assert titles[-1].startswith("By hand · toy · ioi")

        await pilot.press("ctrl+n")
        rows = await in_list(pilot)
        assert "By hand #paper" in lines(rows)[0] and "By hand" in screen_text(app)
        assert "By hand" in rows.words(rows.rows[0])
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        assert app.screen.query_one(Input).value == "By hand #paper"
        app.screen.query_one(Input).value = "y" * 200
        await pilot.press("enter")
        assert "at most" in str(app.screen.query_one(".error", Static).content)
        app.screen.query_one(Input).value = "Otherwise"
        await pilot.press("enter")
        await until(pilot, lambda: "Otherwise" in lines(rows)[0])
        assert session.title == "Otherwise" and read_about(session.path).tags == ()


async def test_a_session_is_deleted_after_asking_a_damaged_one_too(
    folder: Path, tmp_path: Path
) -> None:
    session, _ = toy_session(folder)
    session.close()
    bad = folder / "bad.jsonl"
    bad.write_text("nothing\n")
    app = WorkbenchApp()
    async with app.run_test(size=NARROW) as pilot:
        rows = await in_list(pilot)
        assert {row.summary.path for row in rows.rows} == {session.path, bad}
        rows.move_to_key(str(bad))
        assert "✗" in lines(rows)[rows.index] and "damaged" in screen_text(app)
        await pilot.press("enter")
        complaint = app.screen.query_one("#complaint", Static)
        assert "not the journal" in str(complaint.content)
        await pilot.press("minus", "escape", "delete", "n")
        assert bad.is_file()
        await pilot.press("minus", "y")
        await until(pilot, lambda: len(rows.rows) == 1)
        assert not bad.exists() and (tmp_path / "state" / "trash" / "bad" / "bad.jsonl").is_file()
        assert "trash" in " ".join(note.message for note in app._notifications)
        await pilot.press("delete", "y")
        await until(pilot, lambda: not rows.display)
        assert not session.path.exists()


@pytest.fixture
def held(folder: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A session of pocket that another process holds."""
    script = (
        "import pathlib, sys, time, workbench\n"
        "s = workbench.start_session('pocket', 'ioi', pairs=2, device='cpu',"
        " journal=pathlib.Path(sys.argv[1]))\n"
        "s.expand('logits'); print('ready', flush=True); time.sleep(600)"
    )
    path = folder / "held.jsonl"
    command = [sys.executable, "-c", script, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield path, process
    process.kill()
    process.wait()


async def test_a_session_held_elsewhere_is_offered_to_be_taken_over(
    held: tuple[Path, subprocess.Popen[str]],
) -> None:
    path, process = held
    app = WorkbenchApp(resume=path)
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Confirm), seconds=60)
        assert f"process {process.pid}" in " ".join(screen_text(app).split())
        await pilot.press("n")
        setup = await on_setup(pilot)
        assert "--take-over" in str(setup.query_one("#complaint", Static).content)
        assert process.poll() is None
        app.resume_session(path)
        await until(pilot, lambda: isinstance(app.screen, Confirm), seconds=60)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen), seconds=60)
        bench = await settled(pilot)
        assert bench.session.path == path and len(bench.session.commands()) == 1
    assert process.wait(5) != 0


async def test_a_wrong_name_keeps_setup_and_what_was_typed() -> None:
    app = WorkbenchApp()
    async with app.run_test(size=NARROW) as pilot:
        setup = await on_setup(pilot)
        setup.query_one("#model", Input).value = "no/such folder"
        setup.query_one("#task", Input).value = "tasks/none.jsonl"
        await pilot.press("enter")
        complaint = setup.query_one("#complaint", Static)
        await until(pilot, lambda: bool(str(complaint.content)))
        assert app.screen is setup
        assert setup.query_one("#model", Input).value == "no/such folder"
        setup.query_one("#model", Input).value = "pocket"
        await pilot.press("enter")
        await until(pilot, lambda: "none.jsonl" in str(complaint.content))
        assert app.screen is setup


@pytest.mark.parametrize(("key", "what"), [("L", "Load"), ("C", "Compare")])
async def test_a_wrong_path_keeps_the_dialog(tmp_path: Path, key: str, what: str) -> None:
    session = toy_at(tmp_path, "one")
    good, other = tmp_path / "good.json", tmp_path / "other.json"
    session.keep_all("logits")
    session.export(good)
    session.undo()
    other.write_text("{}")
    app = WorkbenchApp(session=session)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, Ask))
        dialog = app.screen
        entry, error = dialog.query_one(Input), dialog.query_one(".error", Static)
        for typed in ("", str(tmp_path / "none.json"), str(tmp_path), str(other)):
            entry.value = typed
            await pilot.pause()
            await pilot.press("enter")
            await until(pilot, lambda: bool(str(error.content)))
            assert app.screen is dialog and entry.value == typed
            entry.value = typed + "x"
            await until(pilot, lambda: not str(error.content))
        entry.value = f" {good} "
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not dialog)
        await settled(pilot)
        edges = session.status().edges if key == "L" else session.comparison
        assert edges, what
