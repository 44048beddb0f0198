"""Scores: what a circuit does, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.experiment.experiment import Evaluation, Experiment


@dataclass(frozen=True)
class Scores:
    """What a circuit does; see `views.Status`."""

    metric: float
    faithfulness: float | None
    accuracy: float
    kl: float

    @classmethod
    def of(cls, experiment: Experiment, value: Evaluation) -> Scores:
        """An evaluation on an experiment's pairs."""
        share = experiment.faithfulness(value.metric)
        return cls(value.metric, share, value.accuracy, value.kl)
