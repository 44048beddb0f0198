"""A short run of the campaign: `python -m tests.campaign` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.patience import Patience


@pytest.mark.skipif(not hasattr(os, "fork"), reason="sessions are killed in forks")
def test_nothing_is_lost_and_nothing_ends_without_a_sentence(tmp_path: Path) -> None:
    asked = ("--kills", "8", "--files", "360", "--keys", "4", "--minutes", "0.3")
    command = [sys.executable, "-m", "tests.campaign", *asked, "--seed", "7"]
    environment = {**os.environ, "WORKBENCH_STATE": str(tmp_path), "WORKBENCH_CACHE": str(tmp_path)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    parts = ("killed", "conversion", "terminal", "journal", "keys")
    assert all(part in run.stdout for part in parts)


def test_time_counts_in_which_a_process_could_have_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads: whichever has waited longer for a processor, so long nothing could be done."""
    now = [100.0]
    monkeypatch.setattr("tests.support.patience.time.monotonic", lambda: now[0])

    def waited(one: float, other: float) -> None:
        for task, seconds in (("1", one), ("2", other)):
            file = tmp_path / "7" / "task" / task / "schedstat"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"5 {int(seconds * 1e9)} 9\n")

    waited(3, 50)
    patience = Patience(60, 7, tmp_path)
    now[0] = 150.0
    waited(3, 50)
    assert not patience.over()
    now[0] = 1000.0
    waited(853, 60)
    assert not patience.over()  # 850 s were waited for a processor
    now[0] = 1009.0
    waited(853, 60)
    assert not patience.over()
    now[0] = 1012.0
    waited(853, 60)
    assert patience.over()
    waited(3, 50)
    assert not Patience(0.1, 8, tmp_path).over()  # of another system, by the clock
    ended = Patience(0.1, 8, tmp_path)
    now[0] += 0.2
    assert ended.over()
