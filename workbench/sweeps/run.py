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
from workbench.sweeps.on_ray import check_ray, compute_on_ray
from workbench.sweeps.under_way import forget_lost
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
        interrupted: it was stopped before it had tried all that it was to compute.
    """

    folder: Path
    finished: int
    computed: int
    failed: tuple[tuple[Cell, str], ...]
    left: int
    written: tuple[Path, ...]
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether every cell was run; some may have failed."""
        return not self.left


def run_sweep(
    sweep: Sweep | str | os.PathLike[str],
    *,
    workers: int = 0,
    ray: str | None = None,
    retry: bool = False,
    told: Callable[[Cell, str], None] | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
) -> SweepRun:
    """Compute all cells of a sweep that are not finished, and write its tables and its page.

    Args:
        sweep: from `read_sweep`, or its TOML file.
        workers: how many processes; 0 computes in this one.
        ray: compute on Ray: "local" starts one on this machine, else the address of a cluster.
        retry: of what is not finished, run what failed before, and nothing else.
        told: called after each cell with why it failed, or "".
        progress: told the fraction of cells done, parts of those under way counted in.
        cancel: when it is set, what is finished is kept and told.

    Raises:
        WorkbenchError: the file cannot be used, another run works on the same folder, or Ray is
            not installed or not there.
    """
    if not isinstance(sweep, Sweep):
        sweep = read_sweep(sweep)
    if workers < 0:
        raise WorkbenchError("The number of workers has to be 0 or more.")
    if ray is not None:
        if workers:
            raise WorkbenchError("Cells are computed by workers or on Ray, not both.")
        check_ray(sweep)
    folder, say = SweepFolder(sweep.folder), progress or silent
    with folder.locked():
        folder.sweep_up()
        forget_lost(folder)
        open_ = [
            cell
            for cell in sweep.cells
            if not folder.is_done(cell) and bool(folder.failure(cell)) == retry
        ]
        ended, whole = _compute(sweep, folder, open_, ray or workers, told, say, cancel)
        written = write_results(sweep, folder)
    finished = sum(folder.is_done(cell) for cell in sweep.cells)
    failed = tuple(
        (cell, reason)
        for cell in sweep.cells
        if not folder.is_done(cell) and (reason := folder.failure(cell))
    )
    left = len(sweep.cells) - finished - len(failed)
    return SweepRun(sweep.folder, finished, ended, failed, left, written, not whole)


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
    by: int | str,
    told: Callable[[Cell, str], None] | None,
    say: Progress,
    cancel: Stop | None,
) -> tuple[int, bool]:
    """How many were finished, and whether all were tried.

    Args:
        by: how many processes, or an address of Ray.
    """
    message, done, finished = f"Computing {len(cells):,} cells", 0, 0
    parts: dict[str, float] = {}

    def ended(cell: Cell, reason: str) -> None:
        nonlocal done, finished
        done, finished = done + 1, finished + (not reason)
        parts.pop(cell.name, None)
        if told is not None:
            told(cell, reason)
        say(message, (done + sum(parts.values())) / len(cells))

    def at(cell: Cell, fraction: float) -> None:
        parts[cell.name] = fraction
        say(message, (done + sum(parts.values())) / len(cells))

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
        if isinstance(by, str):
            compute_on_ray(by, folder, units, ended, at, cancel)
        elif by:
            compute_with(by, folder, units, ended, at, cancel)
        elif units:
            _compute_here(folder, units, ended, at, cancel)
    except Cancelled:
        pass
    return finished, done == len(cells)


def _compute_here(
    folder: SweepFolder,
    units: list[list[Cell]],
    ended: Callable[[Cell, str], None],
    at: Callable[[Cell, float], None],
    cancel: Stop | None,
) -> None:
    from workbench.sweeps.compute import Computer

    computer, open_ = Computer(folder), [cell for unit in units for cell in unit]

    def next_one(cell: Cell, reason: str) -> None:
        open_.pop(0)
        ended(cell, reason)

    def say(message: str, fraction: float | None) -> None:
        if fraction is not None and open_:
            at(open_[0], fraction)

    for unit in units:
        computer.compute(unit, next_one, say, cancel)
