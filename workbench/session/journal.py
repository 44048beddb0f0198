"""The journal of a session: JSON Lines on disk.

The session can be resumed from it after any interruption. Line 1 is the header, everything needed
to begin the same session again. It is written beside the journal and renamed into place, so there
is never half of one. Each further line is one entry, on the disk before `Journal.append` returns. A
process that dies while writing leaves at most a torn last line, which `read` ignores and
`Journal.open` cuts off. The file is locked while a session holds it.

Glossary: docs/glossary.md#journal.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.base.folders import STATE_VARIABLE, is_private, make_private
from workbench.base.json_values import parsed
from workbench.base.text import quoted
from workbench.errors import WorkbenchError
from workbench.session.holder import Lock, remove_holder, write_holder

VERSION = 1
BINARY = getattr(os, "O_BINARY", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""In the state folder no link is followed for writing."""
KEY = "workbench-journal"
"""The header's first field: it says what the file is, and in which version of the format."""


@dataclass(frozen=True)
class Reading:
    """What stands in a journal.

    Attributes:
        header: line 1.
        entries: the other lines, in order.
        length: bytes up to the end of the last whole line.
        torn: something stood after it.
    """

    header: dict[str, Any]
    entries: list[dict[str, Any]]
    length: int
    torn: bool


def read(path: Path) -> Reading:
    """Read a journal; a torn last line is left out.

    Raises:
        WorkbenchError: if there is no such file, if it is no journal or a newer one, or if a line
            in the middle is broken (its number).
    """
    try:
        # A pipe without a writer would block for ever on opening, so look before opening.
        if not stat.S_ISREG(kind := path.stat().st_mode) and not stat.S_ISDIR(kind):
            raise WorkbenchError(f"The journal {path} cannot be read: it is no ordinary file.")
        data = path.read_bytes()
    except OSError as error:
        raise WorkbenchError(f"The journal {path} cannot be read: {_reason(error)}.") from None
    *lines, rest = data.split(b"\n")
    values = [_object(line) for line in lines]
    torn = bool(rest)
    if values and values[-1] is None and not rest:
        # A crash of the whole machine can leave a last line of the right length with the wrong
        # bytes.
        values.pop()
        lines.pop()
        torn = True
    if not values or KEY not in (values[0] or {}):
        raise WorkbenchError(
            f"{path} is not the journal of a session: it has no whole first line of one."
        )
    for number, value in enumerate(values, start=1):
        if value is None:
            raise WorkbenchError(
                f"Line {number} of the journal {path} is broken; cut the file before it to resume "
                "what came earlier."
            )
    header, *entries = [value for value in values if value is not None]
    if not isinstance(header[KEY], int) or header[KEY] > VERSION:
        raise WorkbenchError(
            f"The journal {path} has version {quoted(header[KEY])}, this workbench reads up to "
            f"{VERSION}; update circuit-workbench."
        )
    return Reading(header, entries, sum(len(line) + 1 for line in lines), torn)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = parsed(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


class Journal:
    """An open, locked journal that entries are appended to.

    Attributes:
        path: the file.
        length: bytes that are safely written: whole lines only.
    """

    def __init__(self, path: Path, descriptor: int, length: int, lock: Lock) -> None:
        self.path = path
        self.length = length
        self._lock = lock
        self._descriptor: int | None = descriptor

    @classmethod
    def create(cls, path: Path, header: dict[str, Any]) -> Journal:
        """Write a new journal with this header (without `KEY`, which is added).

        Raises:
            WorkbenchError: if it exists already or cannot be written.
        """
        line = _line({KEY: VERSION, **header})
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
        try:
            if is_private(path):
                make_private(path.parent)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                raise WorkbenchError(
                    f"There is a file {path} already; resume it or name another journal."
                )
            try:
                made = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, 0o600)
                with open(made, "wb") as file:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                with contextlib.suppress(OSError):
                    draft.unlink(missing_ok=True)
            _sync_folder(path.parent)
        except OSError as error:
            raise _unwritable(path, error) from None
        return cls._locked(path, len(line))

    @classmethod
    def open(cls, path: Path) -> tuple[Journal, Reading]:
        """Read a journal and hold it for appending, its torn last line cut off.

        Raises:
            HeldElsewhere: another session holds it.
            WorkbenchError: as `read`; and if it cannot be written.
        """
        read(path)  # so that a missing or foreign file is called that, not unwritable
        journal = cls._locked(path, 0)
        try:
            reading = read(path)
            journal.length = reading.length
            if reading.torn:
                journal._cut()
        except OSError as error:
            journal.close()
            raise _unwritable(path, error) from None
        except BaseException:
            journal.close()
            raise
        return journal, reading

    @classmethod
    def _locked(cls, path: Path, length: int) -> Journal:
        try:
            descriptor = os.open(path, os.O_RDWR | BINARY | (NO_LINK if is_private(path) else 0))
        except OSError as error:
            raise _unwritable(path, error) from None
        try:
            lock = Lock.take(path, descriptor)
        except OSError as error:
            os.close(descriptor)
            raise _unwritable(path, error) from None
        except BaseException:
            os.close(descriptor)
            raise
        write_holder(path)
        return cls(path, descriptor, length, lock)

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry; it is on the disk when this returns, and not in the file if it raises.

        Raises:
            WorkbenchError: if it cannot be written.
        """
        descriptor = self._descriptor
        if descriptor is None:
            raise WorkbenchError("This session is closed; resume it to go on.")
        line = _line(entry)
        try:
            if os.fstat(descriptor).st_nlink == 0:
                raise WorkbenchError(
                    f"The journal {self.path} was deleted; export the circuit and start a new "
                    "session."
                )
            # Also what an earlier, failed append left behind and could not remove.
            self._cut()
            os.lseek(descriptor, self.length, os.SEEK_SET)
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        except BaseException as error:
            with contextlib.suppress(OSError):
                self._cut()
            if isinstance(error, OSError):
                raise _unwritable(self.path, error) from None
            raise
        self.length += len(line)

    @property
    def is_open(self) -> bool:
        """The file is still held by this session."""
        return self._descriptor is not None

    def take_back(self, length: int) -> None:
        """Remove what was appended since the journal was this long; of no effect if nothing was."""
        self.length = length
        with contextlib.suppress(OSError):
            self._cut()  # if it cannot be cut now, the next append does it

    def _cut(self) -> None:
        """Remove whatever stands after the last whole line."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_size != self.length:
            os.ftruncate(self._descriptor, self.length)

    def close(self) -> None:
        """Let go of the file and its lock. May be called twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            remove_holder(self.path)
            self._lock.release()
            os.close(descriptor)

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.close()


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder last. Some systems cannot open folders: nothing to do there."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unwritable(path: Path, error: OSError) -> WorkbenchError:
    if error.errno == errno.ELOOP:
        return WorkbenchError(
            f"The journal {path} cannot be written: it is a symbolic link, and in the state folder "
            "none is followed; put the journal itself there."
        )
    return WorkbenchError(
        f"The journal {path} cannot be written: {_reason(error)}; make room, or name another "
        f"folder in {STATE_VARIABLE}."
    )
