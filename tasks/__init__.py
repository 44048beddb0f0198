"""Tasks: what a model is asked to do, as pairs of prompts with answers and a metric.

One file a task.  A task is text; the tokenizer is asked only which words are single tokens.
"""

from tasks.arithmetic import ARITHMETIC_TASKS
from tasks.brackets import BRACKETS
from tasks.built_in import BuiltIn
from tasks.capitals import CAPITAL_TASKS
from tasks.colored_objects import COLORED_OBJECTS
from tasks.docstring import DOCSTRING
from tasks.entity_binding import ENTITY_BINDING
from tasks.entity_tracking import ENTITY_TRACKING
from tasks.gender_bias import GENDER_BIAS
from tasks.greater_than import GREATER_THAN_TASKS
from tasks.hypernymy import HYPERNYMY
from tasks.induction import INDUCTION
from tasks.ioi import IOI_TASKS
from tasks.multiple_choice import MULTIPLE_CHOICE
from tasks.pair import Pair
from tasks.parentheses import PARENTHESES_TASKS
from tasks.sequence_completion import SEQUENCE_COMPLETION
from tasks.subject_verb_agreement import AGREEMENT_TASKS
from tasks.successor import SUCCESSOR_TASKS
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer

__all__ = ["TASKS", "BuiltIn", "Pair", "Task", "TaskError", "Tokenizer", "make_task"]

_FIRST = (GREATER_THAN_TASKS[0], AGREEMENT_TASKS[0], IOI_TASKS[0], INDUCTION)
"""Those of the bundled models and of the tutorial stand first."""
TASKS: dict[str, BuiltIn] = {
    task.name: task
    for task in (
        *_FIRST,
        *IOI_TASKS[1:],
        *AGREEMENT_TASKS[1:],
        *GREATER_THAN_TASKS[1:],
        DOCSTRING,
        GENDER_BIAS,
        *CAPITAL_TASKS,
        HYPERNYMY,
        *SUCCESSOR_TASKS,
        SEQUENCE_COMPLETION,
        COLORED_OBJECTS,
        MULTIPLE_CHOICE,
        ENTITY_BINDING,
        ENTITY_TRACKING,
        *PARENTHESES_TASKS,
        BRACKETS,
        *ARITHMETIC_TASKS,
    )
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
