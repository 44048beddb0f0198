"""The folder of a sweep: results, failures and scores, each written whole or not at all.

A cell's folder is made under another name beside its place and then takes its name, so that a
process that is killed at any moment leaves a whole cell or none. No torch is loaded.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.base.abandoned import is_abandoned, writer_token
from workbench.base.text import printable, shown_path
from workbench.base.write_file import ABANDONED, write_bytes
from workbench.errors import WorkbenchError
from workbench.session.holder import HeldElsewhere, Lock
from workbench.sweeps.cells import Cell

RESULT, CIRCUIT = "result.json", "circuit.json"


class SweepFolder:
    """Where a sweep's results are.

    Attributes:
        path: it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def cell(self, cell: Cell) -> Path:
        """The folder of a cell; it is there exactly if the cell is finished."""
        return self.path / "cells" / cell.name

    def scores(self, cell: Cell) -> Path:
        """The file of the scores from which a cell's circuit is selected."""
        return self.path / "scores" / f"{cell.scores_name}.npz"

    def is_done(self, cell: Cell) -> bool:
        """Whether the cell is finished."""
        return self.cell(cell).is_dir()

    def result(self, cell: Cell) -> dict[str, Any]:
        """What `workbench discover --json` says of a finished cell.

        Raises:
            WorkbenchError: it cannot be read.
        """
        path = self.cell(cell) / RESULT
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise WorkbenchError(
                f"{shown_path(path)} cannot be read: remove its folder, and the cell is run again."
            ) from None
        return found

    def failure(self, cell: Cell) -> str:
        """Why the cell failed when it was last run; "" if it did not."""
        try:
            found = json.loads(self._failed(cell).read_text(encoding="utf-8"))
            return printable(str(found["reason"]))
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, TypeError, KeyError):
            return "it failed, and why cannot be read."

    def _failed(self, cell: Cell) -> Path:
        return self.path / "failed" / f"{cell.name}.json"

    def write_failure(self, cell: Cell, reason: str) -> None:
        """Keep why a cell failed, in a sentence."""
        told = {"cell": cell.name, "reason": reason, "command": cell.command()}
        with disk_errors(self.path):
            self._failed(cell).parent.mkdir(parents=True, exist_ok=True)
        write_bytes(self._failed(cell), json.dumps(told, indent=2).encode())

    def write_cell(self, cell: Cell, fill: Callable[[Path], None]) -> None:
        """Make a cell's folder, whole or not at all; if it is there already, it stays as it is.

        Args:
            fill: writes its files into the folder that it is given.
        """
        place = self.cell(cell)
        with disk_errors(self.path):
            place.parent.mkdir(parents=True, exist_ok=True)
            half = place.with_name(f".half-{writer_token()}")
            half.mkdir()
            try:
                fill(half)
                try:
                    half.rename(place)
                except OSError:
                    if not place.is_dir():  # else another process was first
                        raise
            finally:
                shutil.rmtree(half, ignore_errors=True)
            with suppress(OSError):
                self._failed(cell).unlink()

    def sweep_up(self) -> None:
        """Remove what processes that were killed amid writing have left."""
        with suppress(OSError):
            for half in (self.path / "cells").glob(".half-*"):
                if is_abandoned(half, ABANDONED):
                    shutil.rmtree(half, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, which is made if need be.

        Raises:
            WorkbenchError: another run holds it, or it cannot be made.
        """
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            path = self.path / "running"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                lock = Lock.take(path, descriptor)
            except HeldElsewhere:
                raise WorkbenchError(
                    f"Another run works on {shown_path(self.path)}: wait for its end, or stop it."
                ) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            os.close(descriptor)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say in a sentence why nothing can be written to a sweep's folder."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or "it is not a possible path").lower()
        raise WorkbenchError(f"{shown_path(folder)} cannot be written to: {why}.") from None
