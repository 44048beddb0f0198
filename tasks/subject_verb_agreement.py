"""Subject-verb agreement: "The keys on the cabinet" wants a plural verb.

The noun nearest to the verb always has the other number than the subject (an attractor, as in
Linzen, Dupoux & Goldberg 2016, arXiv 1611.01368), so that the nearest noun is no help.  The metric
is the probability of the agreeing verbs minus that of the others, summed over a list of verbs; the
corrupted prompt has the subject in the other number, and all else the same.
"""

from tasks.pair import Pair
from tasks.sampling import draw_pairs
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token
from tasks.words import (
    PEOPLE,
    PEOPLE_PREPOSITIONS,
    PLACES,
    THING_PREPOSITIONS,
    THINGS,
    VERBS,
)

NAME = "subject-verb-agreement"
METRIC = "prob_diff"
DESCRIPTION = (
    "The verb has to agree with the subject, past a noun of the other number: the probability of "
    "agreeing verbs minus that of disagreeing ones."
)
EXAMPLE = Pair(
    clean="The keys on the cabinet",
    corrupted="The key on the cabinet",
    answers=(" are", " were", " have"),
    wrong_answers=(" is", " was", " has"),
)
SINGULAR, PLURAL = 0, 1
Forms = tuple[str, str]
# subject, preposition, attractor
Phrase = tuple[Forms, str, Forms]


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs; plural and singular subjects take turns.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    phrases = _phrases(tokenizer)
    verbs = _whole(tokenizer, VERBS, after="The man")
    if not phrases or not verbs:
        missing = "verbs" if phrases else "nouns"
        raise TaskError(f"{NAME} finds none of its {missing} among the tokenizer's tokens.")
    spoken = tuple(tuple(f" {forms[number]}" for forms in verbs) for number in (SINGULAR, PLURAL))

    def pair(index: int, number: int) -> Pair:
        subject, preposition, attractor = phrases[index]
        rest = f" {preposition} the {attractor[1 - number]}"
        return Pair(
            clean=f"The {subject[number]}{rest}",
            corrupted=f"The {subject[1 - number]}{rest}",
            answers=spoken[number],
            wrong_answers=spoken[1 - number],
        )

    variants = tuple(
        (len(phrases), lambda index, number=number: pair(index, number))
        for number in (PLURAL, SINGULAR)
    )
    return Task(
        name=NAME,
        pairs=draw_pairs(NAME, n_pairs, seed, variants),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=spoken[SINGULAR] + spoken[PLURAL],
        notes=(
            f"The metric sums over {len(verbs)} verbs whose singular and plural are single "
            f"tokens, from{spoken[SINGULAR][0]}/{spoken[PLURAL][0].strip()} to"
            f"{spoken[SINGULAR][-1]}/{spoken[PLURAL][-1].strip()}.",
        ),
        seed=seed,
    )


def _phrases(tokenizer: Tokenizer) -> list[Phrase]:
    """All phrases whose words are single tokens, so that every prompt has the same length."""
    things, places, people = (
        _whole(tokenizer, nouns, after="The") for nouns in (THINGS, PLACES, PEOPLE)
    )
    kinds = ((things, THING_PREPOSITIONS, places), (people, PEOPLE_PREPOSITIONS, people + places))
    return [
        (subject, preposition, attractor)
        for subjects, prepositions, attractors in kinds
        for subject in subjects
        for preposition in prepositions
        if single_token(tokenizer, "The man", f" {preposition}") is not None
        for attractor in attractors
        if attractor != subject
    ]


def _whole(tokenizer: Tokenizer, nouns: tuple[Forms, ...], *, after: str) -> tuple[Forms, ...]:
    return tuple(
        forms
        for forms in nouns
        if all(single_token(tokenizer, after, f" {form}") is not None for form in forms)
    )
