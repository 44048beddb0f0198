"""Brackets: of three kinds, the one that closes what was opened last.

Lines of balanced brackets, and a last one that breaks off: "( [ x" wants "]".  The logit of the
closing bracket of the innermost open kind minus the mean logit of the other two; in the corrupted
prompt this one bracket is of another kind.
"""

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token

NAME = "brackets"
METRIC = "logit_diff"
DESCRIPTION = (
    "Balanced brackets of three kinds: the logit of the one that closes the last open one minus "
    "the mean logit of the others."
)
KINDS = (("(", ")"), ("[", "]"), ("{", "}"))
INSIDE = ("x", "y", "z", "a", "b", "c", "n", "m")
LINES = 2
"""Whole lines before the one that breaks off."""


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs.

    Raises:
        TaskError: the brackets are no tokens, or there are not so many pairs.
    """
    for one, other in KINDS:
        if None in (single_token(tokenizer, "x", f" {text}") for text in (one, other)):
            raise TaskError(
                f"{NAME} needs {one} and {other} as single tokens after a space: choose another "
                "task, or write a task file."
            )
    of_line = (len(KINDS), len(KINDS), len(INSIDE), len(INSIDE))
    radices = (*of_line * LINES, *of_line, len(KINDS) - 1)
    size = 1
    for radix in radices:
        size *= radix

    def pair(number: int) -> Pair:
        *chosen, further = digits(number, *radices)
        lines = [chosen[start : start + 4] for start in range(0, len(chosen), 4)]
        before = "".join(_line(*line) + "\n" for line in lines[:-1])
        outer, inner, first, second = lines[-1]
        other = (inner + 1 + further) % len(KINDS)
        return marked_pair(
            clean=before + _open(outer, inner, first, second, named=True),
            corrupted=before + _open(outer, other, first, second),
            answers=(f" {KINDS[inner][1]}",),
            wrong_answers=tuple(f" {end}" for i, (_, end) in enumerate(KINDS) if i != inner),
        )

    return Task(
        name=NAME,
        pairs=draw_fitting(NAME, tokenizer, n_pairs, seed, ((size, pair),)),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=tuple(f" {end}" for _, end in KINDS),
        notes=("Corrupted: the last open bracket is of another kind.",),
        seed=seed,
    )


def _open(outer: int, inner: int, first: int, second: int, *, named: bool = False) -> str:
    one, other = KINDS[outer][0], KINDS[inner][0]
    if named:
        one, other = role("outer", one), role("inner", other)
    return f"{one} {INSIDE[first]} {other} {INSIDE[second]}"


def _line(outer: int, inner: int, first: int, second: int) -> str:
    return f"{_open(outer, inner, first, second)} {KINDS[inner][1]} {KINDS[outer][1]}"


EXAMPLE = Pair(
    clean="{ x ( y ) }\n[ a { b } ]\n( n [ m",
    corrupted="{ x ( y ) }\n[ a { b } ]\n( n { m",
    answers=(" ]",),
    wrong_answers=(" )", " }"),
)
BRACKETS = BuiltIn(NAME, METRIC, DESCRIPTION, EXAMPLE, make)
