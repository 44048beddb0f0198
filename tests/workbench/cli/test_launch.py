"""Starting the app: what is said before it starts, and after it was left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from screens.app import WorkbenchApp
from tests.support.toy_session import toy_session
from workbench.cli import console
from workbench.cli.launch import show
from workbench.errors import WorkbenchError


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_terminal_that_only_prints_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(WorkbenchError, match="TERM=dumb"):
        show()


@pytest.mark.parametrize("edited", [True, False])
def test_leaving_says_how_to_go_on_where_there_is_something(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    edited: bool,
) -> None:
    session, _ = toy_session(tmp_path)
    if edited:
        session.keep_all("logits")

    def run(self: WorkbenchApp, *_: Any, **__: Any) -> None:
        self.sessions.shown = session

    monkeypatch.setattr(WorkbenchApp, "run", run)
    assert show() == 0
    said = capsys.readouterr().err
    assert (f"workbench resume {session.path.stem}" in said) == edited
    session.close()


async def test_the_app_remembers_the_session_that_was_on_the_bench(tmp_path: Path) -> None:
    session, _ = toy_session(tmp_path)
    app = WorkbenchApp(session=session)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.left is session
        app.show_setup()
        await pilot.pause()
        assert app.left is session
