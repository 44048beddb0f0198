"""What a sweep will take: memory as predicted for each model, time as measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from workbench.base.progress import Progress, silent
from workbench.errors import WorkbenchError
from workbench.sweeps.cells import Cell, Sweep
from workbench.sweeps.folder import SweepFolder

if TYPE_CHECKING:
    from workbench.models.model import Model


@dataclass(frozen=True)
class CellPlan:
    """What one cell will take.

    Attributes:
        cell: the cell.
        state: finished, failed or open.
        bytes: weights, and the most beyond them that is predicted for its pairs; None: unknown.
        weights: the weights alone, in bytes.
        seconds: the mean of the finished cells of this model and method; None: there are none.
        reason: why it cannot be; "" if nothing speaks against it.
    """

    cell: Cell
    state: str
    bytes: int | None
    weights: int | None
    seconds: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {"cell": self.cell.name, "command": self.cell.command()}
        rest = ("state", "bytes", "weights", "seconds", "reason")
        return told | {name: getattr(self, name) for name in rest}


def plan_sweep(sweep: Sweep, progress: Progress | None = None) -> list[CellPlan]:
    """What each cell will take. Every model is loaded, one after the other."""
    return plan_cells(sweep.cells, SweepFolder(sweep.folder), progress)


def plan_cells(
    cells: Sequence[Cell], folder: SweepFolder, progress: Progress | None = None
) -> list[CellPlan]:
    """The same of some cells.

    Args:
        folder: where what is finished is; it need not exist.
    """
    say = progress or silent
    timed: dict[Any, list[float]] = {}
    for cell in cells:
        if folder.is_done(cell):
            took = float(folder.result(cell)["seconds"])
            timed.setdefault((cell.of_model(), cell.method), []).append(took)
    loaded: tuple[Any, Model] | None = None
    memory: dict[Any, tuple[int, int] | str] = {}
    plans = []
    for cell in cells:
        reason, needed, weights = cell.check(), None, None
        if not reason:
            if cell.settings not in memory:
                try:
                    if loaded is None or loaded[0] != cell.of_model():
                        loaded = None
                        loaded = (cell.of_model(), cell.settings.load_model(say))
                    memory[cell.settings] = _bytes(cell, loaded[1])
                except WorkbenchError as error:
                    memory[cell.settings] = str(error)
            found = memory[cell.settings]
            if isinstance(found, str):
                reason = found
            else:
                needed, weights = found
        state = "finished" if folder.is_done(cell) else "open"
        if state == "open" and folder.failure(cell):
            state = "failed"
        times = timed.get((cell.of_model(), cell.method))
        seconds = fmean(times) if times else None
        plans.append(CellPlan(cell, state, needed, weights, seconds, reason))
    return plans


def _bytes(cell: Cell, model: Model) -> tuple[int, int]:
    """With the weights, and the weights alone; a model's heads are measured on few sequences."""
    if cell.kind == "heads":
        return model.info.weight_bytes, model.info.weight_bytes
    from workbench.experiment.prepare import task_batch
    from workbench.experiment.room import shapes_of
    from workbench.model_report.footprint import predict

    task = cell.settings.load_task(model.tokenizer)
    batch = task_batch(model, task, cell.settings)
    shapes = shapes_of(batch, cell.settings.ablation)
    found = predict(model.parts, shapes, cell.settings.metric or task.metric)
    weights = model.info.weight_bytes
    return weights + found.peak, weights
