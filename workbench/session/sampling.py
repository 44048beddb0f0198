"""The sample of many pairs that a session answers from, while the others follow.

Importing this loads no torch.

Glossary: docs/glossary.md#sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tasks.task import Task
from workbench.experiment.prepare import task_batch
from workbench.experiment.room import needed_bytes, room_at_once
from workbench.experiment.settings import ExperimentSettings
from workbench.session.pair_set import PairSet

if TYPE_CHECKING:
    from workbench.models.model import Model

MOST_BYTES = {"cpu": 2**30}
"""What the pairs that a session answers from may take, in bytes, on a device on which an edit of
more takes longer than a tenth of a second; on all others it is what is worked on at once."""

CONFIDENCE_95 = 1.96
"""Standard errors on either side of a mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class WholeScores:
    """What a circuit scores on all pairs.

    Attributes:
        pairs: how many they are.
        model_metric, corrupted_metric, circuit_metric, faithfulness, accuracy, kl: as of a
            `Status`.
    """

    pairs: int
    model_metric: float
    corrupted_metric: float
    circuit_metric: float
    faithfulness: float | None
    accuracy: float
    kl: float


@dataclass(frozen=True)
class Sample:
    """How much of all pairs a status is of.

    Attributes:
        pairs, of: pairs of the sample; all that are not put aside.
        error: the standard error of the faithfulness as an estimate of that of all pairs; None
            where there is none.
        whole: the scores on all pairs, once they are there.
    """

    pairs: int
    of: int
    error: float | None = None
    whole: WholeScores | None = None

    @property
    def margin(self) -> float | None:
        """Half the width of the faithfulness's 95 % interval."""
        return None if self.error is None else CONFIDENCE_95 * self.error

    @classmethod
    def of_set(cls, pairs: PairSet, error: float | None = None) -> Sample | None:
        """That of a set of pairs; None if it is all of them.

        `error`: that of a mean over as many pairs out of infinitely many.
        """
        used = sum(one.used for one in pairs)
        total = sum(not one.aside for one in pairs)
        if used == total:
            return None
        if error is not None:
            # Drawn without replacement (Cochran 1977, section 2.6).
            error *= math.sqrt(1 - used / total)
        return cls(used, total, error)


def standard_error(circuit: ArrayLike, clean: ArrayLike, corrupted: ArrayLike) -> float | None:
    """The standard error of a faithfulness, a ratio of means, over pairs.

    By linearisation (Cochran 1977, section 6.3): of e = y - f x with y = circuit - corrupted,
    x = clean - corrupted and f the ratio of their means, it is sd(e) / (sqrt(n) |mean x|).

    Args:
        circuit, clean, corrupted: the metric of each pair.

    Returns:
        None of fewer than two pairs, or where the denominator is zero.
    """
    y = np.asarray(circuit) - np.asarray(corrupted)
    x = np.asarray(clean) - np.asarray(corrupted)
    mean = float(x.mean())
    if len(x) < 2 or mean == 0:
        return None
    rest = y - y.mean() / mean * x
    return float(rest.std(ddof=1) / (math.sqrt(len(x)) * abs(mean)))


def with_sample(settings: ExperimentSettings, model: Model, task: Task) -> ExperimentSettings:
    """The settings, with the size of a sample of as many pairs as fit.

    Raises:
        WorkbenchError: as of `task_batch`.
    """
    total, batch = len(task.pairs), task_batch(model, task, settings)
    needed = needed_bytes(model.parts, batch, settings.ablation)
    at_once = room_at_once(model.parts)
    fits = min(at_once, MOST_BYTES.get(model.device.type, at_once))
    size = None if needed <= fits else max(1, int(total * fits / needed))
    return replace(settings, sample=size)
