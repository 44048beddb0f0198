"""The process of a job: it outlives who started it, is stopped and gone on with.

The jobs here follow a job that this test holds, so that they last and load no torch.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.jobs.detach import detach_command
from workbench.jobs.folder import JobFolder, find_folder, jobs_folder
from workbench.jobs.listing import Job, follow, job_of, list_jobs
from workbench.jobs.process import reap, remove, resume, start, stop
from workbench.jobs.spec import JobSpec
from workbench.session.holder import holder_path


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobFolder]:
    """A job that seems to be running until the test is over."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    spec = JobSpec("command", "held", "", "", "", "2026-01-01T00:00:00+00:00", "0")
    folder = JobFolder.make("held", spec)
    with folder.held():
        yield folder
        for job in list_jobs():
            if job.id != "held" and job.state == "running":
                stop(find_folder(job.id), patience=0)


def lasting() -> tuple[JobFolder, Job]:
    job = detach_command(["jobs", "follow", "held"], kind="follow")
    return find_folder(job.id), job


def at_work(folder: JobFolder) -> psutil.Process:
    """The job's process, once it heeds signals."""
    holder = folder.holder()
    assert holder is not None
    found = holder.process()
    assert found is not None
    until(lambda: _ignored(found, signal.SIGHUP))
    return found


def test_it_outlives_the_terminal_and_is_stopped_and_gone_on_with(held: JobFolder) -> None:
    folder, job = lasting()
    assert job.state == "running", "from the very beginning"
    process = at_work(folder)
    assert os.getsid(process.pid) == process.pid and process.terminal() is None
    process.send_signal(signal.SIGHUP)
    for what, act in (("stop it first", start), ("stop it first", remove)):
        with pytest.raises(WorkbenchError, match=what):
            act(folder)
    assert job_of(folder).process == process.pid
    stopped = stop(folder)
    assert (stopped.state, stopped.goes_on, stopped.process) == ("stopped", True, None)
    with pytest.raises(WorkbenchError, match="not running: it is stopped"):
        stop(folder)
    assert resume(folder).state == "running"
    at_work(folder).kill()
    until(lambda: job_of(folder).state != "running")
    assert job_of(folder).words == "killed, can go on"
    assert resume(folder).state == "running"
    stop(folder)
    remove(folder)
    assert not folder.path.exists() and [one.id for one in list_jobs()] == ["held"]


def _ignored(process: psutil.Process, number: int) -> bool:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("SigIgn"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_it_can_be_stopped_while_it_starts(held: JobFolder) -> None:
    folder, _ = lasting()
    assert stop(folder).state == "stopped"


def test_it_goes_on_when_who_started_it_is_killed(held: JobFolder) -> None:
    code = (
        "from workbench.jobs.detach import detach_command\n"
        "import os, signal\n"
        "print(detach_command(['jobs', 'follow', 'held']).id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    folder = find_folder(done.stdout.strip())
    assert done.returncode == -signal.SIGKILL
    at_work(folder)
    assert job_of(folder).state == "running"


def test_a_command_ends_with_its_output_and_its_failure(
    held: JobFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = detach_command(["tasks", "--json"], kind="tasks")
    wrong = detach_command(["compare", "missing.json", "other.json"], kind="compare")
    for job in (fine, wrong):
        until(lambda job=job: job_of(find_folder(job.id)).state != "running")  # type: ignore[misc]
    assert main(["jobs", "follow", fine.id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "done" and json.loads(told["output"])
    assert main(["jobs", "follow", wrong.id]) == 1
    assert "missing.json" in job_of(find_folder(wrong.id)).sentence
    assert main(["jobs", "show", wrong.id]) == 0 and "failed" in capsys.readouterr().out
    assert main(["jobs"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()][1:] == [
        "failed",
        "done",
    ]


def test_two_may_follow(held: JobFolder) -> None:
    folder, _ = lasting()
    at_work(folder)
    seen: list[list[str]] = [[], []]

    def looking(into: list[str]) -> None:
        into.extend(job.state for job in follow(folder, seconds=0.02))

    threads = [threading.Thread(target=looking, args=(into,)) for into in seen]
    for thread in threads:
        thread.start()
    until(lambda: all(seen))
    stop(folder)
    for thread in threads:
        thread.join(10)
    assert [one[-1] for one in seen] == ["stopped", "stopped"]


def test_a_number_used_again_or_another_machine_is_told_apart(held: JobFolder) -> None:
    folder, _ = lasting()
    at_work(folder).kill()
    until(lambda: job_of(folder).state != "running")
    path = holder_path(folder.lock_file)
    told = json.loads(path.read_text())
    # This very process has the number of the one that is dead.
    path.write_text(json.dumps({**told, "pid": os.getpid()}))
    assert job_of(folder).state == "killed"
    path.write_text(json.dumps({**told, "host": "another"}))
    found = job_of(folder)
    assert found.state == "elsewhere" and "another" in found.sentence


def test_names_and_privacy(held: JobFolder, tmp_path: Path) -> None:
    folder, job = lasting()
    assert find_folder(job.id[-4:]).id == job.id == find_folder(job.id[:17]).id
    for name in ("", "nothing", "../held", "\x1b[31m"):
        with pytest.raises(WorkbenchError, match="There is no job"):
            find_folder(name)
    stop(folder)
    for path in (jobs_folder(), *jobs_folder().rglob("*")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_the_state_folder_is_moved(
    held: JobFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, job = lasting()
    stop(folder)
    (tmp_path / "state").rename(tmp_path / "moved")
    assert list_jobs() == []
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "moved"))
    moved = find_folder(job.id)
    assert job_of(moved).state == "stopped" and resume(moved).state == "running"
    stop(moved)


def test_the_end_is_said_though_the_disk_is_full(
    held: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.jobs import folder as module

    folder, _ = lasting()
    stop(folder)
    folder.forget_end()

    def full(path: object, data: bytes) -> None:
        raise WorkbenchError("the disk is full")

    monkeypatch.setattr(module, "write_bytes", full)
    folder.write_end("failed", "There was no room.")
    assert folder.end() == ("failed", "There was no room.")
    reap()
