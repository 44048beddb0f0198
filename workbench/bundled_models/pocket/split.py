"""Which combinations of words the pocket model never saw together in training.

One combination in five is held out, by a hash of its words: the same on every machine, whatever
the seed of a training.  Each word of it is seen often, in other combinations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from tasks.pair import Pair

ONE_IN = 5


def held_out(kind: str, *words: str) -> bool:
    """Whether training never combines these words in this way.

    Args:
        kind: the way: a task's name.
        words: an event and its start year; a subject and its attractor, in the singular; the two
            names of an IOI prompt, in either order; two words that follow each other in a list.
    """
    if kind == "ioi":
        words = tuple(sorted(words))
    text = "|".join((kind, *words)).encode()
    return hashlib.blake2b(text, digest_size=8).digest()[0] % ONE_IN == 0


def _greater_than(pair: Pair) -> tuple[str, ...]:
    said = pair.clean.split()  # The war lasted from the year 1741 to the year 17
    return said[1], said[6][2:]


def _agreement(pair: Pair) -> tuple[str, ...]:
    said = pair.clean.split()  # The keys on the cabinet
    return singular(said[1]), singular(said[4])


def _ioi(pair: Pair) -> tuple[str, ...]:
    return pair.answers[0].strip(), pair.wrong_answers[0].strip()


def _induction(pair: Pair) -> tuple[str, ...]:
    return pair.clean.split()[-1], pair.answers[0].strip()


COMBINATIONS: dict[str, Callable[[Pair], tuple[str, ...]]] = {
    "greater-than": _greater_than,
    "subject-verb-agreement": _agreement,
    "ioi": _ioi,
    "induction": _induction,
}
"""What a pair of a built-in task combines, by the task's name."""


def singular(noun: str) -> str:
    """The singular of a noun of the tasks, which it is itself if it is none."""
    return _SINGULAR.get(noun, noun)


def _singulars() -> dict[str, str]:
    from tasks.words import PEOPLE, PLACES, THINGS

    return {forms[1]: forms[0] for forms in (*THINGS, *PLACES, *PEOPLE)}


_SINGULAR = _singulars()
