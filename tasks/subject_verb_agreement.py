"""Subject-verb agreement: "The keys on the cabinet" wants a plural verb.

The noun nearest to the verb always has the other number than the subject (an attractor, as in
Linzen, Dupoux & Goldberg 2016, arXiv 1611.01368), so that the nearest noun is no help.  The metric
is the probability of the agreeing verbs minus that of the others, summed over a list of verbs; the
corrupted prompt has the subject in the other number, and all else the same.

Besides these phrases with a preposition there are two forms more (Marvin & Linzen 2018, arXiv
1808.09031): subjects without anything between, and subjects with a relative clause, whose own
subject is the attractor.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tasks.built_in import BuiltIn
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import draw_pairs
from tasks.task import Task, TaskError
from tasks.tokens import NEUTRAL, Tokenizer, single_token
from tasks.words import (
    OPENINGS,
    PEOPLE,
    PEOPLE_PREPOSITIONS,
    PLACES,
    THING_PREPOSITIONS,
    THINGS,
    VERBS,
)

METRIC = "prob_diff"
SINGULAR, PLURAL = 0, 1
Forms = tuple[str, str]
# What stands before the subject, the subject, and what stands between it and the verb where the
# subject is singular or plural.
Phrase = tuple[str, Forms, Forms]
EXAMPLE_VERBS = ((" is", " was", " has"), (" are", " were", " have"))


@dataclass(frozen=True)
class Form:
    """How the sentences of a task are made.

    Attributes:
        name, description: of the task.
        phrases: all of them that suit a tokenizer, of one length in tokens.
        example: a clean prompt and its corrupted one.
    """

    name: str
    description: str
    phrases: Callable[[Tokenizer], list[Phrase]]
    example: tuple[str, str]


def _make(form: Form, tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs; plural and singular subjects take turns.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    phrases = form.phrases(tokenizer)
    verbs = _whole(tokenizer, VERBS, after="The man")
    if not phrases or not verbs:
        raise TaskError(
            f"{form.name} finds too few of its words among the tokenizer's tokens: choose another "
            "task, or write a task file."
        )
    spoken = tuple(tuple(f" {forms[number]}" for forms in verbs) for number in (SINGULAR, PLURAL))

    def pair(index: int, number: int) -> Pair:
        start, subject, between = phrases[index]
        return marked_pair(
            clean=f"{start} {role('subject', subject[number])}{between[number]}",
            corrupted=f"{start} {subject[1 - number]}{between[number]}",
            answers=spoken[number],
            wrong_answers=spoken[1 - number],
        )

    variants = tuple(
        (len(phrases), lambda index, number=number: pair(index, number))
        for number in (PLURAL, SINGULAR)
    )
    return Task(
        name=form.name,
        pairs=draw_pairs(form.name, n_pairs, seed, variants),
        metric=METRIC,
        description=form.description,
        answer_space=spoken[SINGULAR] + spoken[PLURAL],
        notes=(
            f"The metric sums over {len(verbs)} verbs whose singular and plural are single "
            f"tokens, from{spoken[SINGULAR][0]}/{spoken[PLURAL][0].strip()} to"
            f"{spoken[SINGULAR][-1]}/{spoken[PLURAL][-1].strip()}.",
        ),
        seed=seed,
    )


def _nouns(tokenizer: Tokenizer) -> tuple[tuple[Forms, ...], tuple[Forms, ...], tuple[Forms, ...]]:
    """Things, places and people of which both numbers are single tokens."""
    return (
        _whole(tokenizer, THINGS, after="The"),
        _whole(tokenizer, PLACES, after="The"),
        _whole(tokenizer, PEOPLE, after="The"),
    )


def _with_preposition(tokenizer: Tokenizer) -> list[Phrase]:
    """Phrases as "The keys on the cabinet": the attractor has the other number."""
    things, places, people = _nouns(tokenizer)
    kinds = ((things, THING_PREPOSITIONS, places), (people, PEOPLE_PREPOSITIONS, people + places))
    return [
        ("The", subject, _before_verb(f" {preposition} the", attractor))
        for subjects, prepositions, attractors in kinds
        for subject in subjects
        for preposition in _known(tokenizer, prepositions)
        for attractor in attractors
        if attractor != subject
    ]


def _simple(tokenizer: Tokenizer) -> list[Phrase]:
    """Phrases as "When the keys": nothing stands between the subject and its verb."""
    things, places, people = _nouns(tokenizer)
    starts = [word for word in STARTS if single_token(tokenizer, NEUTRAL, word) is not None]
    return [
        (f"{start} the", subject, ("", ""))
        for start in starts
        for subject in (*things, *places, *people)
    ]


def _relative(tokenizer: Tokenizer) -> list[Phrase]:
    """Phrases as "The keys that the boy likes": the clause's subject has the other number."""
    things, places, people = _nouns(tokenizer)
    if not _known(tokenizer, ("that",)):
        return []
    verbs = _whole(tokenizer, CLAUSE_VERBS, after="The man")
    return [
        ("The", subject, _before_verb(" that the", attractor, verb))
        for subject in (*things, *places, *people)
        for attractor in people
        if attractor != subject
        for verb in verbs
    ]


def _before_verb(start: str, attractor: Forms, verb: Forms = ("", "")) -> Forms:
    """What stands after a singular and a plural subject: an attractor of the other number."""
    plural, singular = (
        f"{start} {role('attractor', attractor[n])}" + (f" {verb[n]}" if verb[n] else "")
        for n in (PLURAL, SINGULAR)
    )
    return plural, singular


def _known(tokenizer: Tokenizer, words: Iterable[str]) -> list[str]:
    return [word for word in words if single_token(tokenizer, "The man", f" {word}") is not None]


def _whole(tokenizer: Tokenizer, nouns: tuple[Forms, ...], *, after: str) -> tuple[Forms, ...]:
    return tuple(
        forms
        for forms in nouns
        if all(single_token(tokenizer, after, f" {form}") is not None for form in forms)
    )


STARTS = (*OPENINGS, "If", "Because", "Since", "Today", "Now", "Often", "Sometimes", "Perhaps")
CLAUSE_VERBS = (
    ("likes", "like"), ("sees", "see"), ("wants", "want"), ("knows", "know"), ("loves", "love"),
    ("finds", "find"), ("needs", "need"),
)  # fmt: skip
AGREEMENT = Form(
    "subject-verb-agreement",
    "The verb has to agree with the subject, past a noun of the other number: the probability of "
    "agreeing verbs minus that of disagreeing ones.",
    _with_preposition,
    ("The keys on the cabinet", "The key on the cabinet"),
)
FORMS = (
    AGREEMENT,
    Form(
        "subject-verb-agreement-simple",
        "The verb has to agree with the subject before it: the probability of agreeing verbs minus "
        "that of disagreeing ones.",
        _simple,
        ("When the keys", "When the key"),
    ),
    Form(
        "subject-verb-agreement-relative",
        "The verb has to agree with the subject, past a clause of the other number: the "
        "probability of agreeing verbs minus that of disagreeing ones.",
        _relative,
        ("The keys that the boy likes", "The key that the boy likes"),
    ),
)


def _built_in(form: Form) -> BuiltIn:
    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        return _make(form, tokenizer, n_pairs, seed)

    wrong, right = EXAMPLE_VERBS
    return BuiltIn(form.name, METRIC, form.description, Pair(*form.example, right, wrong), make)


AGREEMENT_TASKS = tuple(_built_in(form) for form in FORMS)
