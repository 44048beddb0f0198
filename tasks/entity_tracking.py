"""Entity tracking: what a box holds after something was moved.

After Kim & Schuster 2023 (arXiv 2305.02363).  Three items are in three boxes, then the contents of
two boxes change places, and one of these two is asked for: the logit of the item that is in it now
minus the mean logit of the other two.  In the corrupted prompt the other pair of boxes with the
same first one is exchanged, so that another item is in the box that is asked for.
"""

from tasks.boxes import SHOWN, about_boxes, contents, pair_about
from tasks.pair import Pair
from tasks.roles import role


def _pair(things: list[str], letters: list[str], asked: int, further: int) -> Pair:
    def prompt(partner: int) -> str:
        one, other = letters[asked], letters[partner]
        moved = f"box {role('moved1', one)} and box {role('moved2', other)} change places."
        told = contents(things, letters, partner, asked)
        return f"{told} The things in {moved} Now box {role('asked', one)} contains the"

    partner, third = ((asked + 1 + step) % SHOWN for step in (further, 1 - further))
    return pair_about(prompt(partner), prompt(third), things, partner)


ENTITY_TRACKING = about_boxes(
    "entity-tracking",
    "What is in a box after two boxes have exchanged their contents: its logit minus the mean "
    "logit of the other items.",
    "Corrupted: the box that is asked for has exchanged with the third one.",
    _pair,
    asked=0,
)
