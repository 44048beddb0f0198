"""A ledger: finished pieces of a computation, kept on the disk so that it can go on.

A process that computes a job keeps one (`keep_ledger`); elsewhere there is none and everything here
does nothing. What is computed is asked for by `recorded`: the first time it is computed and
written down, and when the process was killed and another one does the same again from the
beginning, it is read instead. Sums that many pieces are added to stand in a `Standing`, which is
written over. So a computation that goes on repeats the cheap steps between its pieces, comes to
the same place, and finds what it would have found.

Each piece is known by its place (the scopes, what it is, and the how-manieth of them), and by what
it was computed of: if that is not the same now, this piece and all after it are computed anew.
Batches that are as long as the clock allows would not be the same again: `is_kept` says that they
are to go by fixed numbers. Importing this loads no torch.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from workbench.base.work import Work
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Values: TypeAlias = "Mapping[str, NDArray[Any]]"

LOG = "pieces.log"
MAGIC = b"cwp1"
_HEAD = struct.Struct("<4sIIQ")
"""Magic, CRC-32 of what follows, length of its description, length of its bytes."""
SHARE = 0.05
"""The most of the time that writing sums over and over may take."""
LARGEST_HEAD = 2**16


class EndedByRequest(BaseException):
    """Somebody asked this process to end; what is finished is kept.

    No error: whatever catches those lets it pass.

    Glossary: docs/glossary.md#job.
    """


class Ledger:
    """The ledger of one computation, in a folder of its own.

    Args:
        folder: there already; it holds the ledger of an earlier process, or nothing.
        eager: sums are written after every piece, however long that takes.

    Attributes:
        recalled, written: how many pieces were read and written.
        trouble: why the last piece could not be kept; "" if it could.
    """

    def __init__(self, folder: Path, *, eager: bool = False) -> None:
        self.recalled = self.written = 0
        self.trouble = ""
        self._folder = folder
        self._eager = eager
        self._scopes: list[str] = []
        self._counts: Counter[str] = Counter()
        self._ends = False
        self._differs = False
        self._waiting: Standing | None = None
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        # Without a buffer, in which what could not be written would wait for the next piece.
        self._file = os.fdopen(os.open(folder / LOG, flags, 0o600), "r+b", buffering=0)
        self._places = self._read()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def end_soon(self) -> None:
        """Let the computation end at its next piece, once that is kept."""
        self._ends = True

    def _read(self) -> dict[str, tuple[dict[str, Any], int, int]]:
        """Where every whole piece stands; what follows the last one is cut off."""
        places, end = {}, 0
        while (found := self._one(end)) is not None:
            about, start, stop = found
            places[about["at"]] = (about, start, stop)
            end = stop
        self._file.truncate(end)
        self._file.seek(end)
        return places

    def _one(self, start: int) -> tuple[dict[str, Any], int, int] | None:
        self._file.seek(start)
        head = self._file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        magic, check, of_about, of_bytes = _HEAD.unpack(head)
        left = os.fstat(self._file.fileno()).st_size - start - _HEAD.size
        if magic != MAGIC or of_about > LARGEST_HEAD or of_about + of_bytes > left:
            return None
        data = self._file.read(of_about + of_bytes)
        if zlib.crc32(data) != check:
            return None
        begin = start + _HEAD.size + of_about
        return json.loads(data[:of_about]), begin, begin + of_bytes

    def place(self, what: str) -> str:
        """Where the next such piece stands."""
        at = "/".join([*self._scopes, what])
        self._counts[at] += 1
        return f"{at}#{self._counts[at]}"

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """What is computed inside is counted by itself, so that it can be left out as a whole."""
        self._scopes.append(self.place(name))
        try:
            yield
        finally:
            self._scopes.pop()

    def recall(self, at: str, key: str) -> NDArray[Any] | None:
        """The piece that stands there; None if there is none that was computed of the same."""
        found = self._places.get(at)
        if found is None or self._differs:
            return None
        about, start, stop = found
        if about["key"] != key:
            self._differs = True
            return None
        import numpy as np

        self._file.seek(start)
        data = self._file.read(stop - start)
        self.recalled += 1
        return np.frombuffer(data, np.dtype(about["dtype"])).reshape(about["shape"]).copy()

    def write(self, at: str, key: str, value: NDArray[Any]) -> None:
        """Keep a piece; if that cannot be done, `trouble` says why and nothing else happens.

        Raises:
            EndedByRequest: `end_soon` was called.
        """
        import numpy as np

        value = np.asarray(value, order="C")
        about = {"at": at, "key": key, "dtype": value.dtype.str, "shape": value.shape}
        head, data = json.dumps(about).encode(), value.tobytes()
        end = self._file.seek(0, os.SEEK_END)
        try:
            check = zlib.crc32(data, zlib.crc32(head))
            rest = memoryview(_HEAD.pack(MAGIC, check, len(head), len(data)) + head + data)
            while rest:
                rest = rest[self._file.write(rest) :]
            self.written += 1
            self.trouble = ""
        except OSError as error:
            self.trouble = (error.strerror or str(error)).lower()
            with suppress(OSError):
                self._file.truncate(end)
        self.heed()

    def heed(self) -> None:
        """Raises EndedByRequest if `end_soon` was called, once all sums are written."""
        if self._ends:
            if self._waiting is not None:
                self._waiting.write()
            raise EndedByRequest

    def standing(self, what: str, key: str) -> Standing:
        """Sums that are written over as they grow."""
        return Standing(self, self.place(what), key)

    def is_eager(self) -> bool:
        """Sums are written after every piece."""
        return self._eager

    def path(self, at: str) -> Path:
        """The file of the sums that stand there."""
        name = hashlib.blake2b(at.encode(), digest_size=8).hexdigest()
        return self._folder / f"standing-{name}.npz"

    def differs(self) -> bool:
        """Something was computed of other things than before, so that nothing is read any more."""
        return self._differs

    def wait_for(self, one: Standing | None) -> None:
        """Remember whose sums are not written yet."""
        self._waiting = one


class Standing:
    """Sums that pieces are added to, read again when it goes on.

    They are written over, whole or not at all, and no more often than takes `SHARE` of the time;
    `done` writes the last ones.
    """

    def __init__(self, ledger: Ledger | None, at: str = "", key: str = "") -> None:
        self._ledger, self._at, self._key = ledger, at, key
        self._make: Callable[[], Values] | None = None
        self._next = 0.0

    def recall(self) -> Values | None:
        """The sums as they were last written; None if there are none."""
        if self._ledger is None or self._ledger.differs():
            return None
        import numpy as np

        try:
            data = self._ledger.path(self._at).read_bytes()
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                if str(archive["at"]) != self._at or str(archive["key"]) != self._key:
                    return None
                found = {name: archive[name] for name in archive.files}
        except Exception:  # whatever a damaged archive raises: they are computed anew
            return None
        self._ledger.recalled += 1
        return {name: value for name, value in found.items() if name not in ("at", "key")}

    def keep(self, make: Callable[[], Values]) -> None:
        """The sums have grown; `make` gives them when they are written.

        Raises:
            EndedByRequest: this process is asked to end; they are written.
        """
        if self._ledger is None:
            return
        self._make = make
        self._ledger.wait_for(self)
        if self._ledger.is_eager() or time.monotonic() >= self._next:
            self.write()
        self._ledger.heed()

    def done(self) -> None:
        """Nothing is added any more."""
        if self._ledger is not None:
            self.write()
            self._ledger.wait_for(None)

    def write(self) -> None:
        """Write the sums if they have grown; if that cannot be done, the ledger says why."""
        if self._ledger is None or self._make is None:
            return
        import numpy as np

        values, self._make = self._make(), None
        began = time.monotonic()
        file = io.BytesIO()
        own: dict[str, Any] = {"at": np.array(self._at), "key": np.array(self._key)}
        np.savez(file, **{**values, **own})
        try:
            write_bytes(self._ledger.path(self._at), file.getvalue())
            self._ledger.written += 1
            self._ledger.trouble = ""
        except WorkbenchError as error:
            self._ledger.trouble = str(error)
        now = time.monotonic()
        self._next = now + (now - began) / SHARE


_KEPT: list[Ledger] = []
"""The ledger of this process, if it computes a job."""


@contextmanager
def keep_ledger(folder: Path, *, eager: bool = False) -> Iterator[Ledger]:
    """Keep what is computed inside, by this thread alone, in a folder that is there.

    Args:
        eager: as of `Ledger`.
    """
    ledger = Ledger(folder, eager=eager)
    _KEPT.append(ledger)
    try:
        yield ledger
    finally:
        _KEPT.remove(ledger)
        ledger.close()


def is_kept() -> bool:
    """A ledger is kept: batches go by fixed numbers and not by the clock."""
    return bool(_KEPT)


def recorded(
    what: str, of: Callable[[], bytes], compute: Callable[[], NDArray[Any]]
) -> NDArray[Any]:
    """What `compute` gives: read if an earlier process of this job has computed it.

    Args:
        what: a name for such pieces, without a slash.
        of: what it is computed of, as far as that can differ from one run to the next.
    """
    if not _KEPT:
        return compute()
    ledger = _KEPT[-1]
    at, key = ledger.place(what), key_of(of())
    found = ledger.recall(at, key)
    if found is None:
        found = compute()
        ledger.write(at, key, found)
    return found


def recorded_work(
    what: str, of: Callable[[], bytes], begin: Callable[[], Work[NDArray[Any]]]
) -> Work[NDArray[Any]]:
    """The same of work in pieces, which is begun only if it has to be done."""
    if not _KEPT:
        return (yield from begin())
    ledger = _KEPT[-1]
    at, key = ledger.place(what), key_of(of())
    found = ledger.recall(at, key)
    if found is None:
        with ledger.scope(f"in {what}"):
            found = yield from begin()
        ledger.write(at, key, found)
    return found


def standing(what: str, of: bytes = b"") -> Standing:
    """Sums that can be gone on with; without a ledger they are never kept."""
    return _KEPT[-1].standing(what, key_of(of)) if _KEPT else Standing(None)


@contextmanager
def scope(name: str) -> Iterator[None]:
    """As `Ledger.scope`, of this process's ledger if it has one."""
    if not _KEPT:
        yield
        return
    with _KEPT[-1].scope(name):
        yield


def key_of(data: bytes) -> str:
    """What a piece was computed of, as a few digits."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()
