"""Worker processes of a sweep: each keeps the model that it loaded last.

No torch is loaded here.

A worker is handed cells that share scores, and answers after each cell. One that dies loses nothing
that it had finished; what it was at is handed out once more, and after that counts as failed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from workbench.base.work import Stop
from workbench.errors import Cancelled
from workbench.sweeps.cells import Cell
from workbench.sweeps.folder import SweepFolder

LOOK = 0.2
"""Seconds between two looks whether the work is to stop."""
TELL = 0.5
"""Seconds between two words of a worker on how far its cell is."""
At = Callable[[Cell, float], None]
"""Told how much of a cell that is being computed is done."""


@dataclass
class Worker:
    """A process, the line to it, and what it is at."""

    process: BaseProcess
    line: Connection
    at: list[Cell]
    last: Cell | None = None


def serve(path: Path, line: Connection, threads: int) -> None:
    """What a worker does: computes what it is handed until the line ends."""
    # Ctrl-C reaches every process of a terminal; the one that hands out decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from workbench.sweeps.compute import Computer

    import torch  # isort: skip - the cells are computed here

    torch.set_num_threads(threads)
    computer = Computer(SweepFolder(path))
    told = 0.0

    def say(message: str, fraction: float | None) -> None:
        nonlocal told
        if fraction is not None and time.monotonic() - told > TELL:
            told = time.monotonic()
            line.send(fraction)

    with suppress(EOFError, BrokenPipeError, OSError):
        while True:
            cells = line.recv()
            computer.compute(cells, lambda cell, reason: line.send((cell.name, reason)), say)


def compute_with(
    n: int,
    folder: SweepFolder,
    units: Sequence[list[Cell]],
    told: Callable[[Cell, str], None],
    at: At,
    cancel: Stop | None = None,
) -> None:
    """Hand out cells to n processes until all are computed.

    Args:
        units: cells that share scores, in the order in which they are best computed.
        told: called here, after each cell, with why it failed or "".
        at: called here, now and then, with how much of a cell is done.

    Raises:
        Cancelled: `cancel` was set; the processes are ended, and what was finished is there.
    """
    context = multiprocessing.get_context("spawn")
    waiting, again = [list(unit) for unit in units], set[str]()
    threads = max(1, (os.cpu_count() or 1) // n)
    workers: list[Worker] = []

    def start() -> Worker:
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(folder.path, theirs, threads), daemon=True)
        process.start()
        theirs.close()
        return Worker(process, ours, [])

    def hand(worker: Worker) -> None:
        if waiting:
            worker.at = waiting.pop(best(waiting, worker.last))
            worker.last = worker.at[0]
            with suppress(OSError):  # it died: its line says so when it is read
                worker.line.send(worker.at)

    def died(worker: Worker) -> None:
        worker.process.join()
        workers.remove(worker)
        left = [cell for cell in worker.at if not folder.is_done(cell)]
        for cell in worker.at:
            if cell not in left:
                told(cell, "")
        if left and left[0].name in again:
            reason = f"Its process was ended twice ({_how(worker.process)}), perhaps for memory."
            folder.write_failure(left[0], reason)
            told(left.pop(0), reason)
        elif left:
            again.add(left[0].name)
        if left:
            waiting.insert(0, left)

    try:
        while waiting or any(worker.at for worker in workers):
            while len(workers) < min(n, len(waiting) + sum(bool(w.at) for w in workers)):
                workers.append(start())
            for worker in workers:
                if not worker.at:
                    hand(worker)
            ready = wait([worker.line for worker in workers], LOOK)
            for worker in [worker for worker in workers if worker.line in ready]:
                try:
                    word = worker.line.recv()
                except (EOFError, OSError):
                    died(worker)
                    continue
                if isinstance(word, float):
                    at(worker.at[0], word)
                    continue
                name, reason = word
                cell = next(cell for cell in worker.at if cell.name == name)
                worker.at.remove(cell)
                told(cell, reason)
            if cancel is not None and cancel.is_set():
                raise Cancelled
    finally:
        for worker in workers:
            worker.line.close()
            worker.process.terminate()
        for worker in workers:
            worker.process.join()


def best(waiting: Sequence[list[Cell]], last: Cell | None) -> int:
    """Which is best next after a cell: of its runs, else of its model, else the first."""
    if last is not None:
        for alike in (
            lambda cell: cell.settings == last.settings,
            lambda cell: cell.of_model() == last.of_model(),
        ):
            for i, unit in enumerate(waiting):
                if alike(unit[0]):
                    return i
    return 0


def _how(process: BaseProcess) -> str:
    code = process.exitcode or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
