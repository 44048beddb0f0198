"""What a circuit scores at each checkpoint of a sequence, as plain values. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from workbench.base.table import Table
from workbench.checkpoints.sequence import Checkpoint
from workbench.experiment.prepare import LOW_ACCURACY, SMALL_SHARE

NUMBERS = (
    *("clean", "corrupted", "clean_accuracy", "circuit", "faithfulness", "accuracy", "kl"),
    "edges",
)


@dataclass(frozen=True)
class AtCheckpoint:
    """What one checkpoint does of a task, and a circuit of it.

    Attributes:
        checkpoint: which one.
        metric, pairs: what was measured, on how many pairs.
        clean, corrupted: mean metric of the whole model on the clean and on the corrupted prompts.
        clean_accuracy: share of clean prompts whose best answer beats the best wrong one.
        circuit: mean metric of the circuit, with everything outside it corrupted by this
            checkpoint's own corrupted runs; None without a circuit, as all that follow.
        faithfulness: (circuit - corrupted) / (clean - corrupted); None too where both runs are as
            good as equal: the model does not do the task yet.
        accuracy: of the circuit.
        kl: of the checkpoint's whole model from the circuit, in nats.
        edges: that the circuit keeps.
        reason: why there are no numbers; "" if there are.
    """

    checkpoint: Checkpoint
    metric: str = ""
    pairs: int = 0
    clean: float | None = None
    corrupted: float | None = None
    clean_accuracy: float | None = None
    circuit: float | None = None
    faithfulness: float | None = None
    accuracy: float | None = None
    kl: float | None = None
    edges: int | None = None
    reason: str = ""

    @property
    def does_task(self) -> bool:
        """Whether the model does the task, see `does_task`."""
        return does_task(self.clean, self.corrupted, self.clean_accuracy)

    def to_json(self) -> dict[str, Any]:
        """Plain values; the checkpoint's step, model and revision among them."""
        own = {one.name: getattr(self, one.name) for one in fields(self)[1:]}
        return {**asdict(self.checkpoint), **own}


def does_task(clean: float | None, corrupted: float | None, accuracy: float | None) -> bool:
    """Whether a model does a task so well that a faithfulness means something.

    It is right on `LOW_ACCURACY` of the clean prompts at least, where it can be told, and
    corrupting them changes `SMALL_SHARE` of the metric at least: what a model of a task is warned
    of otherwise.
    """
    if clean is None or corrupted is None:
        return False
    able = accuracy is None or math.isnan(accuracy) or accuracy >= LOW_ACCURACY
    return able and abs(clean - corrupted) >= SMALL_SHARE * max(abs(clean), abs(corrupted))


COLUMNS = ("step", "model", "revision", "metric", "pairs", *NUMBERS, "reason")


def table_of(rows: Sequence[AtCheckpoint]) -> Table:
    """One row a checkpoint, under the names in `COLUMNS`."""
    told = [row.to_json() for row in rows]
    return Table("checkpoints", COLUMNS, tuple(tuple(row[n] for n in COLUMNS) for row in told))
