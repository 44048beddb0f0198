"""Digests of a model's files, computed once for as long as the files are untouched.

A digest is of the content. That a file still has the content it had is told by what its file
system says of it: device, inode, length, and the times of its last change, of which the one that
the system sets by itself (ctime) cannot be set back by a program. A file of the same length put in
its place, or written into, differs in one of them. A digest is trusted only where the last change
was `SETTLED` seconds before reading began: within one tick of a clock two changes look alike. On
Windows that time is of the making, so that there a change counts by its own time alone. No torch.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workbench.base.folders import make_private, state_folder
from workbench.base.json_values import items, object_of, read_values, string
from workbench.base.progress import Progress, silent
from workbench.base.write_file import write_bytes
from workbench.errors import WorkbenchError

SETTLED = 2.0
"""Seconds for which a file has to be as it is before its digest is kept: the coarsest clock of a
file system that is in use has ticks of two."""

CHUNK = 1 << 24

Mark = tuple[str, int, int, int, int, int]
"""Of a file: its name, device, inode, bytes, and its last changes in nanoseconds, by the program's
clock and by the system's."""


def digest_of(
    files: Sequence[Path],
    say: Progress = silent,
    *,
    size: int = 16,
    doing: str = "Reading what tells these weights from others",
) -> str:
    """The digest (BLAKE2b) of some files' contents, one after the other, in hexadecimal.

    Args:
        files: at least one; their names are not in the digest.
        say: told the fraction done, where they have to be read.
        size: bytes of the digest.
        doing: what `say` is told.

    Raises:
        OSError: one cannot be read.
    """
    marks, began = [_mark(file) for file in files], time.time()
    place = _place(files, size)
    known = _known(place, marks)
    if known is not None:
        return known
    digest = hashlib.blake2b(digest_size=size)
    whole, done = sum(mark[3] for mark in marks) or 1, 0
    for file in files:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                done += len(chunk)
                say(doing, min(1.0, done / whole))
    found = digest.hexdigest()
    settled = all(max(mark[4:]) < (began - SETTLED) * 1e9 for mark in marks)
    if settled and marks == [_mark(file) for file in files]:
        _keep(place, marks, found)
    return found


def _mark(file: Path) -> Mark:
    told = file.stat()
    # A link counts as what it leads to.
    return (
        file.name,
        told.st_dev,
        told.st_ino,
        told.st_size,
        told.st_mtime_ns,
        told.st_ctime_ns,
    )


def _place(files: Sequence[Path], size: int) -> Path:
    paths = "\0".join([str(size), *(str(file.resolve()) for file in files)])
    named = hashlib.blake2b(paths.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    return state_folder() / "digests" / f"{named}.json"


def _known(place: Path, marks: Sequence[Mark]) -> str | None:
    """What was kept, if it is of these very files; whatever is damaged is not there."""
    try:
        kept = object_of(read_values(place))
        digest, sealed = string(kept["digest"]), string(kept["seal"])
        seen = [tuple(items(mark)) for mark in items(kept["marks"])]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if seen == list(marks) and sealed == _seal(digest, marks) else None


def _keep(place: Path, marks: Sequence[Mark], digest: str) -> None:
    kept = {"digest": digest, "marks": marks, "seal": _seal(digest, marks)}
    with suppress(OSError, WorkbenchError):  # it is read again then
        make_private(place.parent)
        write_bytes(place, json.dumps(kept).encode("ascii"))


def _seal(digest: str, marks: Sequence[Mark]) -> str:
    """By which a damaged record is told: of a whole one it is what stands in it."""
    return hashlib.blake2b(json.dumps([digest, marks]).encode("ascii"), digest_size=8).hexdigest()
