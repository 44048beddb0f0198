"""Ability: what a model does of a task, before anybody looks for a circuit of it.

The metric on clean and on corrupted prompts, and how often the best answer beats the best wrong
one. Importing this loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tasks.pair import Pair
from tasks.task import Task
from workbench.base.progress import Progress, silent
from workbench.errors import WorkbenchError
from workbench.experiment.prepare import NO_MEMORY, load_task, task_warnings

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.experiment.settings import ExperimentSettings
    from workbench.models.model import Model

FEW_PAIRS = 16
"""Pairs of each task where all are asked: the table is to be there in a minute."""
MOST_TRIED = 2048
"""Pairs that are asked at most, to find as many as are wanted that the model answers rightly."""
AT_ONCE = 32


@dataclass(frozen=True)
class Ability:
    """What a model does of one task.

    Attributes:
        task: its name.
        metric: the metric's name.
        pairs: how many pairs were asked.
        clean, corrupted: mean metric on the clean and on the corrupted prompts.
        accuracy: share of clean prompts on which the best answer beats the best wrong one.
        remarks: what speaks against looking for a circuit of this model on this task.
        refused: why the task cannot be made for this model, and then the numbers are zero.
    """

    task: str
    metric: str = ""
    pairs: int = 0
    clean: float = 0.0
    corrupted: float = 0.0
    accuracy: float = 0.0
    remarks: tuple[str, ...] = ()
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; of a task that was refused its name and the reason alone."""
        if self.refused:
            return {"task": self.task, "refused": self.refused}
        return {name: value for name, value in asdict(self).items() if name != "refused"}


def abilities(
    model: Model,
    tasks: Iterable[str],
    settings: ExperimentSettings,
    progress: Progress | None = None,
) -> Iterator[Ability]:
    """What a model does of each of several tasks, one after the other.

    Args:
        tasks: names, or paths of files.
        settings: pairs, seed and the like; its task is none of these.
        progress: told which task is asked, and the fraction done.
    """
    say = progress or silent
    names = list(tasks)
    for number, name in enumerate(names):
        say(f"Asking {name}", number / len(names))
        try:
            yield ability(model, name, settings)
        except WorkbenchError as error:
            yield Ability(name, refused=str(error))


def ability(model: Model, task: Task | str, settings: ExperimentSettings) -> Ability:
    """What a model does of a task.

    Raises:
        WorkbenchError: there is no such task, or it does not suit the tokenizer.
    """
    if isinstance(task, str):
        task = load_task(
            task, model, pairs=settings.pairs, seed=settings.seed, metric=settings.metric
        )
    both = _run(model, task, settings)
    clean, corrupted = both.clean, both.corrupted
    measurable = both.faithfulness(clean.metric) is not None
    return Ability(
        task.name,
        both.metric_name,
        both.n_pairs,
        clean.metric,
        corrupted.metric,
        clean.accuracy,
        task_warnings(both.metric_name, clean, corrupted, measurable=measurable),
    )


def right_pairs(
    model: Model, name: str, settings: ExperimentSettings, progress: Progress | None = None
) -> Task:
    """A task with only those pairs whose clean prompt the model answers rightly.

    Of a built-in task pairs are made until there are as many as `settings.pairs` asks for (32 if
    it says nothing), or `MOST_TRIED` were asked; of a file all are asked.

    Raises:
        WorkbenchError: there is no such task, it does not suit the tokenizer, or the model answers
            none of its pairs rightly.
    """
    say = progress or silent
    wanted = settings.pairs
    tried = load_task(name, model, pairs=None, seed=settings.seed, metric=settings.metric)
    made = tried.seed is not None
    if made:
        wanted = wanted or len(tried.pairs)
        tried = _as_many_as_there_are(name, model, wanted, settings)
    right: list[Pair] = []
    for start in range(0, len(tried.pairs), AT_ONCE):
        if wanted is not None and len(right) >= wanted:
            break
        say(f"Asking {name}", start / len(tried.pairs))
        some = replace(tried, pairs=tried.pairs[start : start + AT_ONCE])
        asked = _run(model, some, settings)
        answered = zip(asked.batch.task.pairs, asked.clean.correct_per_pair, strict=True)
        right += [pair for pair, is_right in answered if is_right]
    if not right:
        raise WorkbenchError(
            f"{model.name} answers none of {len(tried.pairs):,} pairs of {tried.name} rightly."
        )
    note = f"Only pairs that {model.name} answers rightly."
    return replace(tried, pairs=tuple(right[:wanted]), notes=(*tried.notes, note))


def _as_many_as_there_are(
    name: str, model: Model, wanted: int, settings: ExperimentSettings
) -> Task:
    """A built-in task with up to `MOST_TRIED` pairs; some have fewer."""
    pairs = max(wanted, MOST_TRIED)
    while True:
        try:
            return load_task(name, model, pairs=pairs, seed=settings.seed, metric=settings.metric)
        except WorkbenchError:
            if pairs <= 1:
                raise
            pairs //= 2


def _run(model: Model, task: Task, settings: ExperimentSettings) -> Experiment:
    from workbench.base.failures import memory_errors
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import make_batch

    with memory_errors(NO_MEMORY):
        batch = make_batch(
            task,
            model.tokenizer,
            prepend_bos=settings.bos,
            device=model.device,
            mismatch=settings.mismatch,
        )
        return Experiment(model, batch, metric=settings.metric or task.metric)
