"""A sweep run: what is not finished is computed, then told as a table."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.base.progress import Progress, silent
from workbench.base.work import Stop
from workbench.errors import Cancelled, WorkbenchError
from workbench.sweeps.cells import Cell, Sweep, read_sweep
from workbench.sweeps.files import write_results
from workbench.sweeps.folder import SweepFolder
from workbench.sweeps.workers import compute_with


@dataclass(frozen=True)
class SweepRun:
    """What a run of a sweep came to.

    Attributes:
        folder: of all results.
        finished: how many cells are finished, earlier runs' with them.
        computed: how many of them by this run.
        failed: each cell that failed, with its reason, also of earlier runs.
        left: how many are neither; more than 0 only if the run was stopped.
        written: the tables and the page.
    """

    folder: Path
    finished: int
    computed: int
    failed: tuple[tuple[Cell, str], ...]
    left: int
    written: tuple[Path, ...]

    @property
    def complete(self) -> bool:
        """Whether every cell was run; some may have failed."""
        return not self.left


def run_sweep(
    sweep: Sweep | str | os.PathLike[str],
    *,
    workers: int = 0,
    retry: bool = False,
    told: Callable[[Cell, str], None] | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
) -> SweepRun:
    """Compute all cells of a sweep that are not finished, and write its tables and its page.

    Args:
        sweep: from `read_sweep`, or its TOML file.
        workers: how many processes; 0 computes in this one.
        retry: of what is not finished, run what failed before, and nothing else.
        told: called after each cell with why it failed, or "".
        progress: told the fraction of cells done.
        cancel: when it is set, what is finished is kept and told.

    Raises:
        WorkbenchError: the file cannot be used, or another run works on the same folder.
    """
    if not isinstance(sweep, Sweep):
        sweep = read_sweep(sweep)
    if workers < 0:
        raise WorkbenchError("The number of workers has to be 0 or more.")
    folder, say = SweepFolder(sweep.folder), progress or silent
    with folder.locked():
        folder.sweep_up()
        open_ = [
            cell
            for cell in sweep.cells
            if not folder.is_done(cell) and bool(folder.failure(cell)) == retry
        ]
        ended = _compute(sweep, folder, open_, workers, told, say, cancel)
        written = write_results(sweep, folder)
    finished = sum(folder.is_done(cell) for cell in sweep.cells)
    failed = tuple(
        (cell, reason)
        for cell in sweep.cells
        if not folder.is_done(cell) and (reason := folder.failure(cell))
    )
    left = len(sweep.cells) - finished - len(failed)
    return SweepRun(sweep.folder, finished, ended, failed, left, written)


def run_cell(sweep: Sweep, name: str, progress: Progress | None = None) -> str:
    """Compute one cell alone, as a job of a cluster does; several may run at once.

    Returns:
        Why it failed; "" if it is finished, by now or before.

    Raises:
        WorkbenchError: the sweep has no such cell.
    """
    cell = next((cell for cell in sweep.cells if cell.name == name), None)
    if cell is None:
        raise WorkbenchError(f"{sweep.path.name} has no cell {name[:120]!r}: --print lists them.")
    from workbench.sweeps.compute import Computer

    reasons: list[str] = []
    folder = SweepFolder(sweep.folder)
    Computer(folder).compute([cell], lambda _, reason: reasons.append(reason), progress)
    return reasons[0]


def _compute(
    sweep: Sweep,
    folder: SweepFolder,
    cells: list[Cell],
    workers: int,
    told: Callable[[Cell, str], None] | None,
    say: Progress,
    cancel: Stop | None,
) -> int:
    """How many were finished."""
    message, done, finished = f"Computing {len(cells):,} cells", 0, 0

    def ended(cell: Cell, reason: str) -> None:
        nonlocal done, finished
        done, finished = done + 1, finished + (not reason)
        if told is not None:
            told(cell, reason)
        say(message, done / len(cells))

    possible = []
    if cells:
        say(message, 0.0)
    for cell in cells:
        if reason := cell.check():
            folder.write_failure(cell, reason)
            ended(cell, reason)
        else:
            possible.append(cell)
    units = sweep.units(possible)
    try:
        if workers:
            compute_with(workers, folder, units, ended, cancel)
        elif units:
            from workbench.sweeps.compute import Computer

            computer = Computer(folder)
            for unit in units:
                computer.compute(unit, ended, None, cancel)
    except Cancelled:
        pass
    return finished
