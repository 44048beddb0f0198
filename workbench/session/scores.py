"""Scores: what a circuit does, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.session.sampling import standard_error

if TYPE_CHECKING:
    from workbench.experiment.experiment import Evaluation, Experiment


@dataclass(frozen=True)
class Scores:
    """What a circuit does; see `views.Status`.

    `error`: the standard error of the faithfulness over pairs, see `sampling.standard_error`.
    """

    metric: float
    faithfulness: float | None
    accuracy: float
    kl: float
    error: float | None = None

    @classmethod
    def of(cls, experiment: Experiment, value: Evaluation) -> Scores:
        """An evaluation on an experiment's pairs."""
        share = experiment.faithfulness(value.metric)
        per_pair = value.per_pair, experiment.clean.per_pair, experiment.corrupted.per_pair
        error = None if share is None else standard_error(*per_pair)
        return cls(value.metric, share, value.accuracy, value.kl, error)
