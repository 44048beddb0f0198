"""The prompt bench in a terminal of 80 by 24: a pair typed, answered, kept, saved, reopened."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.pseudo_terminal import PseudoTerminal
from workbench.prompts.task_file import read_task

pytestmark = pytest.mark.slow

WORKBENCH = [sys.executable, "-m", "workbench"]
PAIRS = ["--task", "ioi", "--pairs", "4", "--device", "cpu"]
CLEAN = "While Claire and Emily went to the garden, Emily passed a bag to"
CORRUPTED = "While Claire and Emily went to the garden, Bob passed a bag to"


def test_what_if_the_name_is_bob(tmp_path: Path) -> None:
    env = os.environ | {"WORKBENCH_STATE": str(tmp_path / "state"), "LANG": "C.UTF-8"}

    def terminal(*arguments: str) -> PseudoTerminal:
        return PseudoTerminal([*WORKBENCH, *arguments], env=env, cwd=ROOT, rows=24, columns=80)

    with terminal("open", "pocket", *PAIRS) as app:
        app.wait_for("faithfulness", 120)
        app.press("e")
        app.wait_for("Expanded logits")
        app.press("ctrl+y")
        app.wait_for("Prompt bench  4 pairs")
        app.press("+")
        app.type(CLEAN)
        app.press("down")
        app.type(CORRUPTED)
        app.press("down")
        app.type(" Clai")
        app.wait_for("·Claire", 60)  # completed by the vocabulary
        app.press("right", "down")
        app.type(" Emily")
        app.press("enter")
        tried = app.wait_for(r"model \+([0-9.]+) · corrupted .[0-9.]+ · circuit \+([0-9.]+)")
        app.press("ctrl+s")
        app.wait_for("Prompt bench  5 pairs")
        app.press("down")
        app.type("Once ")
        app.wait_for("changed, not kept")
        app.read(2)
        app.kill()  # what was shown is kept

    with terminal("resume") as app:
        app.wait_for("5 pairs", 120)
        app.press("ctrl+y")
        app.wait_for("Prompt bench  5 pairs")
        app.press("end")
        app.wait_for("toOnce")  # what was typed is there, too
        app.press("tab", *["backspace"] * 5, "backtab", "enter")
        again = app.wait_for(r"model \+([0-9.]+) · corrupted .[0-9.]+ · circuit \+([0-9.]+)")
        assert again.groups() == tried.groups()
        app.press("space")
        app.wait_for("5 pairs, 1 aside")
        app.press("u")
        app.wait_for("Prompt bench  5 pairs ·")
        app.press("o")
        app.wait_for("Save the pairs")
        app.press("ctrl+u")
        app.type(str(tmp_path / "five.jsonl"))
        app.press("enter")
        app.wait_for("5 pairs saved")
        app.press("ctrl+y")
        app.wait_until_gone("Prompt bench")
        shown = app.wait_for(r"logit_diff: model \+([0-9.]+)")
        app.press("q")
        assert app.wait_for_exit() == 0

    saved = read_task(tmp_path / "five.jsonl")
    assert saved.pairs[-1].clean == CLEAN and saved.pairs[-1].corrupted == CORRUPTED
    assert (saved.pairs[-1].answers, saved.pairs[-1].wrong_answers) == ((" Claire",), (" Emily",))
    with terminal("open", "pocket", "--task", str(tmp_path / "five.jsonl")) as app:
        app.wait_for("5 pairs", 120)
        assert re.search(r"logit_diff: model \+([0-9.]+)", app.text)[1] == shown[1]  # type: ignore[index]
