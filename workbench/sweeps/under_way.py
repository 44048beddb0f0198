"""Which cells of a sweep are being computed, as files in its folder.

Whoever computes a cell, on whatever machine, writes `now/NAME.json` every two seconds and removes
it at the end. A file whose process is gone, or that nobody has written for a while, says nothing.
No torch is loaded.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from workbench.base.json_values import maybe, read_values, real, shaped, string
from workbench.base.text import printable
from workbench.session.holder import Holder
from workbench.sweeps.cells import Cell
from workbench.sweeps.folder import SweepFolder

NOW = "now"
BEAT = 2.0
"""Seconds after which a file is written anew."""
SILENT = 60.0
"""Seconds without a word after which a computation on another machine counts as lost."""


@dataclass(frozen=True)
class UnderWay:
    """How far the computing of one cell is.

    Attributes:
        cell: its name.
        began: when it was begun, in seconds since 1970.
        message: what is being done.
        fraction: of the cell; None where that is unknown.
        where: the machine.
    """

    cell: str
    began: float
    message: str
    fraction: float | None
    where: str


class Board:
    """Writes how far cells are. Its methods may be called from any thread.

    Attributes:
        folder: of the sweep; its files are in `now`.
    """

    def __init__(self, folder: SweepFolder) -> None:
        self.folder = folder.path / NOW
        self._holder = asdict(Holder.this_process())
        self._lock = threading.Lock()
        self._cells: dict[str, UnderWay] = {}
        self._writer: threading.Thread | None = None

    def begin(self, cell: Cell, where: str = "") -> None:
        """A cell is being computed, on this machine if none is named."""
        at = UnderWay(cell.name, time.time(), "", None, where or str(self._holder["host"]))
        with self._lock:
            self._cells[cell.name] = at
            self._write(at)
            if self._writer is None:
                self._writer = threading.Thread(target=self._beat, daemon=True)
                self._writer.start()

    def say(self, cell: Cell, message: str, fraction: float | None) -> None:
        """What is being done of a cell; written with the next beat."""
        with self._lock:
            if (at := self._cells.get(cell.name)) is not None:
                self._cells[cell.name] = replace(at, message=message, fraction=fraction)

    def end(self, cell: Cell) -> None:
        """A cell is not being computed any more."""
        with self._lock:
            if self._cells.pop(cell.name, None) is not None:
                with suppress(OSError):
                    self._path(cell.name).unlink()

    def fractions(self) -> float:
        """The sum over cells of how much of each is done."""
        with self._lock:
            return sum(at.fraction or 0.0 for at in self._cells.values())

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT)
            with self._lock:
                if not self._cells:
                    self._writer = None
                    return
                for at in self._cells.values():
                    self._write(at)

    def _write(self, at: UnderWay) -> None:
        """Of no effect where it cannot be written: the computation is worth more."""
        path = self._path(at.cell)
        half = path.with_name(f".{path.name}-{os.getpid()}")
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            half.write_text(json.dumps(asdict(at) | {"process": self._holder}), encoding="utf-8")
            half.replace(path)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def under_way(folder: SweepFolder) -> dict[str, UnderWay]:
    """The cells that are being computed now, by name."""
    found: dict[str, UnderWay] = {}
    with suppress(OSError):
        for path in (folder.path / NOW).glob("*.json"):
            if (at := _read(path)) is not None:
                found[at.cell] = at
    return found


def forget_lost(folder: SweepFolder) -> None:
    """Remove what processes that are gone have left."""
    with suppress(OSError):
        for path in (folder.path / NOW).iterdir():
            if path.suffix == ".json" and _read(path) is None:
                path.unlink(missing_ok=True)


def _read(path: Path) -> UnderWay | None:
    """None of a file that cannot be read or whose writer is gone."""
    try:
        told: dict[str, Any] = read_values(path)
        holder = shaped(Holder, told.pop("process"))
        checks = {"fraction": maybe(real), "began": real, "message": string}
        at: UnderWay = shaped(UnderWay, told, checks)
        silent = time.time() - path.stat().st_mtime
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if holder.process() is None if holder.is_here else silent > SILENT:
        return None
    at = replace(at, message=printable(at.message)[:200], where=printable(at.where)[:200])
    return at if at.cell == path.stem else None
