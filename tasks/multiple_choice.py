"""Multiple choice: a color that the question itself tells, to be answered by its letter.

As in the copy-colors questions of Wiegreffe et al. 2024 (arXiv 2407.15018): no knowledge is needed,
only to find the right choice and to write its letter.  The logit of this letter minus the mean
logit of the others; the corrupted prompt has the same choices in an order in which another letter
is right.
"""

from tasks.built_in import BuiltIn
from tasks.colored_objects import COLORS, OBJECTS
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer

NAME = "multiple-choice"
METRIC = "logit_diff"
DESCRIPTION = (
    "The letter of the right one of four choices: its logit minus the mean logit of the other "
    "three letters."
)
LETTERS = ("A", "B", "C", "D")


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs; every letter is right about as often.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    size = len(LETTERS)
    letters = whole(NAME, "letters", tokenizer, LETTERS, "Answer:", size)
    colors = whole(NAME, "colors", tokenizer, COLORS, "is", size)
    objects = whole(NAME, "objects", tokenizer, OBJECTS, "The", 1)
    radices = (
        *(len(colors) - taken for taken in range(size)),
        *(len(objects), size - 1),
    )
    total = 1
    for radix in radices:
        total *= radix

    def pair(number: int, right: int) -> Pair:
        *chosen, thing, further = digits(number, *radices)
        left = list(colors)
        choices = [left.pop(index) for index in chosen]
        turned = 1 + further
        moved = [*choices[-turned:], *choices[:-turned]]
        asked = choices[right]
        return marked_pair(
            clean=_prompt(objects[thing], asked, choices),
            corrupted=_prompt(objects[thing], asked, moved),
            answers=(f" {letters[right]}",),
            wrong_answers=tuple(f" {x}" for i, x in enumerate(letters) if i != right),
        )

    variants = tuple(
        (total, lambda number, right=right: pair(number, right)) for right in range(size)
    )
    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, variants),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {letter}" for letter in letters),
        notes=("The four letters take turns; corrupted: the same choices, turned round.",),
        seed=seed,
    )


def _prompt(thing: str, color: str, choices: list[str]) -> str:
    listed = "\n".join(
        f"{role('letter', x)}. {role('choice', choice)}" if choice == color else f"{x}. {choice}"
        for x, choice in zip(LETTERS, choices, strict=True)
    )
    told = f"Question: The {thing} is {role('color', color)}."
    return f"{told} What color is the {thing}?\n{listed}\nAnswer:"


EXAMPLE = marked_pair(
    clean=_prompt("ball", "red", ["blue", "red", "green", "black"]),
    corrupted=_prompt("ball", "red", ["black", "blue", "red", "green"]),
    answers=(" B",),
    wrong_answers=(" A", " C", " D"),
)
MULTIPLE_CHOICE = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
