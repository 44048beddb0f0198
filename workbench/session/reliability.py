"""Which components of a session's model are reliable on its pairs; scaling those up.

Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop, Work
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.reliability.results import Reliability, ReliabilitySettings
from workbench.session.interventions import SessionInterventions
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.session_engine import SessionEngine
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


class SessionReliability:
    """Finds reliable and harmful components. All public methods may be called from any thread.

    Attributes:
        held: what was found last, perhaps on other pairs; None if nothing was yet.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        settings: ExperimentSettings,
        interventions: SessionInterventions,
        digest: Callable[[], str],
    ) -> None:
        """`digest`: tells the runs that the session is at from others."""
        self._engine = engine
        self._lock = lock
        self._settings = settings
        self._interventions = interventions
        self._digest = digest
        self._of = ""
        self.held: Reliability | None = None

    @property
    def is_old(self) -> bool:
        """What is held is of other pairs, or of a model to which something else was done."""
        return self.held is not None and self._of != self._digest()

    def find(
        self,
        settings: ReliabilitySettings | None = None,
        *,
        scale_up: bool = True,
        also: str | None = None,
        cancel: Stop | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Reliability:
        """Find them on the pairs that are in use, and scale up the reliable ones on trial.

        Args:
            also: another task, by name or file, on which it is told what that does.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: pairs lack right or wrong answers, or there are too few.
        """
        from workbench.reliability.steering import reliability

        def work() -> Work[Reliability]:
            yield 0.0
            experiment = self._engine.experiment
            other = None if also is None else self._other(also, experiment)
            return (yield from reliability(experiment, settings, scale_up=scale_up, also=other))

        of = self._digest()
        found = finish_in_background(self._lock, work(), cancel, progress)
        self.held, self._of = found, of
        return found

    def take(self) -> Status:
        """Do to the model what was found best: a command, with undo.

        Raises:
            WorkbenchError: nothing was found, or nothing does better than the model as it is.
        """
        if self.held is None or self.held.steering is None:
            raise WorkbenchError("Nothing was scaled up on trial yet: find reliable ones first.")
        if not self.held.steering.intervention:
            raise WorkbenchError(
                "Scaling up did no better than the model as it is, so there is nothing to do."
            )
        return self._interventions.add(self.held.steering.intervention)

    def _other(self, task: str, experiment: Experiment) -> Experiment:
        """Another task's clean runs on the model as it is in this session."""
        from workbench.experiment.experiment import Experiment
        from workbench.experiment.prepare import task_batch

        with failures_as_sentences():
            settings = replace(self._settings, task=task, metric=None, pairs=None)
            made = settings.load_task(experiment.model.tokenizer)
            batch = task_batch(experiment.model, made, settings)
            done = experiment.interventions
            return Experiment(experiment.model, batch, made.metric, interventions=done)
