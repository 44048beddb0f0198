"""The sentences that the pocket model is trained on, as token ids with the weight of each.

Four kinds carry what it is to learn (years, agreement, indirect objects, repeated lists), and none
of them combines words that `split` holds out.  A word that nothing before it decides counts little
in the loss, so that the capacity goes into what can be known.  No torch.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks import words
from workbench.bundled_models.pocket.split import held_out, singular
from workbench.bundled_models.pocket.vocabulary import ADJECTIVES, BEGIN, CENTURIES, nouns, tokens

FREE = 0.1
"""Weight of a token that is drawn at random."""
DECIDED = 1.0
"""Weight of a token that the sentence decides, wholly or in part."""

Sentence = list[tuple[str, float]]


def _free(text: str) -> Sentence:
    return [(word, FREE) for word in text.split(" ")]


def years(rng: random.Random) -> Sentence:
    """An event's first and last year, the last above the first and otherwise anything."""
    while True:
        event, start = rng.choice(words.EVENTS), rng.randrange(99)
        if not held_out("greater-than", event, f"{start:02d}"):
            break
    century, end = rng.choice(CENTURIES), rng.randrange(start + 1, 100)
    first: Sentence = [(century, FREE), (f"+{start:02d}", FREE)]
    last: Sentence = [(century, DECIDED), (f"+{end:02d}", DECIDED), (".", FREE)]
    if rng.random() < 0.7:
        return [
            *_free(f"The {event} lasted from the year"), *first, *_free("to the year"), *last,
        ]  # fmt: skip
    if rng.random() < 0.5:
        return [
            *_free(f"The {event} began in the year"), *first,
            *_free("and ended in the year"), *last,
        ]  # fmt: skip
    return [
        *_free("From the year"), *first, *_free("to the year"), *last[:-1],
        *_free(f"the {event} lasted until the year"), (century, FREE), last[1], (".", FREE),
    ]  # fmt: skip


def agreement(rng: random.Random) -> Sentence:
    """A subject, mostly another noun after it in either number, and a verb that agrees."""
    while True:
        things = rng.random() < 0.5
        subject = rng.choice(words.THINGS if things else words.PEOPLE)
        near = rng.choice(words.PLACES if things or rng.random() < 0.4 else words.PEOPLE)
        if subject != near and not held_out("subject-verb-agreement", subject[0], near[0]):
            break
    number = rng.randrange(2)
    said = f"The {subject[number]}"
    if rng.random() < 0.8:
        preposition = rng.choice(words.THING_PREPOSITIONS if things else words.PEOPLE_PREPOSITIONS)
        said += f" {preposition} the {near[rng.randrange(2)]}"
    verb = rng.choice(words.VERBS)[number]
    return [*_free(said), (verb, DECIDED), *_free(rng.choice(ADJECTIVES)), (".", FREE)]


def giving(rng: random.Random) -> Sentence:
    """Two people go somewhere and one of them gives the other something; or a third does."""
    while True:
        one, other, third = rng.sample(words.NAMES, 3)
        if not held_out("ioi", one, other):
            break
    first, second = (one, other) if rng.random() < 0.5 else (other, one)
    giver = one if rng.random() < 0.85 else third
    opening = rng.choice(words.OPENINGS)
    said = [
        *_free(f"{opening} {first} and {second} went to the {rng.choice(words.DESTINATIONS)}"),
        (",", FREE),
        (giver, FREE),
        *_free(f"{rng.choice(words.GIVING)} a {rng.choice(words.OBJECTS)} to"),
    ]
    return [*said, (other, DECIDED if giver == one else FREE), (".", FREE)]


def repeats(rng: random.Random) -> Sentence:
    """A list of different words, and a run of it again."""
    while True:
        listed = rng.sample(LISTED, rng.randrange(4, 12))
        start = rng.randrange(len(listed) - 1)
        run = listed[start : start + rng.randrange(2, len(listed) - start + 1)]
        follow = itertools.pairwise([*listed, *run])
        if not any(held_out("induction", singular(a), singular(b)) for a, b in follow):
            break
    said = [("List", FREE), (":", FREE), *((word, FREE) for word in [*listed, run[0]])]
    return [*said, *((word, DECIDED) for word in run[1:]), (".", FREE)]


LISTED = nouns()
KINDS: tuple[tuple[Callable[[random.Random], Sentence], int], ...] = (
    (years, 2),
    (agreement, 2),
    (giving, 3),
    (repeats, 3),
)
"""The kinds of sentence, each with how often it comes."""


@dataclass(frozen=True)
class Document:
    """Sentences one after the other, as the model reads them.

    Attributes:
        ids: [length] token ids; the first is `BEGIN`.
        weights: [length] of each token in the loss.
    """

    ids: list[int]
    weights: list[float]


def documents(rng: random.Random, length: int) -> Iterator[Document]:
    """Documents of `length` tokens without end; the last sentence of each may be cut off."""
    kinds, shares = zip(*KINDS, strict=True)
    number = {token: i for i, token in enumerate(tokens())}
    while True:
        ids, weights = [number[BEGIN]], [0.0]
        while len(ids) < length:
            for word, weight in rng.choices(kinds, shares)[0](rng):
                ids.append(number[_token(word, first=len(ids) == 1)])
                weights.append(weight)
        yield Document(ids[:length], weights[:length])


def _token(word: str, *, first: bool) -> str:
    """A word's token: with a space before it but at the start; marks and "+41" have none."""
    if word.startswith("+"):
        return word[1:]
    return word if first or word in ".,:" else f" {word}"
