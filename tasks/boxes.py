"""Things in boxes, one of which is asked for.

What entity binding and entity tracking share.
"""

from collections.abc import Callable
from math import prod

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer

METRIC = "logit_diff"
ITEMS = (
    "apple", "ball", "bell", "book", "bread", "brush", "cake", "camera", "card", "clock", "coat",
    "coin", "cup", "cross", "doll", "drink", "drum", "egg", "fan", "flower", "glass", "guitar",
    "hat", "jar", "key", "knife", "lamp", "letter", "magnet", "map", "mirror", "paper", "pen",
    "phone", "plate", "radio", "ring", "rope", "shirt", "shoe", "stone", "ticket", "toy", "watch",
    "wire",
)  # fmt: skip
BOXES = tuple("BCDEFGHJKLMNPQRSTVWXZ")
"""Letters that are no word, and not the first, with which lists begin."""
SHOWN = 3
EXAMPLE = ["key", "cup", "map"], ["F", "Q", "T"]

Question = Callable[[list[str], list[str], int, int], Pair]
"""A pair of so many things, their boxes' letters, which box is asked for, and which of the two
other boxes makes the difference (0 or 1)."""


def contents(things: list[str], letters: list[str], wanted: int, box: int) -> str:
    """What is where, as one sentence; the thing that is wanted and a box have their roles."""
    said = [
        f"he {role('thing', thing) if n == wanted else thing} is in box "
        f"{role('box', letter) if n == box else letter}"
        for n, (thing, letter) in enumerate(zip(things, letters, strict=True))
    ]
    return f"T{', t'.join(said[:-1])}, and t{said[-1]}."


def pair_about(clean: str, corrupted: str, things: list[str], right: int) -> Pair:
    """A pair whose answer is one of the things, and whose wrong answers are the others."""
    wrong = tuple(f" {thing}" for i, thing in enumerate(things) if i != right)
    return marked_pair(clean, corrupted, (f" {things[right]}",), wrong)


def about_boxes(name: str, description: str, note: str, question: Question, asked: int) -> BuiltIn:
    """A task whose pairs ask this question; the boxes that are asked for take turns.

    In the example the box `asked` is.

    Making it raises `TaskError` where too few of the words are tokens, or there are not so many
    pairs.
    """

    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        items = whole(name, "items", tokenizer, ITEMS, "the", 2 * SHOWN)
        boxes = whole(name, "letters", tokenizer, BOXES, "in box", 2 * SHOWN)
        radices = (
            *(len(items) - taken for taken in range(SHOWN)),
            *(len(boxes) - taken for taken in range(SHOWN)),
            SHOWN - 1,
        )

        def pair(number: int, asked: int) -> Pair:
            *chosen, further = digits(number, *radices)
            left_items, left_boxes = list(items), list(boxes)
            things = [left_items.pop(index) for index in chosen[:SHOWN]]
            letters = [left_boxes.pop(index) for index in chosen[SHOWN:]]
            return question(things, letters, asked, further)

        size = prod(radices)
        variants = tuple((size, lambda k, asked=asked: pair(k, asked)) for asked in range(SHOWN))
        return Task(
            name=name,
            pairs=draw_fitting(name, tokenizer, n_pairs, seed, variants),
            metric=METRIC,
            description=description,
            answer_space=tuple(f" {item}" for item in sorted(items)),
            notes=(note,),
            seed=seed,
        )

    return BuiltIn(name, METRIC, description, question(*EXAMPLE, asked, 0), make)
