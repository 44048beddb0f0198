"""`workbench sessions` and `workbench resume`: listing, naming, deleting, taking over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_session import toy_session
from workbench.cli import console
from workbench.cli.main import main
from workbench.session.about import read_about


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One session that was closed, and one damaged beside it."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path))
    folder = tmp_path / "sessions"
    folder.mkdir()
    session, _ = toy_session(folder)
    session.expand("logits")
    session.close()
    (folder / "bad.jsonl").write_text("no\n")
    return session.path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("command", [["sessions"], ["sessions", "list"], ["resume", "--list"]])
def test_all_are_listed(
    journal: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    code, out, _ = said(capsys, *command)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0 and lines.keys() == {journal.stem, "bad"}
    assert "toy  ioi" in lines[journal.stem] and "1 command" in lines[journal.stem]
    assert "damaged: " in lines["bad"]
    code, out, _ = said(capsys, *command, "--json")
    values: dict[str, Any] = {Path(value["path"]).stem: value for value in json.loads(out)}
    assert values[journal.stem]["n_commands"] == 1 and not values[journal.stem]["damage"]
    assert values["bad"]["damage"]


def test_a_title_is_given_found_and_taken_away(
    journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "sessions", "title", journal.stem, "By", "hand", "#paper")
    assert code == 0 and "By hand #paper" in out
    assert read_about(journal).tags == ("paper",)
    _, out, _ = said(capsys, "sessions", "list", "#PAPER", "hand")
    assert [line.split()[0] for line in out.splitlines()] == [journal.stem]
    _, out, err = said(capsys, "sessions", "list", "nothing of this")
    assert out == "" and "no" in err
    assert said(capsys, "sessions", "title", "by hand")[0] == 0
    assert read_about(journal).title == ""


def test_deleting_asks_or_is_told_so(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = said(capsys, "sessions", "delete", "bad")
    assert code == console.EXIT_USER and "--yes" in err and not out
    monkeypatch.setattr(console, "is_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin.readline", lambda: "n\n", raising=False)
    code, out, err = said(capsys, "sessions", "delete", "bad")
    assert code == console.EXIT_USER and "Delete the session bad" in err and "Nothing" in err
    monkeypatch.setattr("sys.stdin.readline", lambda: "y\n", raising=False)
    code, out, err = said(capsys, "sessions", "delete", "bad")
    assert code == 0 and out.startswith("1 file moved to ")
    code, out, _ = said(capsys, "sessions", "delete", journal.stem, "--yes")
    assert code == 0 and not journal.exists()
    assert said(capsys, "sessions")[1] == ""


def test_taking_over_comes_before_the_app(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, Path]] = []
    monkeypatch.setattr(
        "workbench.session.holder.take_over", lambda path: done.append(("take over", path))
    )

    def show(*, resuming: Path) -> int:
        done.append(("show", resuming))
        return 0

    monkeypatch.setattr("workbench.cli.launch.show", show)
    assert said(capsys, "resume", journal.stem, "--take-over")[0] == 0
    assert said(capsys, "resume")[0] == 0, "the latest that is not damaged"
    assert done == [("take over", journal), ("show", journal), ("show", journal)]
