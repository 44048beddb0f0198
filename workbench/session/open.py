"""Opening a session: from a model and a task to an engine that is ready.

Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.task import Task
from workbench.base.failures import failures_as_sentences
from workbench.base.progress import Progress
from workbench.experiment.interventions import Intervention
from workbench.experiment.settings import ExperimentSettings
from workbench.metrics.catalogue import NEGLIGIBLE
from workbench.session.pair_runs import PairRuns, described, run_pairs
from workbench.session.priority_lock import lock_of
from workbench.session.session_engine import SessionEngine
from workbench.session.views import TaskInfo

if TYPE_CHECKING:
    from workbench.models.model import Model

NO_ESTIMATES = (
    "EAP estimates are zero for this metric, which has no slope at the clean run: "
    "compute exact effects."
)


@dataclass(frozen=True)
class Opened:
    """An engine that is ready, and what to say of it.

    Attributes:
        engine: at the task's pairs.
        settings: which model and task, and how both are run.
        task: as it was loaded, with all its pairs.
        info: of the task.
        eap: estimates for all edges.
        at: the task with the pairs that the engine is at; None: as it was loaded.
    """

    engine: SessionEngine
    settings: ExperimentSettings
    task: Task
    info: TaskInfo
    eap: Any
    at: Task | None = None

    @cached_property
    def runs(self) -> PairRuns:
        """The pairs that the session begins with, run."""
        task = self.task if self.at is None else self.at
        metric = "" if task.metric == self.task.metric else task.metric
        experiment = self.engine.experiment
        done = experiment.interventions
        return PairRuns(task, self.engine.batch, experiment, self.info, metric, done)


def open_engine(
    model: Model,
    task: Task,
    settings: ExperimentSettings,
    say: Progress,
    loaded: Task | None = None,
    interventions: Sequence[Intervention] = (),
) -> Opened:
    """Tokenise the task, record both runs and estimate the effects of all edges.

    Args:
        loaded: the task as it was loaded, where other pairs of it are used; None: it is this one.
        interventions: what is done to the model in all runs.

    Raises:
        WorkbenchError: for prompts or answers that the tokenizer does not suit, an unknown metric
            or ablation, or too little memory.
    """
    from workbench.experiment.prepare import means_batch

    say("Reading the prompts", None)
    # In turn with other sessions on this model: they share what there is of memory.
    with lock_of(model).foreground(), failures_as_sentences():
        means = means_batch(model, settings)
        tick = lambda fraction: say("Running the prompts", fraction)  # noqa: E731
        how: dict[str, Any] = {"means": means, "tick": tick, "interventions": interventions}
        batch, experiment = run_pairs(model, task, settings, **how)
    engine = SessionEngine(model, batch, experiment)
    with lock_of(model).foreground():
        eap = engine.eap(lambda fraction: say("Estimating the effects of all edges", fraction))
    # Where the slope is zero, rounding leaves estimates that are next to nothing.
    difference = abs(experiment.clean.metric - experiment.corrupted.metric)
    sloped = bool(np.abs(eap).max() > NEGLIGIBLE * difference)
    notes = () if sloped else (NO_ESTIMATES,)
    info = described(task, settings, experiment, notes)
    return Opened(engine, settings, loaded or task, info, eap, task)
