"""Scores: what a circuit does, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.session.agreement import Agreement
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
    agreement: Agreement = field(compare=False)
    error: float | None = None

    @property
    def accuracy(self) -> float:
        """As `views.Status.accuracy`."""
        return self.agreement.read()[0]

    @property
    def kl(self) -> float:
        """As `views.Status.kl`."""
        return self.agreement.read()[1]

    @classmethod
    def of(cls, experiment: Experiment, value: Evaluation, *, at_once: bool = True) -> Scores:
        """An evaluation on an experiment's pairs.

        `at_once`: accuracy and KL too, which are otherwise computed when they are first read.
        """
        agreement = Agreement(lambda: (value.accuracy, value.kl))
        if at_once:
            agreement.read()
        share = experiment.faithfulness(value.metric)
        per_pair = value.per_pair, experiment.clean.per_pair, experiment.corrupted.per_pair
        error = None if share is None else standard_error(*per_pair)
        return cls(value.metric, share, agreement, error)
