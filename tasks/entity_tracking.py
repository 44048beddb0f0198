"""Entity tracking: what a box holds after something was moved.

After Kim & Schuster 2023 (arXiv 2305.02363).  Three items are in three boxes, then the contents of
two boxes change places, and one of these two is asked for: the logit of the item that is in it now
minus the mean logit of the other two.  In the corrupted prompt the other pair of boxes with the
same first one is exchanged, so that another item is in the box that is asked for.
"""

from tasks.built_in import BuiltIn
from tasks.entity_binding import BOXES, ITEMS, SHOWN, contents
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer

NAME = "entity-tracking"
METRIC = "logit_diff"
DESCRIPTION = (
    "What is in a box after two boxes have exchanged their contents: its logit minus the mean "
    "logit of the other items."
)


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs; the boxes that are asked for take turns.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    items = whole(NAME, "items", tokenizer, ITEMS, "the", 2 * SHOWN)
    boxes = whole(NAME, "letters", tokenizer, BOXES, "in box", 2 * SHOWN)
    radices = (
        *(len(items) - taken for taken in range(SHOWN)),
        *(len(boxes) - taken for taken in range(SHOWN)),
        2,
    )
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int, asked: int) -> Pair:
        *chosen, further = digits(number, *radices)
        left_items, left_boxes = list(items), list(boxes)
        things = [left_items.pop(index) for index in chosen[:SHOWN]]
        letters = [left_boxes.pop(index) for index in chosen[SHOWN:]]
        partner, third = ((asked + 1 + step) % SHOWN for step in (further, 1 - further))
        return marked_pair(
            clean=_prompt(things, letters, asked, partner),
            corrupted=_prompt(things, letters, asked, third),
            answers=(f" {things[partner]}",),
            wrong_answers=tuple(f" {thing}" for i, thing in enumerate(things) if i != partner),
        )

    variants = tuple((size, lambda k, asked=asked: pair(k, asked)) for asked in range(SHOWN))
    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, variants),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {item}" for item in sorted(items)),
        notes=("Corrupted: the box that is asked for has exchanged with the third one.",),
        seed=seed,
    )


def _prompt(things: list[str], letters: list[str], asked: int, partner: int) -> str:
    one, other = letters[asked], letters[partner]
    moved = f"box {role('moved1', one)} and box {role('moved2', other)} change places."
    told = contents(things, letters, partner, asked)
    return f"{told} The things in {moved} Now box {role('asked', one)} contains the"


EXAMPLE = marked_pair(
    clean=_prompt(["key", "cup", "map"], ["F", "Q", "T"], 0, 1),
    corrupted=_prompt(["key", "cup", "map"], ["F", "Q", "T"], 0, 2),
    answers=(" cup",),
    wrong_answers=(" key", " map"),
)
ENTITY_TRACKING = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
