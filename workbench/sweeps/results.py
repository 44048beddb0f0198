"""What the cells of a sweep came to: one row a cell, and how circuits overlap. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations, groupby
from statistics import fmean
from typing import Any

import numpy as np

from workbench.base.table import Table
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.formats import load_circuit
from workbench.sweeps.cells import Cell, Sweep
from workbench.sweeps.folder import CIRCUIT, SweepFolder

SCORED = (
    *("faithfulness", "circuit", "clean", "corrupted", "accuracy", "clean_accuracy", "kl"),
    *("edges", "nodes", "all_edges", "pairs", "dropped", "metric"),
)
COLUMNS = (
    *("cell", "state", "model", "revision", "step", "task", "method", "file", "size", "unit"),
    *("threshold", "seed", "ablation"),
    *SCORED,
    *("seconds", "reason", "command"),
)

Row = Mapping[str, Any]


def rows_of(sweep: Sweep, folder: SweepFolder) -> list[Row]:
    """One row for each cell, in the sweep's order, under the names in `COLUMNS`."""
    return [row_of(cell, folder) for cell in sweep.cells]


def row_of(cell: Cell, folder: SweepFolder, *, known: bool = True) -> Row:
    """The row of one cell.

    Args:
        known: False of one that is neither finished nor failed: nothing is looked for.
    """
    settings = cell.settings
    row: dict[str, Any] = dict.fromkeys(COLUMNS) | {
        "cell": cell.name,
        "model": settings.model,
        "revision": settings.revision,
        "step": None if cell.checkpoint is None else cell.checkpoint.step,
        "file": cell.told.get("file"),
        "task": settings.task,
        "method": cell.method,
        "size": cell.size,
        "unit": cell.unit if cell.kind == "found" else None,
        "threshold": cell.told.get("threshold"),
        "seed": settings.seed,
        "ablation": settings.ablation,
        "command": cell.command(),
    }
    if not known:
        return row | {"state": "open"}
    if folder.is_done(cell):
        try:
            found = folder.result(cell)
            scored = found["evaluation"] if cell.kind != "heads" else dict.fromkeys(SCORED)
            scored = {name: scored[name] for name in SCORED}
            return row | scored | {"state": "finished", "seconds": found["seconds"]}
        except (WorkbenchError, LookupError, TypeError) as error:
            why = str(error) if isinstance(error, WorkbenchError) else "Its result is damaged."
            return row | {"state": "failed", "reason": why}
    reason = folder.failure(cell)
    return row | {"state": "failed" if reason else "open", "reason": reason or None}


def jaccard(one: Circuit, other: Circuit) -> float | None:
    """Edges in both over edges in either; None of circuits without edges or unlike models."""
    if one.graph != other.graph:
        return None
    either = int(np.count_nonzero(one.mask | other.mask))
    return int(np.count_nonzero(one.mask & other.mask)) / either if either else None


class Circuits:
    """The circuits that finished cells found, read when they are asked for."""

    def __init__(self, sweep: Sweep, folder: SweepFolder) -> None:
        done = (cell for cell in sweep.cells if cell.kind == "found" and folder.is_done(cell))
        self.cells = list(done)
        self._folder = folder
        self._read: dict[str, Circuit | None] = {}

    def __getitem__(self, cell: Cell) -> Circuit | None:
        """None where its file cannot be read."""
        if cell.name not in self._read:
            try:
                found = replace(load_circuit(self._folder.cell(cell) / CIRCUIT), scores=None)
            except WorkbenchError:
                found = None
            self._read[cell.name] = found
        return self._read[cell.name]

    def overlaps(
        self, differ: Callable[[Cell], Any], cells: Iterable[Cell] | None = None
    ) -> Iterator[tuple[list[Cell], list[list[float | None]]]]:
        """Of cells that are alike but in one thing, the Jaccard index of each two.

        Args:
            differ: the cell with that one thing taken out.
            cells: some of the finished ones that found a circuit; None: all.
        """
        ordered = sorted(
            self.cells if cells is None else cells, key=lambda cell: repr(differ(cell))
        )
        for _, group in groupby(ordered, key=lambda cell: repr(differ(cell))):
            alike = list(group)
            if len(alike) > 1:
                yield alike, [[self._jaccard(a, b) for b in alike] for a in alike]

    def _jaccard(self, one: Cell, other: Cell) -> float | None:
        first, second = self[one], self[other]
        return None if first is None or second is None else jaccard(first, second)


def without(*names: str) -> Callable[[Cell], Any]:
    """What a cell is but for some of its settings."""
    return lambda cell: (
        {k: v for k, v in asdict(cell.settings).items() if k not in names},
        cell.method,
        sorted(cell.told.items(), key=lambda item: item[0]),
    )


def stability(circuits: Circuits) -> list[tuple[Cell, float, int]]:
    """Of cells that differ in the seed alone, the mean Jaccard index of each two.

    Returns:
        The first of such cells, the mean, and how many seeds.
    """
    found = []
    for cells, index in circuits.overlaps(without("seed")):
        pairs = [index[i][j] for i, j in combinations(range(len(cells)), 2)]
        known = [value for value in pairs if value is not None]
        if known:
            found.append((cells[0], fmean(known), len(cells)))
    return found


def table_of(rows: Sequence[Row]) -> Table:
    """The rows as a table."""
    return Table("sweep", COLUMNS, tuple(tuple(row[name] for name in COLUMNS) for row in rows))
