"""Sessions as things: their titles and tags, finding them, and deleting them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.toy_session import toy_session
from workbench.errors import WorkbenchError
from workbench.session.about import LONGEST, SessionAbout, about_path, read_about, write_about
from workbench.session.effects_file import effects_path
from workbench.session.holder import HeldElsewhere
from workbench.session.journals import find_session, list_sessions, recent_models, summarised
from workbench.session.removal import files_of, remove_session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sessions."""
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path))
    folder = tmp_path / "sessions"
    folder.mkdir()
    return folder


def session_at(folder: Path, name: str, title: str = "") -> Path:
    session, _ = toy_session(folder)
    session.expand("logits")
    session.close()
    effects_path(session.path).unlink(missing_ok=True)
    path = session.path.rename(folder / f"{name}.jsonl")
    if title:
        write_about(path, SessionAbout.parse(title))
    return path


@pytest.mark.parametrize(
    ("text", "title", "tags"),
    [
        ("", "", ()),
        ("  IOI  by hand ", "IOI by hand", ()),
        ("#paper IOI by #draft hand #paper", "IOI by hand", ("paper", "draft")),
        ("# no tag", "# no tag", ()),
        ("a\x1b[31m", "a\\x1b[31m", ()),
    ],
)
def test_a_line_is_a_title_with_tags(text: str, title: str, tags: tuple[str, ...]) -> None:
    about = SessionAbout.parse(text)
    assert (about.title, about.tags) == (title, tags)
    assert SessionAbout.parse(about.words) == about


def test_a_title_has_an_end() -> None:
    with pytest.raises(WorkbenchError, match="at most"):
        SessionAbout.parse("x" * (LONGEST + 1))


def test_titles_are_kept_beside_the_journal_which_stays_as_it_was(folder: Path) -> None:
    path = session_at(folder, "one")
    before = path.read_bytes()
    assert read_about(path) == SessionAbout()
    write_about(path, SessionAbout("Größe", ("a",)))
    assert read_about(path) == SessionAbout("Größe", ("a",))
    assert path.read_bytes() == before
    assert (summarised(path).title, summarised(path).tags) == ("Größe", ("a",))
    write_about(path, SessionAbout())
    assert not about_path(path).exists()
    for broken in ("", "[]", '{"title": 3, "tags": []}', '{"title": "x", "tags": "y"}', "[" * 9999):
        about_path(path).write_text(broken)
        assert read_about(path) == SessionAbout()


def test_an_open_session_is_entitled(folder: Path) -> None:
    session, _ = toy_session(folder)
    session.entitle(SessionAbout("mine", ("t",)))
    assert session.title == "mine" and read_about(session.path).tags == ("t",)
    session.close()


def test_a_session_is_found_by_title_or_name(folder: Path) -> None:
    one = session_at(folder, "2026-a", "IOI by hand #paper")
    two = session_at(folder, "2026-b", "IOI again")
    bad = folder / "bad.jsonl"
    bad.write_text("no\n")
    assert find_session("ioi by hand") == one
    assert find_session("IOI a") == two
    assert find_session("2026-b") == two
    assert find_session("bad") == bad
    assert find_session(str(one)) == one
    assert find_session(None) in (one, two)
    for name, words in (("IOI", "2 sessions"), ("2026", "2 sessions"), ("x", "No session")):
        with pytest.raises(WorkbenchError, match=words):
            find_session(name)
    assert [s.path for s in list_sessions() if s.has(["PAPER", "toy"])] == [one]


def test_one_bad_journal_does_not_block_the_list(folder: Path) -> None:
    good = session_at(folder, "good")
    header = good.read_text().splitlines()[0]
    newer = {**json.loads(header), "workbench-journal": 99}
    damaged = {
        "words": ("nothing\n", "not the journal"),
        "empty": ("", "not the journal"),
        "middle": (f"{header}\n}}{{\n{header}\n", "Line 2"),
        "newer": (json.dumps(newer) + "\n", "version 99"),
        "lacking": ('{"workbench-journal": 1}\n', "lacks"),
    }
    for name, (text, _) in damaged.items():
        (folder / f"{name}.jsonl").write_text(text)
    (folder / "folder.jsonl").mkdir()
    listed = {summary.path.stem: summary for summary in list_sessions()}
    assert not listed["good"].damage and listed["good"].n_commands == 1
    for name, (_, words) in damaged.items():
        assert words in listed[name].damage
    assert "folder" in listed["folder"].damage or "directory" in listed["folder"].damage
    assert find_session(None) == good
    assert [model.name for model in recent_models()] == ["toy"]


def test_deleting_moves_all_of_a_session_to_the_trash(folder: Path, tmp_path: Path) -> None:
    path, other = session_at(folder, "one", "a title"), session_at(folder, "one-more")
    path.with_suffix(".found").mkdir()
    (path.with_suffix(".found") / "1.json").write_text("{}")
    assert [file.name for file in files_of(path)] == ["one.jsonl", "one.about.json", "one.found"]
    removed = remove_session(path)
    assert removed.names == ("one.jsonl", "one.about.json", "one.found")
    assert removed.folder == tmp_path / "trash" / "one"
    assert (removed.folder / "one.found" / "1.json").read_text() == "{}"
    assert sorted(file.name for file in folder.iterdir()) == ["one-more.jsonl"]
    assert other.is_file()
    # One of the same name comes beside it, and a damaged one goes too.
    path.write_text("no\n")
    assert remove_session(path).folder == tmp_path / "trash" / "one-2"


def test_an_open_session_or_a_foreign_file_is_not_deleted(folder: Path, tmp_path: Path) -> None:
    session, _ = toy_session(folder)
    with pytest.raises(HeldElsewhere, match="this process"):
        remove_session(session.path)
    session.expand("logits")
    session.close()
    foreign = tmp_path / "mine.jsonl"
    foreign.write_bytes(session.path.read_bytes())
    with pytest.raises(WorkbenchError, match="yourself"):
        remove_session(foreign)
    assert foreign.is_file() and session.path.is_file()
