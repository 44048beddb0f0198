"""Tasks of plug-ins: in the list, made by name, previewed, and checked before a model is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.plugin_packages import clear_plugins, make_package
from workbench.__main__ import main
from workbench.errors import WorkbenchError
from workbench.experiment.prepare import load_task
from workbench.plugins import Catalogue
from workbench.prompts import task_catalogue, task_file
from workbench.prompts.preview import preview_task
from workbench.prompts.task_file import check_task

CODE = """
from tasks import BuiltIn, Pair, Task

EXAMPLE = Pair("one two", "one six", (" three",), (" seven",))

def make(tokenizer, n_pairs, seed):
    return Task("counting", (EXAMPLE,) * n_pairs, "logit_diff", "Counts on.", seed=seed)

TASK = BuiltIn("counting", "logit_diff", "Counts on.", EXAMPLE, make)
"""


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A catalogue that has seen no plug-in yet."""
    built_in = task_catalogue.BUILT_IN.values()
    catalogue = Catalogue("tasks", "task", task_catalogue.BuiltIn, built_in)
    for module in (task_catalogue, task_file):
        monkeypatch.setattr(module, "TASKS", catalogue)
    clear_plugins()
    yield
    clear_plugins()


@pytest.fixture(params=["package", "file"])
def name(
    request: pytest.FixtureRequest, anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """What the user types for the task."""
    if request.param == "file":
        (tmp_path / "lab.py").write_text(CODE)
        return f"{tmp_path / 'lab.py'}:TASK"
    monkeypatch.syspath_prepend(tmp_path)
    make_package(tmp_path, "plug_task", CODE, {"tasks": {"counting": "plug_task:TASK"}})
    return "counting"


def test_it_is_a_task_as_any_other(name: str, tmp_path: Path) -> None:
    check_task(name)
    model: Any = SimpleNamespace(tokenizer=None)
    task = load_task(name, model, pairs=3, seed=5)
    assert (task.name, len(task.pairs), task.seed) == ("counting", 3, 5)
    shown = preview_task("gpt2", name, metric="prob_diff")
    assert (shown.metric, shown.description) == ("prob_diff", "Counts on.")


def test_the_lists_name_it(
    anew: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from screens.setup.known import look_up

    monkeypatch.syspath_prepend(tmp_path)
    make_package(tmp_path, "plug_task", CODE, {"tasks": {"counting": "plug_task:TASK"}})
    assert ("counting", "Counts on.") in look_up().tasks
    monkeypatch.setattr("sys.argv", ["workbench", "tasks", "--json"])
    assert main() in (0, None)
    assert "counting" in [task["name"] for task in json.loads(capsys.readouterr().out)]


def test_what_is_no_task(anew: None, tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text(CODE)
    with pytest.raises(WorkbenchError, match="nothing of that name"):
        check_task(f"{tmp_path / 'lab.py'}:OTHER")
    with pytest.raises(WorkbenchError, match="greater-than"):
        check_task("no-such-task")
