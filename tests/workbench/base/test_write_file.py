"""A file is written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from workbench.base import write_file
from workbench.base.folders import make_private
from workbench.base.text import shown_path
from workbench.base.write_file import write_bytes, write_whole
from workbench.errors import WorkbenchError
from workbench.session.journal import Journal

unix = pytest.mark.skipif(os.name != "posix", reason="rights and links as on Unix")


def refuse(code: int) -> object:
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("function", ["fsync", "replace", "open"])
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "you may not write there"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EIO, "error"),
    ],
)
def test_what_stood_there_stays(
    function: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.json"
    path.write_text("before")
    monkeypatch.setattr(write_file.os, function, refuse(code))
    with pytest.raises(WorkbenchError) as caught:
        write_whole(path, "after")
    monkeypatch.undo()
    sentence = str(caught.value)
    assert said in sentence and "c.json" in sentence and ". " not in sentence
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["c.json"]


def test_ctrl_c_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.json"
    path.write_text("before")

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(write_file.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "after")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["c.json"]


def test_the_text_is_on_the_disk_before_the_name_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.json"
    path.write_text("before")
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle: int) -> None:
        calls.append(path.read_text())
        fsync(handle)

    def noted_replace(*names: Path) -> None:
        calls.append("replace")
        replace(*names)

    monkeypatch.setattr(write_file.os, "fsync", noted_fsync)
    monkeypatch.setattr(write_file.os, "replace", noted_replace)
    write_whole(path, "after")
    assert calls[:2] == ["before", "replace"] and path.read_text() == "after"


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, said in [
        (tmp_path, "it is a folder"),
        (tmp_path / "nowhere" / "c.json", "its folder does not exist"),
        (tmp_path / "file" / "c.json", "not a folder"),
        (tmp_path / ("x" * 300), "too long"),
        (Path("a\0b"), "not a possible path"),
    ]:
        with pytest.raises(WorkbenchError, match=said):
            write_whole(path, "after")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_device_that_is_always_full() -> None:
    with pytest.raises(WorkbenchError, match="the disk is full"):
        write_whole("/dev/full", "after")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WorkbenchError, match="you may not write there"):
        write_whole(tmp_path / "c.json", "after")


@pytest.mark.skipif(os.name == "nt", reason="needs links and permissions")
def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, "after")
    assert link.is_symlink() and real.read_text() == "after"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.skipif(os.name == "nt", reason="needs a umask")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").write_text("x")
    write_whole(tmp_path / "c.json", "x")
    modes = {name: (tmp_path / name).stat().st_mode for name in ("ordinary", "c.json")}
    assert modes["c.json"] == modes["ordinary"]


def test_nothing_is_written_that_would_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_file, "MAX_BYTES", 10)
    with pytest.raises(WorkbenchError, match="read only up to"):
        write_whole(tmp_path / "c.json", "x" * 11)
    assert not os.listdir(tmp_path)


def test_names_are_shown_without_control_characters() -> None:
    assert shown_path("a\x1b[31m\u202eb") == "a?[31m?b"


# The state folder.


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@unix
def test_what_is_kept_of_the_user_is_the_users_alone(state: Path) -> None:
    make_private(state / "sessions")
    write_bytes(state / "sessions" / "a.place", b"{}")
    assert [rights(path) for path in (state, state / "sessions")] == [0o700, 0o700]
    assert rights(state / "sessions" / "a.place") == 0o600
    # Those of an earlier version are closed.
    state.chmod(0o755)
    (state / "sessions" / "a.place").chmod(0o644)
    make_private(state / "sessions")
    write_bytes(state / "sessions" / "a.place", b"{}")
    assert rights(state) == 0o700 and rights(state / "sessions" / "a.place") == 0o600


@unix
def test_no_link_in_the_state_folder_leads_a_writer_astray(state: Path, tmp_path: Path) -> None:
    make_private(state)
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    (state / "a.json").symlink_to(precious)
    write_bytes(state / "a.json", b"{}")
    assert precious.read_text() == "as it was"
    assert not (state / "a.json").is_symlink() and (state / "a.json").read_text() == "{}"
    (state / "b.jsonl").symlink_to(precious)
    with pytest.raises(WorkbenchError):
        Journal.open(state / "b.jsonl")
    assert precious.read_text() == "as it was"


def test_what_a_killed_writer_left_is_swept_later(tmp_path: Path) -> None:
    old, new = (tmp_path / f".workbench-{n:016x}.tmp" for n in (1, 2))
    others = tmp_path / ".workbench-notes.tmp"
    for path in (old, new, others):
        path.write_text("half")
    for path in (old, others):
        os.utime(path, (1, 1))
    write_whole(tmp_path / "a.json", "{}")
    assert not old.exists() and new.exists() and others.exists()
