"""Entity binding: which item is in which box.

After Feng & Steinhardt 2023 (arXiv 2310.17191) and Prakash et al. 2024 (arXiv 2402.14811).  Three
items are said to be in three boxes, and one of the boxes is asked for: the logit of its item minus
the mean logit of the other two.  The corrupted prompt asks for another of the boxes.
"""

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer

NAME = "entity-binding"
METRIC = "logit_diff"
DESCRIPTION = (
    "Which item is in the box that is asked for: its logit minus the mean logit of the other items."
)
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


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    items = whole(NAME, "items", tokenizer, ITEMS, "the", 2 * SHOWN)
    boxes = whole(NAME, "letters", tokenizer, BOXES, "in box", 2 * SHOWN)
    n, m = len(items), len(boxes)
    radices = (
        *(n - taken for taken in range(SHOWN)),
        *(m - taken for taken in range(SHOWN)),
        SHOWN - 1,
    )
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int, asked: int) -> Pair:
        *chosen, further = digits(number, *radices)
        left_items, left_boxes = list(items), list(boxes)
        things = [left_items.pop(index) for index in chosen[:SHOWN]]
        letters = [left_boxes.pop(index) for index in chosen[SHOWN:]]
        return marked_pair(
            clean=_prompt(things, letters, asked),
            corrupted=_prompt(things, letters, (asked + 1 + further) % SHOWN),
            answers=(f" {things[asked]}",),
            wrong_answers=tuple(f" {thing}" for i, thing in enumerate(things) if i != asked),
        )

    variants = tuple((size, lambda k, asked=asked: pair(k, asked)) for asked in range(SHOWN))
    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, variants),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {item}" for item in sorted(items)),
        notes=("The places asked for take turns; corrupted: another of the boxes is asked for.",),
        seed=seed,
    )


def contents(things: list[str], letters: list[str], wanted: int, box: int) -> str:
    """What is where, as one sentence; the thing that is wanted and a box have their roles."""
    said = [
        f"he {role('thing', thing) if n == wanted else thing} is in box "
        f"{role('box', letter) if n == box else letter}"
        for n, (thing, letter) in enumerate(zip(things, letters, strict=True))
    ]
    return f"T{', t'.join(said[:-1])}, and t{said[-1]}."


def _prompt(things: list[str], letters: list[str], asked: int) -> str:
    told = contents(things, letters, asked, asked)
    return f"{told} Box {role('asked', letters[asked])} contains the"


EXAMPLE = marked_pair(
    clean=_prompt(["key", "cup", "map"], ["F", "Q", "T"], 1),
    corrupted=_prompt(["key", "cup", "map"], ["F", "Q", "T"], 2),
    answers=(" cup",),
    wrong_answers=(" key", " map"),
)
ENTITY_BINDING = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
