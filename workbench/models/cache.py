"""Converted models, kept in the user's cache folder: the second start takes seconds.

An entry is a folder in transformers' format, named after the content of the file that it was made
from. It is written beside its place, synced and renamed into it, so that it is whole or not there,
and a stamp in it has the length and the digest of each of its files. Two processes may convert the
same file at once: the first to finish puts its entry in place, the second drops its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench.base.abandoned import is_abandoned, writer_token
from workbench.base.folders import cache_folder
from workbench.base.json_values import items, object_of, read_values
from workbench.base.progress import Progress, silent
from workbench.models.file_digests import digest_of

LAYOUT = 2
"""Raised whenever what stands in an entry changes, so that old entries are made anew."""

STAMP = "converted.json"

CHECKED = "checked"
"""Holds the boot of the machine since which the digests were found right."""

ABANDONED = 24 * 3600
"""Seconds after which a half-written entry is nobody's, if the process is not known to be gone."""

CHUNK = 1 << 24
SPARE = 1.05
"""How much more room than the weights themselves an entry needs: tokenizer, configuration."""


@dataclass(frozen=True)
class CacheEntry:
    """The place of one converted model; it may be empty.

    Attributes:
        folder: where it lies or would lie.
        made_from: the file.
    """

    folder: Path
    made_from: Path

    @classmethod
    def of(cls, file: Path, say: Progress, more: Sequence[Path] = ()) -> CacheEntry:
        """The entry of a file, by its content: a file that was moved or touched keeps its entry.

        Args:
            file: what the model is converted from.
            say: told the fraction done.
            more: the other files of a model in several.

        Raises:
            OSError: the file cannot be read.
        """
        digest = digest_of((file, *more), say, size=12, doing="Looking for the converted model")
        name = f"{file.stem[:60]}-{digest}-{LAYOUT}"
        return cls(cache_folder() / name, file)

    def is_whole(self, say: Progress = silent) -> bool:
        """Whether every file of the entry is there as it was written.

        Lengths are compared always, digests once in each boot of the machine: pages that never
        reached the disk, or rotted there, are found when they are first read again.
        """
        try:
            files = object_of(object_of(read_values(self.folder / STAMP))["files"])
            known = {file: items(told) for file, told in files.items()}
            for file, (size, _) in known.items():
                if Path(file).name != file or (self.folder / file).stat().st_size != size:
                    return False
            boot = _boot()
            mark = self.folder / CHECKED
            if mark.is_file() and mark.read_text(encoding="ascii", errors="replace") == boot:
                return bool(known)
            for file, (_, told) in known.items():
                say("Checking the converted model", None)
                if _digest(self.folder / file) != told:
                    return False
            with suppress(OSError):  # a cache of somebody else's is checked each time
                mark.write_text(boot, encoding="ascii")
            return bool(known)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def store(self, write: Callable[[Path], None], size: int) -> bool:
        """Fill the entry; a damaged one is replaced. Failing to is a warning, not an error.

        Args:
            write: writes the model into the folder that it is given.
            size: roughly how many bytes that will be.

        Returns:
            Whether the entry is in place.
        """
        part: Path | None = None
        try:
            parent = self.folder.parent
            parent.mkdir(parents=True, exist_ok=True)
            _sweep(parent)
            if shutil.disk_usage(parent).free < size * SPARE:
                raise OSError(f"{size / 2**30:.1f} GiB of room are needed")
            part = Path(tempfile.mkdtemp(prefix=f".part-{writer_token()}-", dir=parent))
            write(part)
            files = {
                file.name: [file.stat().st_size, _digest(file)]
                for file in part.iterdir()
                if file.is_file()
            }
            stamp = {"made_from": self.made_from.name, "layout": LAYOUT, "files": files}
            (part / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
            (part / CHECKED).write_text(_boot(), encoding="ascii")
            for file in (*part.iterdir(), part):
                _sync(file)
            self._put_in_place(part)
            return True
        except Exception as error:
            # Whatever goes wrong here (no right to write, a full disk, a writer's own exception),
            # the model itself is in memory and well.
            warnings.warn(
                f"The converted model could not be kept in {self.folder.parent} ({error}); "
                "the next start will convert it again.",
                stacklevel=2,
            )
            return False
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)

    def _put_in_place(self, part: Path) -> None:
        part.chmod(0o755)  # mkdtemp makes it private
        for again in (True, True, False):
            try:
                part.rename(self.folder)
                _sync(self.folder.parent)
                return
            except OSError:
                if self.is_whole():
                    return  # another process was first
                if not again and not self.folder.exists():
                    raise
                self.discard()
        raise OSError(f"{self.folder} is in the way")

    def discard(self) -> None:
        """Take a damaged entry away, in one step for other processes."""
        away = Path(tempfile.mkdtemp(prefix=f".part-{writer_token()}-", dir=self.folder.parent))
        try:
            with suppress(FileNotFoundError):  # another process has done it
                self.folder.rename(away / "damaged")
        finally:
            shutil.rmtree(away, ignore_errors=True)


def forget_checks() -> None:
    """Let the digests of every entry be checked when it is next used."""
    for mark in cache_folder().glob(f"*/{CHECKED}"):
        with suppress(OSError):
            mark.unlink()


def _digest(file: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _boot() -> str:
    """What tells this boot of the machine from others."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    import psutil

    return f"{psutil.boot_time():.0f}"


def _sync(path: Path) -> None:
    """Let a file or folder reach the disk; folders cannot be synced everywhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        if path.is_file():
            raise


def _sweep(parent: Path) -> None:
    """Remove what processes that died left half-written."""
    for path in parent.glob(".part-*"):
        try:
            if is_abandoned(path, ABANDONED):
                shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
