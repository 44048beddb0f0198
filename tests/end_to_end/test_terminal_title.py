"""The terminal's title in a real terminal: what is shown, and given back however the app ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.pseudo_terminal import PseudoTerminal
from tests.support.toy_app import COMMAND

pytestmark = pytest.mark.slow

KEPT, RESTORED = b"\x1b[22;0t", b"\x1b[23;0t"
ON_THE_BENCH = "\x1b]0;toy · ioi · Circuit Workbench\x07".encode()
IN_SETUP = b"\x1b]0;Circuit Workbench\x07"


@pytest.mark.parametrize("asked", [False, True])
def test_the_title_says_what_is_shown_and_is_given_back(tmp_path: Path, asked: bool) -> None:
    """`asked`: by a signal to end, as where another process takes the session over."""
    env = {**os.environ, "WORKBENCH_STATE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with PseudoTerminal(COMMAND, env=env, cwd=tmp_path, rows=24, columns=80) as terminal:
        terminal.wait_for(r"edges 0/")
        assert terminal.output.count(KEPT) == 1 and RESTORED not in terminal.output
        assert ON_THE_BENCH in terminal.output
        before = len(terminal.output)
        terminal.type("\x0e")  # ctrl+n
        terminal.wait_for("● 1 open here|● \\d{4}-")
        assert IN_SETUP in terminal.output[before:]
        terminal.type("\x1b")
        terminal.wait_for(r"edges 0/")
        terminal.type("\x0e\x1b\x0e\x1b")  # in one read: there and back, twice
        terminal.read(1)
        terminal.wait_for(r"edges 0/")
        assert terminal.output.rfind(ON_THE_BENCH) > terminal.output.rfind(IN_SETUP)
        if asked:
            os.kill(terminal.process.pid, signal.SIGSTOP)
            os.kill(terminal.process.pid, signal.SIGCONT)
            terminal.read(1)
            assert terminal.output.count(KEPT) == 1
            os.kill(terminal.process.pid, signal.SIGTERM)
            assert terminal.wait_for_exit() == 128 + signal.SIGTERM
        else:
            terminal.press("q")
            assert terminal.wait_for_exit() == 0
        terminal.read(0.2)
        after = terminal.output[terminal.output.rfind(ON_THE_BENCH) + len(ON_THE_BENCH) :]
        assert after.count(RESTORED) == 1 and b"\x1b]0;" not in after
        assert b"\x1b[?1049l" in after, "the screen that was there before is back"
