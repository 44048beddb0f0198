"""A short run of the campaign: `python -m tests.campaign` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.mark.skipif(not hasattr(os, "fork"), reason="sessions are killed in forks")
def test_nothing_is_lost_and_nothing_ends_without_a_sentence(tmp_path: Path) -> None:
    asked = ("--kills", "8", "--files", "360", "--keys", "4", "--minutes", "0.3")
    command = [sys.executable, "-m", "tests.campaign", *asked, "--seed", "7"]
    environment = {**os.environ, "WORKBENCH_STATE": str(tmp_path), "WORKBENCH_CACHE": str(tmp_path)}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    parts = ("killed", "conversion", "terminal", "journal", "keys")
    assert all(part in run.stdout for part in parts)
