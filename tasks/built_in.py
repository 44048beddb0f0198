"""BuiltIn: a task that is made for a tokenizer, before it is made."""

from collections.abc import Callable
from dataclasses import dataclass

from tasks.pair import Pair
from tasks.task import Task
from tasks.tokens import Tokenizer


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
