"""Entity binding: which item is in which box.

After Feng & Steinhardt 2023 (arXiv 2310.17191) and Prakash et al. 2024 (arXiv 2402.14811).  Three
items are said to be in three boxes, and one of the boxes is asked for: the logit of its item minus
the mean logit of the other two.  The corrupted prompt asks for another of the boxes.
"""

from tasks.boxes import SHOWN, about_boxes, contents, pair_about
from tasks.pair import Pair
from tasks.roles import role


def _pair(things: list[str], letters: list[str], asked: int, further: int) -> Pair:
    def prompt(box: int) -> str:
        told = contents(things, letters, box, box)
        return f"{told} Box {role('asked', letters[box])} contains the"

    other = (asked + 1 + further) % SHOWN
    return pair_about(prompt(asked), prompt(other), things, asked)


ENTITY_BINDING = about_boxes(
    "entity-binding",
    "Which item is in the box that is asked for: its logit minus the mean logit of the other "
    "items.",
    "The places asked for take turns; corrupted: another of the boxes is asked for.",
    _pair,
    asked=1,
)
