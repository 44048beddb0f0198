"""The campaign of kills, short."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT


@pytest.mark.slow
def test_jobs_that_are_killed_find_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.campaign.jobs", "--kills", "6", "--seed", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].split() == ["together", "6"]
