"""A set of pairs, tokenised and run: what a session's numbers are of.

Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasks.task import Task
from workbench.base.failures import failures_as_sentences
from workbench.base.text import counted
from workbench.errors import WorkbenchError
from workbench.experiment.carrying import CarryingRoles
from workbench.experiment.interventions import Intervention
from workbench.experiment.prepare import task_batch, task_warnings
from workbench.experiment.provenance import digest
from workbench.experiment.room import placed
from workbench.experiment.same_runs import check_same_runs
from workbench.experiment.settings import ExperimentSettings
from workbench.prompts.preview import PromptView
from workbench.session.pair_set import PairSet, in_use
from workbench.session.views import TaskInfo

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch

CHANGED = ", pairs changed in a session"
"""Stands behind a task's source where its pairs are not those that it was loaded with."""

SAMPLED = ", a sample"
"""Stands there where they are some of them, drawn so that they fit the memory."""


@dataclass(frozen=True, eq=False)
class PairRuns:
    """One set of pairs and its runs.

    Attributes:
        task: with the pairs that are in use.
        batch, experiment: the same, tokenised and run.
        info: what to say of it.
        metric: that it is scored by, if that is not the one that the session began with; else "".
        interventions: what is done to the model in these runs.

    Glossary: docs/glossary.md#set-of-pairs.
    """

    task: Task
    batch: Batch
    experiment: Experiment
    info: TaskInfo
    metric: str = ""
    interventions: tuple[Intervention, ...] = ()

    @cached_property
    def carrying(self) -> CarryingRoles:
        """The roles by which edges are told apart on these pairs."""
        return CarryingRoles.of_experiment(self.experiment)

    @cached_property
    def digest(self) -> str:
        """By which it is told from others: SHA-256 of the pairs that were run, and the rest."""
        done = "; ".join(one.text + one.data for one in self.interventions)
        return " ".join(filter(None, [digest(self.batch.task), self.metric, done]))


def run_pairs(
    model: Model,
    task: Task,
    settings: ExperimentSettings,
    *,
    means: Batch | None,
    tick: Callable[[float], None] | None = None,
    interventions: Sequence[Intervention] = (),
) -> tuple[Batch, Experiment]:
    """Tokenise a task's pairs and record both runs; errors as of `make_batch`."""
    from workbench.experiment.experiment import Experiment

    batch = task_batch(model, task, settings)
    batch, file = placed(model.parts, batch, settings.ablation)
    how: dict[str, Any] = {"metric": task.metric, "ablation": settings.ablation}
    how |= {"interventions": interventions, "file": file}
    experiment = Experiment(model, batch, means=means, progress=tick, **how)
    check_same_runs(experiment)
    return batch, experiment


def described(
    task: Task, settings: ExperimentSettings, experiment: Experiment, notes: tuple[str, ...] = ()
) -> TaskInfo:
    """What to say of a task that was run; `notes` come after the task's own."""
    from workbench.metrics.catalogue import find_metric

    batch, clean, corrupted = experiment.batch, experiment.clean, experiment.corrupted
    with failures_as_sentences():
        measurable = experiment.faithfulness(clean.metric) is not None
        warnings = task_warnings(task.metric, clean, corrupted, measurable=measurable)
        model_accuracy, corrupted_accuracy = clean.accuracy, corrupted.accuracy
    warnings = (*experiment.model.info.notes, *batch.warnings, *warnings)
    if experiment.unmatched:
        warnings = (
            *warnings,
            f"{experiment.unmatched:,} tokens have no data at their position in {settings.means}: "
            "the positional mean stands in for them.",
        )
    return TaskInfo(
        name=task.name,
        description=batch.told,
        metric=task.metric,
        metric_definition=find_metric(task.metric).definition,
        n_pairs=batch.n_pairs,
        seed=task.seed,
        ablation=settings.ablation,
        bos=batch.prepend_bos,
        notes=(*task.notes, *notes),
        warnings=warnings,
        answer_labels=task.answer_space,
        dropped=batch.dropped,
        model_metric=clean.metric,
        corrupted_metric=corrupted.metric,
        model_accuracy=model_accuracy,
        corrupted_accuracy=corrupted_accuracy,
        interventions=tuple(one.text for one in experiment.interventions),
    )


def prompt_view(batch: Batch, index: int) -> PromptView:
    """A pair of prompts, token by token. Raises WorkbenchError if there is none of this index."""
    if not 0 <= index < batch.n_pairs:
        raise WorkbenchError(
            f"There is no pair {index}: they are counted 0 to {batch.n_pairs - 1}."
        )
    clean, corrupted = batch.tokens(index)
    pair = batch.task.pairs[index]
    return PromptView(
        list(clean), list(corrupted), pair.answers, pair.wrong_answers, batch.roles.at(index)
    )


def task_of(task: Task, pairs: PairSet, metric: str = "") -> Task:
    """The task with the pairs that are in use, and said to be changed if they are others.

    `metric`: another than its own.

    Raises:
        WorkbenchError: all pairs are put aside.
    """
    used = in_use(pairs)
    task = replace(task, metric=metric) if metric else task
    if used == task.pairs:
        return task
    if not used:
        raise WorkbenchError("At least one pair has to stay; put others aside, or add one first.")
    if tuple(one.pair for one in pairs) == task.pairs and not any(one.aside for one in pairs):
        said = f"A sample of {len(used):,} of the task's {len(task.pairs):,} pairs."
        return replace(
            task, pairs=used, seed=None, source=task.source + SAMPLED, notes=(*task.notes, said)
        )
    own = set(task.pairs)
    n_own = sum(pair in own for pair in used)
    said = (
        f"The pairs were changed in the session: {n_own:,} of the task's own "
        f"{counted(len(task.pairs), 'pair')}, {len(used) - n_own:,} others."
    )
    return replace(
        task, pairs=used, seed=None, source=task.source + CHANGED, notes=(*task.notes, said)
    )
