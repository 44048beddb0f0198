"""Tensors in files without a name, of which memory holds those that are worked on.

What lies there is read and written as any tensor is: the system brings a page in when it is touched
and takes it out again. So that a process holds little of it at a time, whoever reads says what it
reads (`ScratchFile.touched`), and once that is more than is to be held, all of it leaves the
process; it stays in the file, and in the system's own memory as long as nobody needs that.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Hashable
from contextlib import suppress
from functools import cache
from pathlib import Path
from weakref import WeakSet

import torch
from torch import Tensor

from workbench.base.free_memory import give_back
from workbench.errors import WorkbenchError

ALIGNED = 64
"""Bytes at whose multiples a tensor begins."""

IN_MEMORY = {"tmpfs", "ramfs"}
"""File systems whose files lie in memory themselves."""


class ScratchFile:
    """Tensors on the disk; each goes away with the last that refers to it.

    Args:
        folder: where the files lie; they have no name there and go away with the process at last.
        at_once: bytes that may be held in the process.
    """

    def __init__(self, folder: Path, at_once: float) -> None:
        self._folder = folder
        self._at_once = at_once
        self._maps: WeakSet[mmap.mmap] = WeakSet()
        self._held: dict[Hashable, int] = {}

    def room(self, n_bytes: int) -> Room:
        """Room for so many bytes, on the disk for certain.

        Raises:
            WorkbenchError: the disk has no room for them.
        """
        n_bytes = max(n_bytes, 1)
        try:
            with tempfile.TemporaryFile(dir=self._folder, prefix=".workbench-") as file:
                # Pages of a sparse file for which there is no room would end the process.
                os.posix_fallocate(file.fileno(), 0, n_bytes)
                mapped = mmap.mmap(file.fileno(), n_bytes)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise WorkbenchError(
                f"{n_bytes / 2**30:.1f} GiB of what does not fit the memory cannot be kept in "
                f"{self._folder}: {why}. Make room there, set TMPDIR to another folder, or take "
                "fewer pairs (--pairs N)."
            ) from None
        self._maps.add(mapped)
        return Room(mapped)

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor of its own room, not filled. Raises WorkbenchError as of `room`."""
        n = math.prod(shape)
        return self.room(n * dtype.itemsize).take(n, dtype).view(shape)

    def touched(self, what: Hashable, n_bytes: int) -> None:
        """Something is about to be read; what was read before may have to leave the process."""
        if what in self._held:
            return
        if self.held + n_bytes > self._at_once:
            self.release()
        self._held[what] = n_bytes

    @property
    def held(self) -> int:
        """Bytes that were touched and may be in the process."""
        return sum(self._held.values())

    def release(self) -> None:
        """Let all of it leave the process, and what was freed; what was written stays written."""
        self._held = {}
        for mapped in list(self._maps):
            mapped.madvise(mmap.MADV_DONTNEED)
        give_back()


class Room:
    """One stretch of a file, given away piece by piece."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        self._used = 0

    def take(self, n: int, dtype: torch.dtype) -> Tensor:
        """A tensor of n numbers, not filled; it keeps the room."""
        start = self._used
        self._used = aligned(start + n * dtype.itemsize)
        if not n:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(self._mapped, dtype=dtype, count=n, offset=start)


def aligned(n_bytes: int) -> int:
    """The next multiple of `ALIGNED`."""
    return -(-n_bytes // ALIGNED) * ALIGNED


def scratch_folder() -> Path | None:
    """Where scratch files lie: in TMPDIR, or in the user's cache if that is memory itself.

    Returns:
        None where there is no such folder, or no way to map its files.
    """
    if not hasattr(os, "posix_fallocate") or not hasattr(mmap, "MADV_DONTNEED"):
        return None
    from workbench.base.folders import cache_folder

    for folder in (Path(tempfile.gettempdir()), cache_folder()):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK) and not _in_memory(folder.resolve()):
                return folder
    return None


@cache
def _in_memory(folder: Path) -> bool:
    """Whether a folder's files lie in memory, as far as the system says so."""
    import psutil

    kinds: dict[Path, str] = {}
    with suppress(OSError, psutil.Error):
        kinds = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    place = next((place for place in (folder, *folder.parents) if place in kinds), None)
    return place is not None and kinds[place] in IN_MEMORY
