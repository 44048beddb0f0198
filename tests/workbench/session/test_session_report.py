"""A session as a page, from its journal alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_sessions import tiny_session
from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.session.about import SessionAbout
from workbench.session.report import write_session_report
from workbench.session.session import Session


def worked(folder: Path) -> Session:
    session = tiny_session(folder)
    session.expand("logits")
    session.toggle("m1->logits")
    session.undo()
    session.toggle("m0->logits")
    session.name_state(session.history()[-1].n, "without <m0>")
    session.set_group("movers", ["m2"], "raises | it")
    session.note("m2", "writes *the* year")
    session.entitle(SessionAbout("Year heads", ("draft",)))
    return session


def test_the_page_has_what_the_session_is(tmp_path: Path) -> None:
    session = worked(tmp_path / "s")
    page, *pictures = write_session_report(session.path, tmp_path / "out.md", session.drawn())
    text = page.read_text(encoding="utf-8")
    status = session.status()
    assert text.startswith("# Year heads") and "\\#draft" in text
    assert f"{status.edges} of {status.all_edges}" in text
    assert f"{status.faithfulness:.4f}" in text
    assert (
        "without \\<m0\\>" in text and "raises \\| it" in text and "writes \\*the\\* year" in text
    )
    assert "1 state on other branches" in text
    for edge in session.circuit.edges():
        assert edge.replace(">", "\\>").replace("<", "\\<") in text
    assert sorted(path.name for path in pictures) == ["circuit.svg", "steps.svg"]
    assert all("<text" in path.read_text(encoding="utf-8") for path in pictures)


def test_the_command_needs_no_model_and_an_open_session_is_no_hindrance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = worked(tmp_path / "s")
    assert not main(["sessions", "report", str(session.path), "-o", str(tmp_path / "page.html")])
    assert "page.html" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "Year heads" in page
    assert main(["sessions", "report", str(session.path), "-o", str(tmp_path / "page.doc")]) == 2
    assert "Markdown or HTML" in capsys.readouterr().err


def test_a_session_in_which_nothing_was_done(tmp_path: Path) -> None:
    session = tiny_session(tmp_path / "s")
    page, *pictures = write_session_report(session.path, tmp_path / "out.md")
    assert "Everything is open" in page.read_text(encoding="utf-8")
    assert [path.name for path in pictures] == ["circuit.svg"]
    with pytest.raises(WorkbenchError):
        write_session_report(tmp_path / "no.jsonl", tmp_path / "out.md")
