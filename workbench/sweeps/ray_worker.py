"""What runs on a node of Ray: a process that keeps a model, and hands back files.

A node needs no disk of the one that hands out cells: a cell is computed in a folder of the node's
own, and what it comes to is returned. Importing this loads no torch.
"""

from __future__ import annotations

import math
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.base.abandoned import is_abandoned, writer_token
from workbench.sweeps.cells import Cell
from workbench.sweeps.folder import SweepFolder

if TYPE_CHECKING:
    from workbench.sweeps.compute import Computer

PREFIX = "workbench-cells-"


@dataclass(frozen=True)
class Returned:
    """What a cell came to.

    Attributes:
        reason: why it failed; "" if it did not.
        files: of the cell's folder, by name.
        scores: the file of scores that it was selected from, where there is one.
        seconds: that the node took, loading a model included.
    """

    reason: str
    files: dict[str, bytes]
    scores: bytes | None
    seconds: float


class RayWorker:
    """Computes cells, one at a time, and says how far it is meanwhile."""

    def __init__(self) -> None:
        self._now: float | None = None
        self._computer: Computer | None = None

    def ready(self) -> tuple[str, str]:
        """The version of the workbench on this node, and the node's name."""
        from workbench import __version__

        return __version__, socket.gethostname()

    def now(self) -> float | None:
        """How much of the present cell is done; None where that is unknown."""
        return self._now

    def compute(self, cell: Cell, scores: bytes | None) -> Returned:
        """Compute a cell.

        Args:
            scores: the file of scores to select from, if they are known; else they are computed,
                and kept for the next cell that shares them.
        """
        from workbench.sweeps.compute import Computer

        import torch  # isort: skip - the cells are computed here

        began = time.perf_counter()
        folder = _own_folder()
        try:
            if self._computer is None:
                torch.set_num_threads(1)
                self._computer = Computer(folder)
            self._computer.use(folder)
            if scores is not None:
                path = folder.scores(cell)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(scores)
            reasons: list[str] = []
            self._computer.compute([cell], lambda _, reason: reasons.append(reason), self._say)
            place, kept = folder.cell(cell), folder.scores(cell)
            made = place.iterdir() if place.is_dir() else ()
            files = {path.name: path.read_bytes() for path in made}
            found = kept.read_bytes() if scores is None and kept.is_file() else None
            return Returned(reasons[0], files, found, time.perf_counter() - began)
        finally:
            self._now = None
            shutil.rmtree(folder.path, ignore_errors=True)

    def _say(self, message: str, fraction: float | None) -> None:
        self._now = fraction


def plan(cells: list[Cell]) -> dict[str, tuple[int, int]]:
    """By the name of each cell its bytes, and those of the weights alone; none that cannot be."""
    from workbench.sweeps.plan import plan_cells

    folder = _own_folder()
    try:
        found = {}
        for planned in plan_cells(cells, folder):
            if planned.bytes is not None and planned.weights is not None:
                found[planned.cell.name] = (planned.bytes, planned.weights)
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)
    return found


def _own_folder() -> SweepFolder:
    """A new one of this node; those of processes that were killed are removed."""
    beside = Path(tempfile.gettempdir())
    with suppress(OSError):
        for path in beside.glob(f"{PREFIX}*"):
            if is_abandoned(path, math.inf):  # a cell may take days
                shutil.rmtree(path, ignore_errors=True)
    return SweepFolder(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{writer_token()}-")))
