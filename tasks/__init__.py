"""Tasks: what a model is asked to do, as pairs of prompts with answers and a metric.

One file a task.  A task is text; the tokenizer is asked only which words are single tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tasks import greater_than, induction, ioi, subject_verb_agreement
from tasks.pair import Pair
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer

__all__ = ["TASKS", "BuiltIn", "Pair", "Task", "TaskError", "Tokenizer", "make_task"]


@dataclass(frozen=True)
class BuiltIn:
    """A built-in task before it is made; call it with (tokenizer, n_pairs, seed) for the Task.

    Attributes:
        name: as typed on the command line.
        metric: the metric it is meant for.
        description: one sentence.
        example: a pair as it looks with a tokenizer of two-digit years; its answers are a few of
            them only.
        make: the generator.
    """

    name: str
    metric: str
    description: str
    example: Pair
    make: Callable[[Tokenizer, int, int], Task]

    def __call__(self, tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        """The task for this tokenizer, of so many pairs."""
        return self.make(tokenizer, n_pairs, seed)


TASKS: dict[str, BuiltIn] = {
    module.NAME: BuiltIn(
        module.NAME, module.METRIC, module.DESCRIPTION, module.EXAMPLE, module.make
    )
    for module in (greater_than, subject_verb_agreement, ioi, induction)
}


def make_task(name: str, tokenizer: Tokenizer, n_pairs: int = 32, seed: int = 0) -> Task:
    """The built-in task `name` with `n_pairs` distinct pairs, the same for the same seed.

    More pairs of the same seed begin with the same pairs.

    Raises:
        TaskError: no such task, or it cannot be made with this tokenizer or of this size.
    """
    if name not in TASKS:
        raise TaskError(f"There is no task {name!r}: choose one of {', '.join(TASKS)}.")
    return TASKS[name](tokenizer, n_pairs, seed)
