"""The journal: whatever happens, whole lines only, and nothing lost but a torn last one."""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.session.holder import HeldElsewhere, Holder, claim_path, is_held
from workbench.session.journal import KEY, Journal, read

HEADER = {"created": "today", "task": {"name": "ioi", "pairs": ["one", "two — 二"]}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions" / "one.jsonl"


def written(path: Path, n: int = 3) -> Journal:
    journal = Journal.create(path, HEADER)
    for i in range(n):
        journal.append({"n": i + 1, "text": "line\u2028\n\u0000 \ud800 é"})
    return journal


def entries(n: int) -> list[dict[str, Any]]:
    return [{"n": i + 1, "text": "line\u2028\n\u0000 \ud800 é"} for i in range(n)]


def test_what_is_appended_can_be_read_at_once(path: Path) -> None:
    journal = written(path)
    reading = read(path)
    assert reading.header == {KEY: 1, **HEADER}
    assert reading.entries == entries(3)
    assert reading.length == journal.length == path.stat().st_size
    assert not reading.torn
    assert len(path.read_bytes().split(b"\n")) == 5


def test_cut_at_any_byte_only_a_torn_last_line_is_lost(path: Path) -> None:
    written(path).close()
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        if whole == 0:
            with pytest.raises(WorkbenchError, match="not the journal of a session"):
                Journal.open(path)
            continue
        journal, reading = Journal.open(path)
        assert reading.entries == entries(whole - 1)
        assert reading.torn == (cut not in ends)
        journal.append({"n": whole, "text": "after"})
        journal.close()
        assert read(path).entries == [*entries(whole - 1), {"n": whole, "text": "after"}]
        assert not read(path).torn


@pytest.mark.parametrize("last", [b"\x00" * 40 + b"\n", b'{"n": 4, "te\n', b'"text"\n', b"\xff\n"])
def test_a_last_line_of_wrong_bytes_counts_as_torn(path: Path, last: bytes) -> None:
    written(path).close()
    whole = path.read_bytes()
    path.write_bytes(whole + last)
    assert read(path).entries == entries(3)
    journal, reading = Journal.open(path)
    assert reading.torn
    journal.close()
    assert path.read_bytes() == whole


def test_a_broken_line_in_the_middle_is_named_and_nothing_is_touched(path: Path) -> None:
    written(path).close()
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:-1]
    path.write_bytes(broken := b"\n".join(lines))
    with pytest.raises(WorkbenchError, match=r"Line 3 .* is broken"):
        Journal.open(path)
    assert path.read_bytes() == broken
    lines[2] += b"}"
    path.write_bytes(b"\n".join(lines))
    Journal.open(path)[0].close()  # the lock was let go of


@pytest.fixture(scope="module")
def any_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "any.jsonl"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_a_sentence(any_file: Path, data: bytes) -> None:
    any_file.write_bytes(data)
    with pytest.raises(WorkbenchError):
        read(any_file)


def test_a_newer_journal_asks_for_an_update(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({KEY: 2}) + "\n")
    with pytest.raises(WorkbenchError, match=r"version 2.*update"):
        read(path)


@pytest.mark.parametrize("header", [[1], {"a": 1}, {KEY: "one"}, "x", 3])
def test_a_foreign_file_is_refused(path: Path, header: Any) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(header) + "\n" + json.dumps({"n": 1}) + "\n")
    with pytest.raises(WorkbenchError):
        read(path)


def test_a_missing_file_and_a_folder_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="no such file"):
        Journal.open(path)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        Journal.open(tmp_path)


def test_an_existing_file_is_not_overwritten(path: Path) -> None:
    written(path).close()
    before = path.read_bytes()
    with pytest.raises(WorkbenchError, match="already"):
        Journal.create(path, {"other": True})
    assert path.read_bytes() == before


