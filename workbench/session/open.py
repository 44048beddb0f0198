"""Opening a session: from a model and a task to an engine that is ready.

Importing this module loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.task import Task
from workbench.base.failures import failures_as_sentences
from workbench.base.progress import Progress
from workbench.experiment.prepare import task_warnings
from workbench.experiment.settings import ExperimentSettings
from workbench.metrics.catalogue import NEGLIGIBLE
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
    """An engine that is ready, and what to say of it."""

    engine: SessionEngine
    settings: ExperimentSettings
    task: Task
    info: TaskInfo
    eap: Any


def open_engine(model: Model, task: Task, settings: ExperimentSettings, say: Progress) -> Opened:
    """Tokenise the task, record both runs and estimate the effects of all edges.

    Raises:
        WorkbenchError: for prompts or answers that the tokenizer does not suit, an unknown metric
            or ablation, or too little memory.
    """
    from workbench.experiment.experiment import Experiment
    from workbench.experiment.prepare import means_batch, task_batch
    from workbench.metrics.catalogue import find_metric

    say("Reading the prompts", None)
    # In turn with other sessions on this model: they share what there is of memory.
    with lock_of(model).foreground(), failures_as_sentences():
        batch = task_batch(model, task, settings)
        experiment = Experiment(
            model,
            batch,
            metric=task.metric,
            ablation=settings.ablation,
            means=means_batch(model, settings),
            progress=lambda fraction: say("Running the prompts", fraction),
        )
    engine = SessionEngine(model, batch, experiment)
    with lock_of(model).foreground():
        eap = engine.eap(lambda fraction: say("Estimating the effects of all edges", fraction))
    clean, corrupted = experiment.clean, experiment.corrupted
    with failures_as_sentences():
        measurable = experiment.faithfulness(clean.metric) is not None
        warnings = task_warnings(task.metric, clean, corrupted, measurable=measurable)
    warnings = (*model.info.notes, *batch.warnings, *warnings)
    if experiment.unmatched:
        warnings = (
            *warnings,
            f"{experiment.unmatched:,} tokens have no data at their position in {settings.means}: "
            "the positional mean stands in for them.",
        )
    # Where the slope is zero, rounding leaves estimates that are next to nothing.
    sloped = bool(np.abs(eap).max() > NEGLIGIBLE * abs(clean.metric - corrupted.metric))
    info = TaskInfo(
        name=task.name,
        description=batch.told,
        metric=task.metric,
        metric_definition=find_metric(task.metric).definition,
        n_pairs=batch.n_pairs,
        seed=task.seed,
        ablation=settings.ablation,
        bos=batch.prepend_bos,
        notes=task.notes if sloped else (*task.notes, NO_ESTIMATES),
        warnings=warnings,
        answer_labels=task.answer_space,
        dropped=batch.dropped,
        model_metric=clean.metric,
        corrupted_metric=corrupted.metric,
        model_accuracy=clean.accuracy,
        corrupted_accuracy=corrupted.accuracy,
    )
    return Opened(engine, settings, task, info, eap)
