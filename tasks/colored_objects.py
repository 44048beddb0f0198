"""Colored objects: of three objects the color of the one that is asked for.

After a task of BIG-bench, as used by Merullo, Eickhoff & Pavlick 2023 (arXiv 2310.08744): one
question with its answer, then one without.  The logit of the right color minus the mean logit of
the other two; the corrupted prompt asks for another of the same objects.
"""

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer

NAME = "colored-objects"
METRIC = "logit_diff"
DESCRIPTION = (
    "Of three colored objects one is asked for: the logit of its color minus the mean logit of the "
    "other two."
)
COLORS = (
    "red", "blue", "green", "yellow", "black", "white", "brown", "purple", "orange", "pink",
    "gray", "silver", "gold",
)  # fmt: skip
OBJECTS = (
    "pen", "cup", "book", "ball", "key", "box", "bag", "plate", "bottle", "phone", "ring", "card",
    "hat", "lamp", "bowl", "pencil", "coin", "knife", "candle", "toy", "shirt", "clock", "ticket",
    "glove", "puzzle", "mug", "stone", "letter",
)  # fmt: skip
SHOWN = 3
"""Objects of a question."""


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    colors = whole(NAME, "colors", tokenizer, COLORS, "there is a", 2 * SHOWN)
    objects = whole(NAME, "objects", tokenizer, OBJECTS, "the red", 2 * SHOWN)
    n, m = len(colors), len(objects)
    radices = (
        *(n - taken for taken in range(2 * SHOWN)),
        *(m - taken for taken in range(2 * SHOWN)),
        *(SHOWN, SHOWN, SHOWN - 1),
    )
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int) -> Pair:
        *chosen, shown, asked, further = digits(number, *radices)
        left_colors, left_objects = list(colors), list(objects)
        drawn = [left_colors.pop(index) for index in chosen[: 2 * SHOWN]]
        things = [left_objects.pop(index) for index in chosen[2 * SHOWN :]]
        first = _question(drawn[:SHOWN], things[:SHOWN], shown) + f" {drawn[shown]}\n"
        own, what = drawn[SHOWN:], things[SHOWN:]
        return marked_pair(
            clean=first + _question(own, what, asked, named=True),
            corrupted=first + _question(own, what, (asked + 1 + further) % SHOWN),
            answers=(f" {own[asked]}",),
            wrong_answers=tuple(f" {color}" for i, color in enumerate(own) if i != asked),
        )

    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, ((size, pair),)),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {color}" for color in sorted(colors)),
        notes=(
            "One question with its answer comes first; corrupted: another object is asked for.",
        ),
        seed=seed,
    )


def _question(colors: list[str], things: list[str], asked: int, *, named: bool = False) -> str:
    """A question; `named` marks the roles of what is asked for."""
    said = []
    for n, (color, thing) in enumerate(zip(colors, things, strict=True)):
        article = "an" if color[0] in "aeiou" else "a"
        if named and n == asked:
            color, thing = role("color", color), role("thing", thing)
        said.append(f"{article} {color} {thing}")
    a, b, c = said
    last = role("asked", things[asked]) if named else things[asked]
    return f"Q: On the desk there is {a}, {b} and {c}. What color is the {last}?\nA:"


EXAMPLE = Pair(
    clean=_question(["red", "blue", "green"], ["pen", "cup", "book"], 1)
    + " blue\n"
    + _question(["black", "white", "pink"], ["ball", "key", "box"], 0),
    corrupted=_question(["red", "blue", "green"], ["pen", "cup", "book"], 1)
    + " blue\n"
    + _question(["black", "white", "pink"], ["ball", "key", "box"], 2),
    answers=(" black",),
    wrong_answers=(" white", " pink"),
)
COLORED_OBJECTS = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
