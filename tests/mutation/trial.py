"""A fault in a forked process: which of the tests notice it.

The parent has everything loaded that is not ours. A child loads ours, with one module's code
exchanged, and runs the tests that pass through the line of the fault; the disk is not touched.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest

SLOWER = 5.0
"""So many times the usual time, and `SPARE` seconds, may tests take before they count as failed."""
SPARE = 20.0
OURS = ("workbench", "screens", "tasks", "tests")
OPTIONS = ("-q", "-x", "--no-header", "-p", "no:cacheprovider", "-m", "not slow and not smollm2")
EVERYWHERE = ""
"""Stands for all tests of a file: the line was passed on import, or by what they share."""


class _Exchanged(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, with other code."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self.name, self.path, self.code = name, path, code

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self.name:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=str(self.path))

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self.path)
        exec(self.code, module.__dict__)


def fork(work: Callable[[], int], seconds: float) -> int:
    """What the work returns in a process of its own, silent; -1 if it takes longer."""
    pid = os.fork()
    if not pid:
        code = 3
        try:
            os.setpgrp()
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            code = work()
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -1


def _forget_ours() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        del sys.modules[name]


def notices(root: Path, file: str, code: CodeType, tests: Sequence[str], usual: float) -> bool:
    """Whether some of the tests fail with this code in the place of the file's own."""
    name = file.removesuffix(".py").replace("/", ".")

    def work() -> int:
        _forget_ours()
        sys.meta_path.insert(0, _Exchanged(name, root / file, code))
        return int(pytest.main([*OPTIONS, *tests]))

    return fork(work, SLOWER * usual + SPARE) != 0


def passed(root: Path, files: Sequence[str], tests: str, out: Path) -> None:
    """Write which lines of the files each test of a test file passes through, and its seconds.

    A line of JSON for each: the test's name or `EVERYWHERE`, seconds, and lines by file.
    """
    import json

    paths = {str(root / file): file for file in files}
    lines: dict[str, set[tuple[str, int]]] = {EVERYWHERE: set()}
    seconds: dict[str, float] = {}
    now = [EVERYWHERE]

    def local(frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            lines[now[0]].add((paths[frame.f_code.co_filename], frame.f_lineno))
        return local

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        return local(frame, "line", None) if frame.f_code.co_filename in paths else None

    class Watch:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
            now[0] = item.nodeid
            lines.setdefault(item.nodeid, set())
            began = time.monotonic()
            result = yield
            seconds[item.nodeid] = time.monotonic() - began
            now[0] = EVERYWHERE
            return result

        @pytest.hookimpl(wrapper=True)
        def pytest_fixture_setup(self, fixturedef: Any) -> Any:
            before = now[0]
            if fixturedef.scope != "function":
                now[0] = EVERYWHERE
            result = yield
            now[0] = before
            return result

    def work() -> int:
        _forget_ours()
        threading.settrace(trace)
        sys.settrace(trace)
        code = int(pytest.main([*OPTIONS, tests], plugins=[Watch()]))
        sys.settrace(None)
        with out.open("a") as file:
            for test, found in lines.items():
                row = [test or tests, test == EVERYWHERE, seconds.get(test, 0.0), sorted(found)]
                file.write(json.dumps(row) + "\n")
        return code

    if fork(work, 900) not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(f"Without any fault {tests} fails.")
