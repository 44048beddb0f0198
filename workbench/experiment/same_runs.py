"""Whether a computation that goes on has before it the runs that it began with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.base.ledger import is_kept, recorded
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.experiment.experiment import Experiment

SAME = 1e-3
"""Share of the span by which the metric of a pair may differ: rounding on another device."""


def check_same_runs(experiment: Experiment) -> None:
    """Compare both runs with those that the job began with; without a ledger nothing is done.

    Raises:
        WorkbenchError: the model, its prompts or the software give other numbers than then.
    """
    if not is_kept():
        return
    import numpy as np

    now = np.array([experiment.clean.per_pair, experiment.corrupted.per_pair])
    then = recorded("both runs", bytes, lambda: now)
    check_same_numbers(then.reshape(-1), now.reshape(-1))


def check_same_numbers(
    then: Sequence[float] | NDArray[np.float64], now: Sequence[float] | NDArray[np.float64]
) -> None:
    """Compare numbers of the metric, of the model and of the corrupted run.

    Raises:
        WorkbenchError: they are others.
    """
    import numpy as np

    before, after = np.asarray(then), np.asarray(now)
    span = max(1e-6, float(np.ptp(before)))
    if before.shape != after.shape or float(np.abs(after - before).max()) > SAME * span:
        raise WorkbenchError(
            "The model, its prompts or the software are not what they were when this job began: "
            "its finished pieces are of no use. Remove the job and begin it anew."
        )
