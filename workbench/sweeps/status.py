"""How a sweep stands, read from its folder, also if it runs elsewhere. Without torch."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from workbench.errors import WorkbenchError
from workbench.sweeps.cells import Cell, Sweep, read_sweep
from workbench.sweeps.folder import SweepFolder
from workbench.sweeps.results import Row, row_of
from workbench.sweeps.under_way import UnderWay, under_way

STATES = ("running", "failed", "finished", "waiting")
"""What a cell can be."""


@dataclass(frozen=True)
class CellStatus:
    """How one cell stands.

    Attributes:
        state: one of `STATES`; what failed before and is computed again is running.
        row: as in the sweep's table: what it scores, why it failed.
        now: what is being done, where; None of a cell that is not running.
        seconds: since it was begun, of a running one; that it took, of a finished one.
    """

    cell: Cell
    state: str
    row: Row
    now: UnderWay | None
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {"cell": self.cell.name, "state": self.state, "seconds": self.seconds}
        told |= {name: self.row[name] for name in ("faithfulness", "edges", "reason")}
        now = self.now and {k: getattr(self.now, k) for k in ("message", "fraction", "where")}
        return told | {"now": now}


@dataclass(frozen=True)
class SweepStatus:
    """How a sweep stands.

    Attributes:
        cells: all, in the sweep's order.
        seconds_left: by what finished cells of the same model and method took, shared among as
            many as run now; None where that is unknown or nothing runs.
    """

    cells: tuple[CellStatus, ...]
    seconds_left: float | None

    @property
    def counts(self) -> dict[str, int]:
        """How many cells are in each of `STATES`."""
        found = Counter(one.state for one in self.cells)
        return {state: found[state] for state in STATES}

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        cells = [one.to_json() for one in self.cells]
        return {**self.counts, "seconds_left": self.seconds_left, "cells": cells}


class SweepWatch:
    """Looks at a sweep's folder again and again; what is finished is read once.

    Attributes:
        sweep: which one.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._folder = SweepFolder(sweep.folder)
        self._finished: dict[str, tuple[Row, float | None]] = {}

    def look(self) -> SweepStatus:
        """How it stands now."""
        now = time.time()
        done = _names(self._folder.path / "cells")
        failed = {name.removesuffix(".json") for name in _names(self._folder.path / "failed")}
        running = under_way(self._folder)
        cells = tuple(self._of(cell, done, failed, running, now) for cell in self.sweep.cells)
        return SweepStatus(cells, _left(cells))

    def _of(
        self,
        cell: Cell,
        done: set[str],
        failed: set[str],
        running: dict[str, UnderWay],
        now: float,
    ) -> CellStatus:
        if cell.name in done:
            if cell.name not in self._finished:
                row = row_of(cell, self._folder)
                self._finished[cell.name] = row, self._took(cell)
            row, seconds = self._finished[cell.name]
            return CellStatus(cell, str(row["state"]), row, None, seconds)
        row = row_of(cell, self._folder, known=cell.name in failed)
        if (at := running.get(cell.name)) is not None:
            return CellStatus(cell, "running", row, at, max(0.0, now - at.began))
        return CellStatus(cell, "failed" if row["reason"] else "waiting", row, None, None)

    def _took(self, cell: Cell) -> float | None:
        with suppress(WorkbenchError, LookupError, TypeError, ValueError):
            found = self._folder.result(cell)
            return float(found.get("wall_seconds", found["seconds"]))
        return None


def sweep_status(sweep: Sweep | str | os.PathLike[str]) -> SweepStatus:
    """How a sweep stands now, whoever runs it, on whatever machine.

    Args:
        sweep: from `read_sweep`, or its TOML file.

    Raises:
        WorkbenchError: as of `read_sweep`.
    """
    return SweepWatch(sweep if isinstance(sweep, Sweep) else read_sweep(sweep)).look()


def _names(folder: os.PathLike[str]) -> set[str]:
    with suppress(OSError):
        return set(os.listdir(folder))
    return set()


def _left(cells: Sequence[CellStatus]) -> float | None:
    running = [one for one in cells if one.state == "running"]
    finished = [one for one in cells if one.state == "finished" and one.seconds is not None]
    if not running or not finished:
        return None
    alike: list[Callable[[Cell], Any]] = [
        lambda cell: (cell.of_model(), cell.method),
        lambda cell: cell.method,
        lambda cell: None,
    ]
    took: list[dict[Any, list[float]]] = []
    for kind in alike:
        took.append({})
        for one in finished:
            took[-1].setdefault(kind(one.cell), []).append(one.seconds or 0.0)

    def expected(cell: Cell) -> float:
        known = (times.get(kind(cell)) for kind, times in zip(alike, took, strict=True))
        return fmean(next(times for times in known if times))

    left = sum(expected(one.cell) for one in cells if one.state == "waiting")
    left += sum(max(0.0, expected(one.cell) - (one.seconds or 0.0)) for one in running)
    return left / len(running)
