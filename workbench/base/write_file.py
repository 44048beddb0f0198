"""A file that is written whole or not at all.

The text goes to a new file in the same folder, reaches the disk, and only then takes the name: a
full disk, a lost connection or Ctrl-C leave whatever stood there before as it was.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from workbench.base.abandoned import is_abandoned, writer_token
from workbench.base.folders import is_private
from workbench.base.home import meant_path
from workbench.base.read_json import MAX_BYTES
from workbench.base.text import shown_path
from workbench.errors import WorkbenchError

ABANDONED = 600.0
"""Seconds after which nobody writes a file, where the process is not known to be gone."""
_TEMPORARY = re.compile(r"\.workbench-(?:[0-9a-f]{8}-\d{1,10}-)?[0-9a-f]{16}\.tmp")
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
    errno.EROFS: "the disk is read-only",
    errno.EFBIG: "it is larger than files may be there",
    errno.ENOENT: "its folder does not exist",
    errno.ENOTDIR: "part of the path is not a folder",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
}


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write an ASCII text whole: a file of that name is replaced only when all is on the disk.

    A path that is no ordinary file (a pipe, /dev/stdout) is written to directly.

    Raises:
        WorkbenchError: it could not be written, or is larger than we would read; nothing has
            changed.
    """
    shown = shown_path(path)
    if len(text) > MAX_BYTES:
        raise WorkbenchError(
            f"{shown} would have {len(text) / 1e6:,.0f} MB, and files are read only up to "
            f"{MAX_BYTES / 1e6:,.0f} MB; leave out the scores."
        )
    write_bytes(path, text.encode("ascii"))


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """The same of bytes, of any size."""
    try:
        given = meant_path(path)
        # A link is followed, so that the file it leads to is replaced and not the link; but not in
        # the state folder, where nobody has put one but to have something else overwritten.
        private = is_private(given)
        target = Path(os.path.abspath(given) if private else os.path.realpath(given))
        mode = _mode(target, follow=not private)
        if private and mode is not None and stat.S_ISLNK(mode):
            mode = None
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "")
        if mode is not None and not stat.S_ISREG(mode):
            with open(target, "wb") as file:
                file.write(data)
            return
        rights = 0o600 if private else None if mode is None else stat.S_IMODE(mode)
        _replace(target, data, rights)
    except (OSError, ValueError) as error:
        code = error.errno if isinstance(error, OSError) else None
        why = _REASONS.get(code or 0) or (
            os.strerror(code) if code else "it is not a possible path"
        )
        raise _not_written(path, why) from None


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse a path under which no file can come to be, before what goes there is computed.

    Raises:
        WorkbenchError: it is a folder, or its own folder does not exist.
    """
    try:
        given = meant_path(path)
        folder = Path(os.path.realpath(given)).parent
        if given.is_dir():
            raise _not_written(path, _REASONS[errno.EISDIR])
        if given.exists():
            return
        if not folder.is_dir():
            raise _not_written(path, _REASONS[errno.ENOENT])
        if not os.access(folder, os.W_OK):
            raise _not_written(path, _REASONS[errno.EACCES])
    except (OSError, ValueError):
        raise _not_written(path, "it is not a possible path") from None


def _not_written(path: str | os.PathLike[str], why: str) -> WorkbenchError:
    return WorkbenchError(f"{shown_path(path)} was not written: {why}; nothing was changed.")


def _replace(target: Path, data: bytes, permissions: int | None) -> None:
    sweep(target.parent)
    temporary = target.parent / f".workbench-{writer_token()}.tmp"
    # Made like any new file, so that the user's umask applies; never an existing one.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    handle = os.open(temporary, flags, 0o600 if permissions == 0o600 else 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if permissions is not None:
            os.chmod(temporary, permissions)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    # The new name reaches the disk with its folder; where a folder cannot be synced, the system
    # does it in its own time, and the file is whole either way.
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in a folder."""
    with suppress(OSError):
        for path in folder.glob(".workbench-*.tmp"):
            if _TEMPORARY.fullmatch(path.name):
                with suppress(OSError):
                    if is_abandoned(path, ABANDONED):
                        path.unlink()


def _mode(target: Path, *, follow: bool = True) -> int | None:
    try:
        return os.stat(target, follow_symlinks=follow).st_mode
    except FileNotFoundError:
        return None
