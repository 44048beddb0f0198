"""The memory budget: what alternatives of a batch take, and what they may.

Importing this loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.engine.plan import Positions
from workbench.experiment.room import WORTH_A_LOOK, refuse_too_many, runs_bytes, shapes_of

if TYPE_CHECKING:
    from workbench.engine.plan import Plan
    from workbench.experiment.experiment import Experiment
    from workbench.transformer.parts import ModelParts

# What one batch of alternatives may take beside the recordings and the circuit's own cells, in
# bytes. On a CPU larger batches are no faster.
WHAT_IF_BYTES = {"cpu": 100 * 2**20}
WHAT_IF_BYTES_ELSEWHERE = 2**30
# An MLP's hidden layer, its gate and their product, in units of d_model: what most architectures
# have.
_MLP_WIDTH = 12

FLOAT32 = 4
"""Bytes of a number in which probabilities are computed, whatever the model's numbers are."""


def what_if_bytes(device_type: str) -> int:
    """What one batch of alternatives may take on such a device, in bytes."""
    return WHAT_IF_BYTES.get(device_type, WHAT_IF_BYTES_ELSEWHERE)


def alternative_rows(at_all: int, at_last: int, width: int, *, tail: bool) -> float:
    """What one alternative takes, in values [pair, position, d_model].

    Args:
        at_all, at_last: how many sources it reaches that are needed at all positions, at the last.
        width: most destinations of one stage that it reaches.
        tail: its last layers are run as the model's own.
    """
    rows = at_all + 0.2 * at_last + 1 + _MLP_WIDTH + 3 * width
    return rows + (3 * _MLP_WIDTH // 2 if tail else 0)


def cells_bytes(experiment: Experiment, plan: Plan) -> int:
    """What a circuit's cells take: what its sources add, and q, k, v and z of its heads.

    A little more is allocated: a source's row at the last position too. Where the runs lie in a
    file, what sources add lies there too and takes no memory.
    """
    rows = sum(r.n_pairs * r.n_positions for r in experiment.recordings)
    in_file = any(recording.file is not None for recording in experiment.recordings)
    return bytes_of_cells(experiment.parts, plan, rows, experiment.n_pairs, in_file=in_file)


def bytes_of_cells(
    parts: ModelParts, plan: Plan, rows: int, n_pairs: int, *, in_file: bool = False
) -> int:
    """The same of pairs that are not run yet.

    Args:
        rows: positions at which anything is computed, of all pairs together.
        n_pairs: how many pairs.
        in_file: what sources add lies in a file.
    """
    graph = parts.graph()
    wanted = plan.live & (plan.need > 0)
    n_all = 1 + int((plan.need[wanted] == Positions.ALL).sum())
    n_heads = sum(graph.node_table[source].kind == "head" for source in np.flatnonzero(wanted))
    of_heads = 4 * n_heads * parts.d_head
    if in_file:
        return rows * of_heads * parts.dtype.itemsize
    width = n_all * parts.d_model + of_heads
    at_last = n_pairs * (1 + int(wanted.sum())) * parts.d_model
    return (rows * width + at_last) * parts.dtype.itemsize


def may_be_large(experiment: Experiment) -> bool:
    """Whether a circuit's cells may take so much that it is worth a look; costs nothing."""
    rows = sum(r.n_pairs * r.n_positions for r in experiment.recordings)
    parts = experiment.parts
    cells = rows * experiment.graph.n_sources * parts.d_model * parts.dtype.itemsize
    return cells >= WORTH_A_LOOK


def check_room_for(experiment: Experiment, needed: float, what: str, kept: float = 0) -> None:
    """Refuse work on an experiment's pairs that needs more memory than is free.

    Args:
        needed: bytes.
        what: the work, as it stands between "for" and "1,000 pairs".
        kept: bytes that are taken already, beside the runs.

    Raises:
        WorkbenchError: how many pairs would fit.
    """
    if needed < WORTH_A_LOOK:
        return
    shapes = shapes_of(experiment.batch, experiment.ablation)
    runs = sum(runs_bytes(experiment.parts, shape) for shape in shapes)
    refuse_too_many(experiment.parts, experiment.n_pairs, needed, what, kept=runs + kept)


def row_bytes(experiment: Experiment) -> int:
    """Bytes of one value at all positions that differ, of the largest group.

    It is [pair, position, d_model].
    """
    parts = experiment.parts
    row = parts.d_model * parts.dtype.itemsize
    return max(r.n_pairs * r.n_positions * row for r in experiment.recordings)