def test_only_one_session_holds_a_journal(path: Path) -> None:
    journal = written(path)
    with pytest.raises(WorkbenchError, match="open in this process already"):
        Journal.open(path)
    script = (
        "import sys, pathlib, workbench.session.journal as j; "
        "j.Journal.open(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "open elsewhere" in result.stderr
    journal.close()
    journal.close()
    Journal.open(path)[0].close()
    with pytest.raises(WorkbenchError, match="closed"):
        journal.append({})


def _unknown(*args: object) -> None:
    raise OSError(errno.ENOSYS, "Function not implemented")


def test_without_locks_of_the_system_only_one_session_holds_a_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", _unknown)
    first = written(path)
    with pytest.raises(HeldElsewhere, match="in this process already"):
        Journal.open(path)
    assert is_held(path)
    first.append({"n": 4})
    first.close()
    assert len(read(path).entries) == 4
    assert not claim_path(path).exists() and not is_held(path)
    # A process that was killed leaves its file, which counts for nothing.
    ended = replace(Holder.this_process(), started=0.0)
    claim_path(path).write_text(json.dumps(asdict(ended)))
    Journal.open(path)[0].close()
    elsewhere = replace(Holder.this_process(), host="another")
    claim_path(path).write_text(json.dumps(asdict(elsewhere)))
    with pytest.raises(HeldElsewhere):
        Journal.open(path)
    claim_path(path).write_text("")
    with pytest.raises(HeldElsewhere):
        Journal.open(path)
    os.utime(claim_path(path), (0, 0))
    Journal.open(path)[0].close()


# Writing fails.


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A real limit of the system: a write beyond it is cut short and then fails."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 1, 20, 49])
def test_without_room_nothing_is_half_written(path: Path, room: int) -> None:
    journal = written(path)
    before = path.read_bytes()
    with (
        largest_file(len(before) + room),
        pytest.raises(WorkbenchError, match="cannot be written: file too large"),
    ):
        journal.append({"n": 4, "text": "x" * 50})
    assert path.read_bytes() == before
    journal.append({"n": 4, "text": "again"})
    assert read(path).entries == [*entries(3), {"n": 4, "text": "again"}]


def test_a_torn_line_that_could_not_be_removed_is_removed_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = written(path)
    before = path.read_bytes()
    write = os.write

    def short(descriptor: int, data: Any) -> int:
        write(descriptor, bytes(data)[:60])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def no_truncate(*_: Any) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        patch.setattr(os, "ftruncate", no_truncate)
        with pytest.raises(WorkbenchError, match="no space left"):
            journal.append({"n": 4, "text": "longer than what comes next" * 5})
    assert len(path.read_bytes()) == len(before) + 60
    assert read(path).entries == entries(3)
    journal.append({"n": 4})
    assert path.read_bytes() == before + b'{"n":4}\n'


def test_an_entry_that_may_not_be_on_the_disk_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = written(path)
    before = path.read_bytes()

    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(WorkbenchError, match="cannot be written"):
            journal.append({"n": 4})
    assert path.read_bytes() == before


def test_every_entry_is_synced_before_append_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = written(path)
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    journal.append({"n": 4})
    assert sizes == [path.stat().st_size]


def test_the_head_and_the_name_of_a_journal_are_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head before it takes its name, and the folder after."""
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "head")
        sync(descriptor)

    def renamed(self: Path, target: Any) -> Path:
        done.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    Journal.create(path, HEADER).close()
    assert done[:3] == ["head", "name", "folder"]


def test_a_journal_is_its_owners_and_its_folder_elsewhere_as_any_other(path: Path) -> None:
    Journal.create(path, HEADER).close()
    (beside := path.parent.with_name("beside")).mkdir()
    rights = [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent, beside)]
    assert rights[0] == 0o600 and rights[1] == rights[2]


def test_a_journal_that_nobody_holds_any_more_is_let_go(path: Path) -> None:
    journal = written(path)
    del journal
    gc.collect()
    assert not is_held(path)
    Journal.open(path)[0].close()


def test_what_is_no_file_is_not_waited_for(path: Path) -> None:
    """A pipe without a writer would block for ever, and with it the list of all sessions."""
    path.parent.mkdir()
    os.mkfifo(path)
    for reads in (read, Journal.open):
        with pytest.raises(WorkbenchError, match="no ordinary file"):
            reads(path)


def test_a_folder_of_the_state_is_its_owners(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(path.parent.parent))
    Journal.create(path, HEADER).close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_link_in_the_state_folder_is_not_written_through(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(path.parent))
    elsewhere = path.parent.with_name("elsewhere.jsonl")
    written(elsewhere).close()
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    with pytest.raises(WorkbenchError, match="is a symbolic link"):
        Journal.open(path)
    assert elsewhere.read_bytes() == before


def test_a_broken_first_line_is_nothing_to_cut_before(path: Path) -> None:
    written(path).close()
    path.write_bytes(b"garbage\n" + path.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(WorkbenchError, match="not the journal of a session"):
        read(path)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkbenchError, match="WORKBENCH_STATE"):
        Journal.create(tmp_path / "file" / "one.jsonl", HEADER)


def test_a_header_that_cannot_be_written_leaves_no_file(path: Path) -> None:
    with largest_file(10), pytest.raises(WorkbenchError, match="cannot be written"):
        Journal.create(path, HEADER)
    assert list(path.parent.iterdir()) == []


def test_a_deleted_journal_is_noticed(path: Path) -> None:
    journal = written(path)
    path.unlink()
    with pytest.raises(WorkbenchError, match="was deleted"):
        journal.append({"n": 4})


def test_taking_back_removes_what_was_appended(path: Path) -> None:
    journal = written(path)
    before, mark = path.read_bytes(), journal.length
    journal.append({"n": 4})
    journal.take_back(mark)
    assert path.read_bytes() == before


def test_killed_while_it_writes_it_holds_whole_entries_in_order(path: Path) -> None:
    """What was reported as written before `kill -9` is there after it."""
    script = textwrap.dedent(
        f"""
        from pathlib import Path
        from workbench.session.journal import Journal
        journal = Journal.create(Path({str(path)!r}), {{}})
        n = 0
        while True:
            n += 1
            journal.append({{"n": n, "text": "x" * 5000}})
            print(n, flush=True)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    process.kill()
    said = process.stdout.read().splitlines()
    process.wait()
    journal, reading = Journal.open(path)
    journal.close()
    numbers = [entry["n"] for entry in reading.entries]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= int(said[-1]) >= 2
