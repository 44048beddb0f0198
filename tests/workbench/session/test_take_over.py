"""Taking a session over from a process that still holds it; the processes are real ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.toy_session import toy_session
from workbench.errors import WorkbenchError
from workbench.session import holder
from workbench.session.holder import HeldElsewhere, Holder, holder_path, read_holder, take_over
from workbench.session.journal import Journal
from workbench.session.start import resume_session

pytestmark = pytest.mark.skipif(holder.fcntl is None, reason="this system has no locks")

BUSY = """
import sys, time
from pathlib import Path
from workbench import start_session
session = start_session("pocket", "ioi", pairs=2, device="cpu", journal=Path(sys.argv[1]))
session.expand("logits")
print("ready", flush=True)
time.sleep(600)
"""
DEAF = """
import signal, sys, time
from pathlib import Path
from workbench.session.journal import Journal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
kept = Journal.open(Path(sys.argv[1]))
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))


class Holding:
    """A process that holds a session."""

    def __init__(self, script: str, path: Path) -> None:
        command = [sys.executable, "-c", script, str(path)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "one.jsonl"


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Holding]:
    session, _ = toy_session(tmp_path)
    session.expand("logits")
    session.close()
    holding = Holding(DEAF, session.path)
    yield holding
    holding.end()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_session_is_taken_over_with_all_that_was_done(path: Path, stopped: bool) -> None:
    holding = Holding(BUSY, path)
    try:
        if stopped:
            os.kill(holding.process.pid, signal.SIGSTOP)
        with pytest.raises(HeldElsewhere, match=f"process {holding.process.pid}") as refused:
            resume_session(path)
        assert "--take-over" in str(refused.value)
        began = time.monotonic()
        with resume_session(path, take_over=True) as session:
            assert len(session.commands()) == 1 and session.status().edges > 0
            kept = read_holder(path)
            assert kept is not None and kept.pid == os.getpid()
            session.undo()
        assert holding.process.wait(5) == -signal.SIGTERM, "it was asked, and not killed"
        assert time.monotonic() - began < 60
        assert not holder_path(path).exists()
    finally:
        holding.end()


def test_one_that_does_not_listen_is_killed(deaf: Holding, tmp_path: Path) -> None:
    path = next(tmp_path.glob("*.jsonl"))
    take_over(path, patience=0.3)
    assert deaf.process.wait(5) == -signal.SIGKILL
    Journal.open(path)[0].close()


def test_a_session_that_nobody_holds_is_taken_over_as_it_is(tmp_path: Path) -> None:
    session, _ = toy_session(tmp_path)
    session.close()
    take_over(session.path)
    holder_path(session.path).write_text('{"pid": 1, "started": 0, "host": "x", "since": ""}')
    take_over(session.path)  # what a killed process left behind misleads nobody
    Journal.open(session.path)[0].close()


def test_who_cannot_be_ended_is_left_alone(
    deaf: Holding, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = next(tmp_path.glob("*.jsonl"))
    kept = read_holder(path)
    assert kept is not None and kept.pid == deaf.process.pid

    def says(other: Holder | None) -> str:
        holder_path(path).unlink(missing_ok=True)
        if other is not None:
            holder_path(path).write_text(json.dumps(asdict(other)))
        with pytest.raises(WorkbenchError) as refused:
            take_over(path, patience=0.1)
        return str(refused.value)

    said = says(replace(kept, host="far.example"))
    assert "on far.example" in said and f"ssh far.example kill {kept.pid}" in said
    assert "fuser" in says(replace(kept, started=kept.started - 100)), "another process by now"
    assert "fuser" in says(None)
    assert deaf.process.poll() is None


def test_ones_own_session_is_not_taken_over(tmp_path: Path) -> None:
    session, _ = toy_session(tmp_path)
    with pytest.raises(HeldElsewhere, match="in this process already"):
        take_over(session.path)
    assert session.is_open
    session.close()
