"""Jobs in the app: detached by a key, listed, and brought back into their session."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from screens.app import WorkbenchApp
from screens.assessment.screen import AssessmentScreen
from screens.bench.screen import BenchScreen
from screens.clusters.screen import ClustersScreen
from screens.discovery.dialog import DiscoverDialog
from screens.jobs.screen import JobsScreen
from screens.widgets.copy_dialog import CopyDialog
from tests.screens.bench.test_bench import settled
from tests.support.cases.session_cases import expand_all
from tests.support.jobs_here import compute, jobs_here
from tests.support.tiny_sessions import tiny_session, until
from workbench.jobs import process
from workbench.jobs.folder import STOPPED, JobFolder, find_folder
from workbench.jobs.listing import Job, job_of, list_jobs
from workbench.jobs.spec import JobSpec
from workbench.session.session import Session

pytestmark = pytest.mark.screens


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    jobs_here(tmp_path / "state", monkeypatch)
    monkeypatch.setattr("screens.jobs_app.LOOK", 0.1)
    with tiny_session(tmp_path) as made:
        yield made


def said(app: WorkbenchApp) -> str:
    return " ".join(f"{one.title} {one.message}" for one in app._notifications)


async def test_a_discovery_is_detached_and_comes_back_with_a_toast(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        await pilot.press("ctrl+d")
        await until(pilot, lambda: isinstance(app.screen, DiscoverDialog))
        assert "as a job" in str(app.screen.query_one(".title").render())
        await pilot.press("enter")
        await until(pilot, lambda: len(list_jobs()) == 1)
        (job,) = list_jobs()
        await until(pilot, lambda: "goes on by itself" in said(app))
        assert job.session == session.path.stem and not session.discoveries.results
        assert compute(job).state == "done"
        await until(pilot, lambda: "is done" in said(app))
        (found,) = session.discoveries.results
        await until(pilot, lambda: session.discoveries.shown is found)
        assert session.discoveries.proposal() and not session.commands()
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        await until(pilot, lambda: len(app.screen.query_one("JobList").rows) == 1)  # type: ignore[attr-defined]
        about = str(app.screen.query_one("#about").render())
        assert "of this session, taken over" in about and job.id in about
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))


async def test_a_running_one_is_let_go_of_and_nothing_of_it_is_held(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.slow_methods import give_method

    slow = give_method(monkeypatch)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        bench: Any = app.screen
        from screens.discovery.dialog import DiscoveryRequest
        from workbench.discovery.options import Options
        from workbench.discovery.selection import Selection

        slow.gate.clear()
        bench.discovery.start(DiscoveryRequest("slow", Options(), Selection(n=5)))
        await pilot.pause()
        await pilot.press("ctrl+d")
        await until(pilot, lambda: len(list_jobs()) == 1)
        await until(pilot, lambda: bench.discovery.run.let_go)
        slow.gate.set()
        await until(pilot, lambda: bench.discovery.run is None)
        assert not session.discoveries.results and list_jobs()[0].what.startswith("slow")


async def test_an_assessment_and_clusters_are_detached(session: Session) -> None:
    expand_all(session)
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BenchScreen))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, AssessmentScreen))
        await pilot.press("ctrl+d")
        await until(pilot, lambda: len(list_jobs()) == 1)
        assert list_jobs()[0].what.startswith("assess: faithfulness, ")
        await pilot.press("escape", "K")
        await until(pilot, lambda: isinstance(app.screen, ClustersScreen))
        app.screen.query_one("ClusterList").focus()
        await pilot.press("ctrl+d")
        await until(pilot, lambda: len(list_jobs()) == 2)
        job = list_jobs()[0]
        assert job.kind == "clusters"
        assert compute(job).state == "done"
        await until(pilot, lambda: session.clusterer.held is not None)
        rows = app.screen.query_one("ClusterList")
        found = len(session.clusterer.found().clusters.clusters)
        await until(pilot, lambda: len(rows.rows) == found)  # type: ignore[attr-defined]
        assert f"{found} clusters" in said(app)


async def test_the_list_stops_goes_on_and_removes(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def stopping(folder: JobFolder) -> Job:
        asked.append("stop")
        return job_of(folder)

    def going_on(folder: JobFolder) -> Job:
        asked.append("resume")
        return job_of(folder)

    monkeypatch.setattr(process, "stop", stopping)
    monkeypatch.setattr(process, "resume", going_on)
    spec = JobSpec("command", "[b]acdc[/b]\x1b[31m", "m", "t", "", "2026-01-01", "0")
    stopped = JobFolder.make("20260101-120000-stopped", spec)
    stopped.write_end(STOPPED)
    damaged = JobFolder.make("20260101-110000-damaged", spec)
    (damaged.path / "job.json").write_text(json.dumps({"kind": 3}))
    running = JobFolder.make("20260101-130000-running", spec)
    app = WorkbenchApp()
    async with app.run_test(size=(80, 24)) as pilot:
        with running.held():
            await pilot.press("f5")
            await until(pilot, lambda: isinstance(app.screen, JobsScreen))
            screen: Any = app.screen
            await until(pilot, lambda: len(screen.jobs.rows) == 3)
            assert [row.state for row in screen.jobs.rows] == ["running", "stopped", "damaged"]
            assert "\x1b" not in screen.jobs.line(screen.jobs.rows[0], 80, False).plain
            assert "3, 1 running" in str(screen.query_one("#jobs-title").render())
            await pilot.press("enter", "S", "minus")
            await until(pilot, lambda: asked == ["stop"])
            assert "Stop it first" in said(app)
            await pilot.press("down", "S", "enter")
            await until(pilot, lambda: asked == ["stop", "resume"])
            await pilot.press("minus")
            await pilot.pause()
            await pilot.press("y")
            await until(pilot, lambda: not stopped.path.exists())
            await pilot.press("end", "minus")
            await pilot.pause()
            await pilot.press("y")
            await until(pilot, lambda: not damaged.path.exists())
            await until(pilot, lambda: len(screen.jobs.rows) == 1)
            await pilot.press("question_mark")
            await until(pilot, lambda: app.screen is not screen)
            await pilot.press("escape", "escape")
            await until(pilot, lambda: not isinstance(app.screen, JobsScreen))
    with pytest.raises(Exception, match="no job"):
        find_folder("stopped")


async def test_an_app_that_ends_leaves_no_thread(session: Session) -> None:
    before = set(threading.enumerate())
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
    left = [thread for thread in set(threading.enumerate()) - before if thread.name != "weights_0"]
    for thread in left:
        thread.join(10)
    assert not [thread.name for thread in left if thread.is_alive()]


async def test_jobs_are_copied(session: Session) -> None:
    app = WorkbenchApp(session=session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        await pilot.press("Y")
        await until(pilot, lambda: isinstance(app.screen, CopyDialog))
