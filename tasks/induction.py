"""Induction: "List: box cup door key box" wants "cup", which followed "box" before.

Olsson et al. 2022 (arXiv 2209.11895): A B ... A -> B, which takes a head that moves every token to
the next position and one that finds it there.  The words of a list are all different and drawn at
random, so that nothing but the list itself helps.  The metric is the logit of the word that
followed minus the mean logit of the other words of the list; the corrupted prompt is another list,
of which no word stands in the clean one, and repeats a word of another place.
"""

from tasks.built_in import BuiltIn
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits, draw_pairs
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token
from tasks.words import PEOPLE, PLACES, THINGS

NAME = "induction"
METRIC = "logit_diff"
DESCRIPTION = (
    "A list of random words, then one of them again: the logit of the word that followed it minus "
    "the mean logit of the list's other words."
)
EXAMPLE = Pair(
    clean="List: box teacher lamp car judge cup bed door box",
    corrupted="List: girl stone wall actor key boy desk ring wall",
    answers=(" teacher",),
    wrong_answers=(" box", " lamp", " car", " judge", " cup", " bed", " door"),
)
HEADER = "List:"
LENGTH = 8
"""Words of a list before one of them is repeated."""


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs of the same length in tokens.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    nouns = dict.fromkeys(forms[0] for forms in (*THINGS, *PLACES, *PEOPLE))
    known = [word for word in nouns if single_token(tokenizer, HEADER, f" {word}") is not None]
    if len(known) < 2 * LENGTH:
        raise TaskError(
            f"{NAME} needs {2 * LENGTH} nouns that are single tokens, and this tokenizer has "
            f"{len(known)} of its list."
        )
    radices = tuple(len(known) - taken for taken in range(2 * LENGTH))
    places = LENGTH - 1  # the last word is followed by nothing
    size = places * (places - 1)
    for radix in radices:
        size *= radix

    def pair(number: int) -> Pair:
        *chosen, place, further = digits(number, *radices, places, places - 1)
        left = list(known)
        drawn = [left.pop(index) for index in chosen]
        clean, corrupted = drawn[:LENGTH], drawn[LENGTH:]
        return marked_pair(
            clean=_prompt(clean, place),
            corrupted=_prompt(corrupted, (place + 1 + further) % places),
            answers=(f" {clean[place + 1]}",),
            wrong_answers=tuple(f" {w}" for n, w in enumerate(clean) if n != place + 1),
        )

    return Task(
        name=NAME,
        pairs=draw_pairs(NAME, n_pairs, seed, ((size, pair),)),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {word}" for word in sorted(known)),
        notes=("Corrupted: a list of other words, with the repeat in another place.",),
        seed=seed,
    )


def _prompt(words: list[str], place: int) -> str:
    named = {place: "first", place + 1: "next"}
    said = [role(named[n], word) if n in named else word for n, word in enumerate(words)]
    return " ".join([HEADER, *said, role("second", words[place])])


INDUCTION = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
