"""Docstring: the next argument that a function's docstring describes.

Heimersheim & Janiak 2023.  The docstring has described the first two of five arguments in their
order, and the third is next: logit(third) minus the mean logit of the other four.  In the corrupted
prompt neither the definition nor the docstring has any of these words.
"""

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting, whole
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task
from tasks.tokens import Tokenizer

NAME = "docstring"
METRIC = "logit_diff"
DESCRIPTION = (
    "A docstring that describes a function's arguments in order: the logit of the next argument "
    "minus the mean logit of the others."
)
ARGUMENTS = (
    "size", "file", "name", "path", "text", "line", "start", "end", "type", "mode", "state",
    "count", "level", "group", "node", "field", "label", "score", "color", "width", "height",
    "image", "model", "user", "message", "time", "date", "number", "list", "item", "option",
    "format", "source", "target", "result", "query", "event", "port", "order", "table", "value",
    "key", "index", "data", "page", "load", "cache", "token", "limit", "offset", "weight", "angle",
)  # fmt: skip
VERBS = ("Open", "Find", "Read", "Make", "Check", "Update", "Move", "Remove", "Load", "Write")
WORDS = (
    "town", "garden", "winter", "music", "bridge", "river", "forest", "market", "engine", "window",
    "station", "valley", "kitchen", "summer", "doctor", "farmer", "paper", "silver", "mountain",
    "village", "island", "student", "captain", "bottle", "ticket", "machine", "storm", "harbor",
)  # fmt: skip
LISTED = 5
"""Arguments of a function."""


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs.

    Raises:
        TaskError: too few of the words are tokens, or there are not so many pairs.
    """
    arguments = whole(NAME, "arguments", tokenizer, ARGUMENTS, "(self,", 2 * LISTED + 3)
    words = whole(NAME, "words", tokenizer, WORDS, "The", 5)
    verbs = [verb for verb in VERBS if verb.lower() not in arguments]
    n, n_words = len(arguments), len(words)
    drawn = 2 * LISTED + 3  # clean ones, corrupted ones, and those of the corrupted docstring
    radices = tuple(n - taken for taken in range(drawn))
    radices = (*radices, *(n_words - taken for taken in range(5)), len(verbs))
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int) -> Pair:
        *chosen, verb = digits(number, *radices)
        left, spoken = list(arguments), list(words)
        names = [left.pop(index) for index in chosen[:drawn]]
        said = [spoken.pop(index) for index in chosen[drawn:]]
        clean, others, described = names[:LISTED], names[LISTED : 2 * LISTED], names[2 * LISTED :]
        return marked_pair(
            clean=_prompt(verbs[verb], clean, clean[:2], said),
            corrupted=_prompt(verbs[verb], others, described[:2], said),
            answers=(f" {clean[2]}",),
            wrong_answers=tuple(f" {name}" for i, name in enumerate(clean) if i != 2),
        )

    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, ((size, pair),)),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {name}" for name in sorted(arguments)),
        notes=("Corrupted: other arguments in the definition, and others again in the docstring.",),
        seed=seed,
    )


def _prompt(verb: str, arguments: list[str], described: list[str], said: list[str]) -> str:
    named = [role(f"{letter}_def", one) for letter, one in zip("ABC", arguments, strict=False)]
    listed = ", ".join(["self", *named, *arguments[len(named) :]])
    lines = [f"def {verb.lower()}({listed}):", f'    """{verb} the {said[0]}.', ""]
    for letter, name, one, other in zip("AB", described, said[1::2], said[2::2], strict=True):
        lines.append(f"    :param {role(f'{letter}_doc', name)}: {one} {other}")
    return "\n".join([*lines, "    :param"])


EXAMPLE = marked_pair(
    clean=_prompt(
        "Open",
        ["size", "file", "name", "path", "text"],
        ["size", "file"],
        ["town", "river", "winter", "music", "bridge"],
    ),
    corrupted=_prompt(
        "Open",
        ["port", "order", "table", "value", "key"],
        ["state", "count"],
        ["town", "river", "winter", "music", "bridge"],
    ),
    answers=(" name",),
    wrong_answers=(" size", " file", " path", " text"),
)
DOCSTRING = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
