"""Indirect object identification: the name that was not repeated is to be predicted.

"When Mary and John went to the store, John gave a drink to" wants Mary. Wang et al. 2022 (arXiv
2211.00593).  The name that was not repeated, the indirect object (IO), has to be predicted:
logit(IO) - logit(S).  Half of the prompts name the indirect object first (ABBA), half the subject
(BABA).  The corrupted prompt has a third name for the second subject, so that neither name is
repeated.

Besides `ioi` there is one task for each order, and two corruptions more: the indirect object in the
second subject's place, so that the other name is wanted (`ioi-flipped`), and three other names
(`ioi-other-names`).
"""

from dataclasses import dataclass

from tasks.built_in import BuiltIn
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits, draw_pairs
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token
from tasks.words import DESTINATIONS, GIVING, NAMES, OBJECTS, OPENINGS

METRIC = "logit_diff"


@dataclass(frozen=True)
class Variety:
    """Which orders and which corruption.

    Attributes:
        name, description: of the task.
        orders: whether the indirect object is named first, order by order; they take turns.
        third_names: how many names the corrupted prompt brings: one for the second subject, three
            for all, or none where the indirect object stands in the second subject's place.
        note: what the reader of a result has to know.
    """

    name: str
    description: str
    orders: tuple[bool, ...]
    third_names: int
    note: str


ABBA, BABA = True, False
IOI = Variety(
    "ioi",
    "Of two names the one that is not repeated receives something: the logit of the indirect "
    "object minus that of the subject.",
    (ABBA, BABA),
    1,
    "ABBA and BABA prompts take turns; corrupted: the second subject is a third name.",
)
VARIETIES = (
    IOI,
    Variety(
        "ioi-abba",
        "IOI whose indirect object is always named first: its logit minus that of the subject.",
        (ABBA,),
        1,
        "Corrupted: the second subject is a third name.",
    ),
    Variety(
        "ioi-baba",
        "IOI whose subject is always named first: the indirect object's logit minus the subject's.",
        (BABA,),
        1,
        "Corrupted: the second subject is a third name.",
    ),
    Variety(
        "ioi-flipped",
        "IOI against prompts that want the other name: the indirect object's logit minus the "
        "subject's.",
        (ABBA, BABA),
        0,
        "ABBA and BABA prompts take turns; corrupted: the indirect object in the second subject's "
        "place.",
    ),
    Variety(
        "ioi-other-names",
        "IOI against prompts of three other names: the indirect object's logit minus the "
        "subject's.",
        (ABBA, BABA),
        3,
        "ABBA and BABA prompts take turns; corrupted: three other names, none of them repeated.",
    ),
)


def _make(variety: Variety, tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs of the same length in tokens; the orders take turns.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    name, thirds = variety.name, variety.third_names

    def whole(words: tuple[str, ...], after: str) -> list[str]:
        kept = [word for word in words if single_token(tokenizer, after, f" {word}") is not None]
        if not kept:
            raise TaskError(f"{name} finds no word like {words[0]!r} among the tokenizer's tokens.")
        return kept

    names = whole(NAMES, "When")
    if len(names) < 2 + thirds:
        needed = {2: "two", 3: "three", 5: "five"}[2 + thirds]
        raise TaskError(f"{name} needs {needed} names that are single tokens: {names} are too few.")
    openings = [word for word in OPENINGS if single_token(tokenizer, "\n", word) is not None]
    openings = openings or [OPENINGS[0]]
    places, verbs = whole(DESTINATIONS, "to the"), whole(GIVING, "John")
    objects = whole(OBJECTS, "gave a")
    n = len(names)
    of_names = tuple(n - taken for taken in range(2 + thirds))
    radices = (*of_names, len(openings), len(places), len(verbs), len(objects))
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int, io_first: bool) -> Pair:
        *chosen, opening, place, verb, thing = digits(number, *radices)
        left = list(names)
        io, subject, *others = (left.pop(index) for index in chosen)
        first, second = (io, subject) if io_first else (subject, io)
        # The corrupted prompt's names in their order.
        named = {
            0: (first, second, io),
            1: (first, second, *others),
            3: tuple(others),
        }[thirds]

        def said(one: str, two: str, again: str) -> str:
            name_one, name_two = ("IO", "S1") if io_first else ("S1", "IO")
            after_one, after_two = " and", " went"
            if io_first:
                after_two = role("S1+1", after_two)
            else:
                after_one = role("S1+1", after_one)
            return (
                f"{openings[opening]} {role(name_one, one)}{after_one} {role(name_two, two)}"
                f"{after_two} to the {places[place]}, {role('S2', again)} {verbs[verb]} a "
                f"{objects[thing]} to"
            )

        return marked_pair(
            clean=said(first, second, subject),
            corrupted=said(*named),
            answers=(f" {io}",),
            wrong_answers=(f" {subject}",),
        )

    variants = tuple(
        (size, lambda number, order=order: pair(number, order)) for order in variety.orders
    )
    return Task(
        name=name,
        pairs=draw_pairs(name, n_pairs, seed, variants),
        metric=METRIC,
        description=variety.description,
        answer_space=tuple(f" {one}" for one in sorted(names)),
        notes=(variety.note,),
        seed=seed,
    )


def _built_in(variety: Variety) -> BuiltIn:
    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        return _make(variety, tokenizer, n_pairs, seed)

    first = "When Mary and John" if variety.orders[0] is ABBA else "When John and Mary"
    rest = {
        0: f"{first} went to the store, Mary gave a drink to",
        1: f"{first} went to the store, Paul gave a drink to",
        3: "When Anna and Paul went to the store, Mark gave a drink to",
    }[variety.third_names]
    example = Pair(
        clean=f"{first} went to the store, John gave a drink to",
        corrupted=rest,
        answers=(" Mary",),
        wrong_answers=(" John",),
    )
    return BuiltIn(variety.name, METRIC, variety.description, example, make)


IOI_TASKS = tuple(_built_in(variety) for variety in VARIETIES)
