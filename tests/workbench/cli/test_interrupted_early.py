"""Ctrl-C before anything has begun: no traceback, and nothing to tell."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

import workbench

STARTED = """
import builtins, os, signal, sys
plain = builtins.__import__

def importing(name, *rest):
    if name == {name!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return plain(name, *rest)

builtins.__import__ = importing
sys.argv = ["workbench", "tasks"]
from workbench.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["ast", "workbench.cli", "traceback", "workbench.base.progress"])
def test_while_it_is_imported(name: str) -> None:
    script = STARTED.format(name=name)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    # Not everything is imported: what is not loaded at all cannot be interrupted.
    assert done.returncode in (0, 130, -signal.SIGINT)
    assert "Traceback" not in done.stderr and "defect" not in done.stderr


def test_afterwards_it_is_told() -> None:
    script = STARTED.format(name="workbench.cli.main")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 130 and "interrupted" in done.stderr


def test_public_names_are_those_of_the_stub() -> None:
    assert "load_model" in workbench.__all__ and workbench.__all__ == sorted(workbench.__all__)
    assert set(workbench.__all__) <= set(dir(workbench))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        workbench.nonsense  # type: ignore[attr-defined]  # noqa: B018
