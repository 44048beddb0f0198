"""Successor: what comes after, among days, months and letters.

As in Gould et al. 2023 (arXiv 2312.09230).  Three in a row are given and the fourth is wanted:
its logit minus the mean logit of all the others.  The corrupted prompt has three others in no
order: no two neighbors of it follow one another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer

METRIC = "logit_diff"
GIVEN = 3
NAMED = ("first", "second", "third")
"""How many are named before the one that is wanted."""


@dataclass(frozen=True)
class Order:
    """Things in an order.

    Attributes:
        kind: what they are, in the plural.
        words: all of them.
        turns: whether the first follows the last.
        header: what stands before them.
    """

    kind: str
    words: tuple[str, ...]
    turns: bool
    header: str

    def prompt(self, words: tuple[str, ...]) -> str:
        """These words as a list that goes on."""
        named = [role(name, word) for name, word in zip(NAMED, words, strict=True)]
        return f"{self.header} " + ", ".join(named) + ","

    def follows(self, one: str, other: str) -> bool:
        """Whether `other` comes right after `one`."""
        place = self.words.index(one) + 1
        if place == len(self.words):
            return self.turns and other == self.words[0]
        return other == self.words[place]


DAYS = Order(
    "days",
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    True,
    "Days:",
)
MONTHS = Order(
    "months",
    (
        "January", "February", "March", "April", "May", "June", "July", "August", "September",
        "October", "November", "December",
    ),
    True,
    "Months:",
)  # fmt: skip
LETTERS = Order("letters", tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), False, "Letters:")


def _maker(name: str, description: str, order: Order) -> Callable[[Tokenizer, int, int], Task]:
    words = order.words
    size = len(words)
    starts = size if order.turns else size - GIVEN

    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        """`n_pairs` distinct pairs.

        Raises:
            TaskError: one of the words is no token, or there are not so many pairs.
        """
        whole(name, order.kind, tokenizer, words, order.header, size)
        radices = (starts, size, size, size)

        def pair(number: int) -> Pair | None:
            start, *others = digits(number, *radices)
            given = tuple(words[(start + step) % size] for step in range(GIVEN))
            counter = tuple(words[other] for other in others)
            neighbors = pairwise(counter)
            if len(set(counter)) < GIVEN or any(order.follows(a, b) for a, b in neighbors):
                return None
            right = words[(start + GIVEN) % size]
            return marked_pair(
                clean=order.prompt(given),
                corrupted=order.prompt(counter),
                answers=(f" {right}",),
                wrong_answers=tuple(f" {word}" for word in words if word != right),
            )

        total = starts * size**GIVEN
        return Task(
            name=name,
            pairs=draw_fitting(name, tokenizer, n_pairs, seed, ((total, pair),)),
            metric=METRIC,
            description=description,
            answer_space=tuple(f" {word}" for word in words),
            notes=("Corrupted: three others, of which none follows the one before it.",),
            seed=seed,
        )

    return make


def _built_in(order: Order) -> BuiltIn:
    name = f"successor-{order.kind}"
    description = (
        f"Three {order.kind} in a row: the logit of the one that follows minus the mean logit of "
        "the others."
    )
    a, b, c, d, e, *_ = order.words
    example = marked_pair(
        order.prompt((a, b, c)), order.prompt((e, a, d)), (f" {d}",), (f" {a}", f" {b}", f" {e}")
    )
    return BuiltIn(name, METRIC, description, example, _maker(name, description, order))


SUCCESSOR_TASKS = tuple(_built_in(order) for order in (DAYS, MONTHS, LETTERS))
