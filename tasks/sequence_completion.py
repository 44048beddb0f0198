"""Sequence completion: a pattern of three names, said three times and begun a fourth time.

The logit of the name that comes next minus the mean logit of the pattern's other names and of the
name that the corrupted prompt has in its place.
"""

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer
from tasks.words import NAMES

NAME = "sequence-completion"
METRIC = "logit_diff"
DESCRIPTION = (
    "A pattern of names that repeats: the logit of the next one minus the mean logit of the others."
)
PATTERN = 3
TIMES = 3
"""How often the whole pattern stands before it breaks off."""
HEADER = "List:"


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    names = whole(NAME, "names", tokenizer, NAMES, HEADER, PATTERN + 1)
    n = len(names)
    radices = tuple(n - taken for taken in range(PATTERN + 1))
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int) -> Pair:
        left = list(names)
        *pattern, other = (left.pop(index) for index in digits(number, *radices))
        return marked_pair(
            clean=_prompt(pattern),
            corrupted=_prompt([*pattern[:-1], other]),
            answers=(f" {pattern[-1]}",),
            wrong_answers=tuple(f" {name}" for name in (*pattern[:-1], other)),
        )

    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, ((size, pair),)),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {name}" for name in sorted(names)),
        notes=("Corrupted: another name in place of the pattern's last.",),
        seed=seed,
    )


def _prompt(pattern: list[str]) -> str:
    # The name that is wanted, and the one before it, in each time that the pattern stands whole.
    whole = [word for n in range(TIMES) for word in _time(pattern, n + 1)]
    return " ".join([HEADER, *whole, *pattern[:-1]])


def _time(pattern: list[str], number: int) -> list[str]:
    *rest, before, wanted = pattern
    return [*rest, role(f"before{number}", before), role(f"wanted{number}", wanted)]


EXAMPLE = marked_pair(
    clean=_prompt(["Mary", "John", "Paul"]),
    corrupted=_prompt(["Mary", "John", "Anna"]),
    answers=(" Paul",),
    wrong_answers=(" Mary", " John", " Anna"),
)
SEQUENCE_COMPLETION = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
