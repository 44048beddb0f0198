"""Indirect object identification: the name that was not repeated is to be predicted.

"When Mary and John went to the store, John gave a drink to" wants Mary. Wang et al. 2022 (arXiv
2211.00593).  The name that was not repeated, the indirect object (IO), has to be predicted:
logit(IO) - logit(S).  Half of the prompts name the indirect object first (ABBA), half the subject
(BABA).  The corrupted prompt has a third name for the second subject, so that neither name is
repeated.
"""

from tasks.pair import Pair
from tasks.sampling import digits, draw_pairs
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token
from tasks.words import DESTINATIONS, GIVING, NAMES, OBJECTS, OPENINGS

NAME = "ioi"
METRIC = "logit_diff"
DESCRIPTION = (
    "Of two names the one that is not repeated receives something: the logit of the indirect "
    "object minus that of the subject."
)
EXAMPLE = Pair(
    clean="When Mary and John went to the store, John gave a drink to",
    corrupted="When Mary and John went to the store, Paul gave a drink to",
    answers=(" Mary",),
    wrong_answers=(" John",),
)


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs of the same length in tokens; ABBA and BABA take turns.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """

    def whole(words: tuple[str, ...], after: str) -> list[str]:
        kept = [word for word in words if single_token(tokenizer, after, f" {word}") is not None]
        if not kept:
            raise TaskError(f"{NAME} finds no word like {words[0]!r} among the tokenizer's tokens.")
        return kept

    names = whole(NAMES, "When")
    if len(names) < 3:
        raise TaskError(f"{NAME} needs three names that are single tokens: {names} are too few.")
    openings = [word for word in OPENINGS if single_token(tokenizer, "\n", word) is not None]
    openings = openings or [OPENINGS[0]]
    places, verbs = whole(DESTINATIONS, "to the"), whole(GIVING, "John")
    objects = whole(OBJECTS, "gave a")
    n = len(names)
    radices = (n, n - 1, n - 2, len(openings), len(places), len(verbs), len(objects))
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int, io_first: bool) -> Pair:
        *chosen, opening, place, verb, thing = digits(number, *radices)
        left = list(names)
        io, subject, third = (left.pop(index) for index in chosen)
        first, second = (io, subject) if io_first else (subject, io)
        start = f"{openings[opening]} {first} and {second} went to the {places[place]},"
        end = f" {verbs[verb]} a {objects[thing]} to"
        return Pair(
            clean=f"{start} {subject}{end}",
            corrupted=f"{start} {third}{end}",
            answers=(f" {io}",),
            wrong_answers=(f" {subject}",),
        )

    variants = ((size, lambda k: pair(k, True)), (size, lambda k: pair(k, False)))
    return Task(
        name=NAME,
        pairs=draw_pairs(NAME, n_pairs, seed, variants),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {name}" for name in sorted(names)),
        notes=("ABBA and BABA prompts take turns; corrupted: the second subject is a third name.",),
        seed=seed,
    )
