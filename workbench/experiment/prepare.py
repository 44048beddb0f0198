"""Preparing a task: its prompts read and run, and what speaks against the model on it.

Importing this loads no torch.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from tasks.task import Task
from workbench.base.notices import notice
from workbench.base.progress import Progress, silent
from workbench.experiment.ablations import check_means
from workbench.experiment.interventions import Intervention, parse_all
from workbench.experiment.room import placed, room_for_pieces
from workbench.experiment.same_runs import check_same_runs
from workbench.experiment.settings import ExperimentSettings, TaskChoices
from workbench.prompts.checks import Needs

if TYPE_CHECKING:
    from workbench.experiment.experiment import Evaluation, Experiment
    from workbench.experiment.pieces import Pieces, Values
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch

LOW_ACCURACY = 0.7
"""Below it the model is warned of: guessing between an answer and a wrong one gives 0.5, and less
where there are several wrong ones."""

SMALL_SHARE = 0.1
"""A difference between clean and corrupted metric below this share of the larger is called
small.
"""

DATA_PAIRS = 128
"""Prompts made of a built-in task whose means are asked for."""

CLEAN_ALONE = Needs(corrupted=False, answers=False, wrong_answers=False)
"""What means are taken over needs."""

NO_MEMORY = "There is not enough memory for so many pairs at once: take fewer, or a smaller dtype."


def prepare(
    model: Model,
    task: Task | str | os.PathLike[str],
    settings: ExperimentSettings | None = None,
    progress: Progress | None = None,
    interventions: Iterable[Intervention | str] = (),
    **choices: Unpack[TaskChoices],
) -> Experiment:
    """Read a task's prompts and run them: all that evaluating its circuits begins with.

    Args:
        task: what is run: `settings.task`, another by the same settings, or one loaded already.
        settings: how it is run; None: by the defaults.
        interventions: what is done to the model in all runs, or their lines of text.
        choices: settings by their names; `pairs` is of use where `task` is a name or a file.

    Raises:
        WorkbenchError: there is no such task, or it does not suit the tokenizer.
    """
    settings = ExperimentSettings.of(model, task, settings, **choices)
    batch, metric = _read(model, task, settings)
    experiment, told = _whole(model, batch, metric, settings, progress, interventions)
    for warning in told:
        warnings.warn(warning, stacklevel=3)
    return experiment


def prepare_some(
    model: Model,
    task: Task | str | os.PathLike[str],
    settings: ExperimentSettings,
    progress: Progress | None = None,
    interventions: Iterable[Intervention | str] = (),
    *,
    beside: Callable[[Batch, str], float] | None = None,
    all_at_once: str = "",
) -> Experiment | Pieces:
    """As `prepare`; more pairs than are worked on at once are to be run some at a time.

    Args:
        beside: of the batch and the ablation, the bytes that all pairs together need beside the
            runs and what is usual.
        all_at_once: a sentence on why they cannot be; such pairs are then refused.

    Returns:
        Pieces of which none is run yet: `task_warnings` of all of them are the caller's to tell.

    Raises:
        WorkbenchError: as of `prepare`.
    """
    from workbench.base.failures import memory_errors
    from workbench.experiment.pieces import Pieces

    batch, metric = _read(model, task, settings)
    needed = 0.0 if beside is None else beside(batch, settings.ablation)
    room = None
    if not all_at_once:
        room = room_for_pieces(model.parts, batch, settings.ablation, needed)
    if room is None:
        how = (settings, progress, interventions)
        experiment, told = _whole(model, batch, metric, *how, why=all_at_once)
        for warning in told:
            warnings.warn(warning, stacklevel=3)
        return experiment
    with memory_errors(NO_MEMORY):
        means, done = means_batch(model, settings), parse_all(interventions)
        pieces = Pieces.of(model, batch, metric, settings.ablation, means, done, room)
    for warning in (*model.info.notes, *batch.warnings):
        warnings.warn(warning, stacklevel=3)
    return pieces


def _read(
    model: Model, task: Task | str | os.PathLike[str], settings: ExperimentSettings
) -> tuple[Batch, str]:
    """A task's pairs as tokens, told of if they are a file's, and the metric."""
    from workbench.base.failures import memory_errors

    if isinstance(task, str | os.PathLike):
        task = settings.load_task(model.tokenizer, os.fspath(task))
    with memory_errors(NO_MEMORY):
        batch = task_batch(model, task, settings)
    if task.seed is None:
        notice(batch.told)
    return batch, settings.metric or task.metric


def _whole(
    model: Model,
    batch: Batch,
    metric: str,
    settings: ExperimentSettings,
    progress: Progress | None,
    interventions: Iterable[Intervention | str],
    why: str = "",
) -> tuple[Experiment, tuple[str, ...]]:
    """All pairs run at once, and what is to be warned of."""
    from workbench.base.failures import memory_errors
    from workbench.experiment.experiment import Experiment

    say = progress or silent
    with memory_errors(NO_MEMORY):
        batch, file = placed(model.parts, batch, settings.ablation, why=why)
        experiment = Experiment(
            model,
            batch,
            metric=metric,
            ablation=settings.ablation,
            means=means_batch(model, settings),
            interventions=parse_all(interventions),
            progress=lambda fraction: say("Recording both runs", fraction),
            file=file,
        )
        check_same_runs(experiment)
        clean, corrupted = experiment.clean, experiment.corrupted
        measurable = experiment.faithfulness(clean.metric) is not None
        told = task_warnings(metric, clean, corrupted, measurable=measurable)
    return experiment, (*model.info.notes, *batch.warnings, *told)


def task_batch(model: Model, task: Task, settings: ExperimentSettings) -> Batch:
    """A task's prompts as tokens of a model.

    Raises:
        WorkbenchError: a pair cannot be used and is not to be left out, or none is left.
    """
    from workbench.prompts.batch import make_batch

    return make_batch(
        task,
        model.tokenizer,
        prepend_bos=settings.bos,
        device=model.device,
        mismatch=settings.mismatch,
        drop_bad=settings.drop_bad,
        needs=settings.needs(settings.metric or task.metric, model.positions),
    )


def load_task(
    name: str | os.PathLike[str],
    model: Model,
    *,
    pairs: int | None = None,
    seed: int = 0,
    metric: str | None = None,
    ablation: str = "patching",
    drop_bad: bool = False,
) -> Task:
    """A built-in task made for a model's tokenizer, or a task file.

    Args:
        name: `greater-than`, `subject-verb-agreement`, `ioi`, the path of a task file, or
            `hf://datasets/OWNER/NAME/FILE`.
        model: whose tokenizer decides which answers are single tokens, and decodes token ids.
        pairs: how many; None: 32 of a built-in task, all of a file.
        seed: of the generator.
        metric: None for the task's own.
        ablation: a file may do without corrupted prompts where it makes no use of them.
        drop_bad: leave out pairs of a file that cannot be read.

    Raises:
        WorkbenchError: no such task, or a file that is none.
    """
    settings = ExperimentSettings(
        model="",  # it is loaded already
        task=os.fspath(name),
        pairs=pairs,
        seed=seed,
        metric=metric,
        ablation=ablation,
        drop_bad=drop_bad,
    )
    return settings.load_task(model.tokenizer)


def means_batch(model: Model, settings: ExperimentSettings) -> Batch | None:
    """The prompts over which means are taken, if others are asked for than those evaluated.

    Raises:
        WorkbenchError: the ablation takes no means, or as for `load_task`.
    """
    source = settings.means
    if source is None:
        return None
    from workbench.prompts.batch import make_batch
    from workbench.prompts.task_catalogue import find_task

    check_means(source, settings.ablation)
    pairs = None if find_task(source) is None else DATA_PAIRS
    task = replace(settings.for_means(), pairs=pairs).load_task(model.tokenizer)
    return make_batch(
        task,
        model.tokenizer,
        prepend_bos=settings.bos,
        device=model.device,
        drop_bad=True,
        needs=replace(CLEAN_ALONE, positions=model.positions),
    )


def task_warnings(
    metric: str, clean: Evaluation | Values, corrupted: Evaluation | Values, *, measurable: bool
) -> tuple[str, ...]:
    """What speaks against looking for a circuit of this model on this task.

    Args:
        measurable: the two runs' metrics differ enough for a faithfulness to be given.

    Returns:
        Sentences with numbers.
    """
    warnings = []
    n_pairs = len(clean.per_pair)
    if clean.accuracy < LOW_ACCURACY:
        warnings.append(
            f"The model hardly does this task: it is right on {round(clean.accuracy * n_pairs)} of "
            f"{n_pairs} pairs ({clean.accuracy:.0%})."
        )
    both = (
        f"{metric} {clean.metric:.3g} on the clean prompts, {corrupted.metric:.3g} on the corrupted"
    )
    gain = clean.metric - corrupted.metric
    if metric == "kl":  # a distance: small is good
        gain = -gain
    elif clean.metric <= 0:
        warnings.append(f"The model prefers the wrong answers: {both}.")
    if not measurable:
        warnings.append(
            f"Corrupting the prompts changes nothing, so there is no faithfulness: {both}."
        )
    elif gain < 0:
        warnings.append(f"The corrupted prompts do better than the clean ones: {both}.")
    elif gain < SMALL_SHARE * max(abs(clean.metric), abs(corrupted.metric)):
        warnings.append(
            "Corrupting the prompts changes little, so the faithfulness, a share of it, is noisy: "
            f"{both}."
        )
    return tuple(warnings)
