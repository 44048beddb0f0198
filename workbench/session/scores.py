"""Scores: what a circuit does, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.session.agreement import Agreement

if TYPE_CHECKING:
    from workbench.experiment.experiment import Evaluation, Experiment


@dataclass(frozen=True)
class Scores:
    """What a circuit does; see `views.Status`."""

    metric: float
    faithfulness: float | None
    agreement: Agreement = field(compare=False)

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
        return cls(value.metric, experiment.faithfulness(value.metric), agreement)
