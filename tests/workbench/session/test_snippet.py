"""The script that rebuilds a session: it is run, and gives the same circuit and number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks import Task
from workbench import Session, load_task, start_session
from workbench.session.start import build_session, resume_session

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))


def run(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], list[str]]:
    """The names that a script leaves, and what it prints."""
    names: dict[str, Any] = {}
    capsys.readouterr()
    exec(compile(text, "snippet.py", "exec"), names)
    return names, capsys.readouterr().out.splitlines()


def check(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    names, printed = run(session.snippet(), capsys)
    assert names["circuit"] == session.circuit
    assert names["circuit"].groups == session.circuit.groups
    assert names["circuit"].notes == session.circuit.notes
    assert float(printed[-1]) == pytest.approx(session.status().faithfulness, abs=1e-5)


def edit(session: Session) -> None:
    session.set_threshold(0.2)
    for node in ("logits", "m3", "a3.h1"):
        session.expand(node)
    session.set_group('movers "A" \\', ("a3.h1", "a3.h2"), "copy\nnames")
    session.note("m3", "see 'figure 3'")


def test_a_built_in_task_open_then_closed_and_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "session.jsonl"
    with start_session(
        "pocket", "ioi", pairs=4, seed=3, ablation="zero", journal=journal, device="cpu"
    ) as session:
        check(session, capsys)  # everything is open
        edit(session)
        check(session, capsys)
    with resume_session(journal) as session:
        check(session, capsys)
        while node := next(iter(session.frontier()), None):
            session.drop_all(node) if node == "input" else session.expand(node)
        check(session, capsys)  # closed
        model = names_of(session, capsys)["model"]
    made = load_task("ioi", model, pairs=2)
    task = Task("mine", made.pairs, made.metric, made.description, made.answer_space)
    with build_session(model, task, journal=tmp_path / "own.jsonl") as session:
        edit(session)
        assert "Pair(" in session.snippet()
        check(session, capsys)


def names_of(session: Session, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return run(session.snippet(), capsys)[0]


def test_a_task_of_a_file_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with start_session("pocket", "ioi", pairs=3, journal=tmp_path / "a.jsonl", device="cpu") as one:
        pairs = one._opened.task.pairs
    path = tmp_path / "task.jsonl"
    rows = [
        {
            "clean": pair.clean,
            "corrupted": pair.corrupted,
            "answers": list(pair.answers),
            "wrong_answers": list(pair.wrong_answers),
        }
        for pair in pairs
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    with start_session("pocket", str(path), journal=tmp_path / "b.jsonl", device="cpu") as session:
        edit(session)
        assert str(path) in session.snippet()
        check(session, capsys)
