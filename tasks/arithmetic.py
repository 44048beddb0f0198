"""Arithmetic: sums and differences of two or three numbers, and mental math.

The answer has to be one token.  Tokenizers differ in which numbers are: SmolLM2's are digits, so
that its problems are those with an answer below ten; GPT-2's and Llama-3's are longer.  All the
other numbers of that kind are wrong, and the corrupted prompt is a problem of the same form and
length with another answer.

Mental math, "12+34=", is as in Mamidanna et al. 2025 (arXiv 2509.09650), who keep only the prompts
that the model answers rightly: `--right-only` does so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting
from tasks.pair import Pair
from tasks.roles import marked_pair, role, unmarked
from tasks.sampling import digits
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, continuation, single_token

METRIC = "logit_diff"
MOST_OPERAND = 99
MOST_ANSWER = 198
"""99 + 99: beyond it a problem is not made."""
LEAST_ANSWER = 9
"""A tokenizer has at least the digits as tokens, or the task is refused."""


@dataclass(frozen=True)
class Form:
    """How a problem is written.

    Attributes:
        name: of the task.
        description: of the task.
        signs: combinations of signs between the operands, which take turns.
        spaced: whether spaces stand around operands and signs.
    """

    name: str
    description: str
    signs: tuple[tuple[int, ...], ...]
    spaced: bool

    def prompt(self, operands: tuple[int, ...], signs: tuple[int, ...]) -> str:
        """The problem up to its equals sign, "12 + 34 =", its numbers marked as A, B and C."""
        space = " " if self.spaced else ""
        numbers = [role(letter, str(n)) for letter, n in zip("ABC", operands, strict=False)]
        said = numbers[:1]
        for sign, number in zip(signs, numbers[1:], strict=True):
            said += ["+" if sign > 0 else "-", number]
        return space.join([*said, "="])


PLUS, MINUS = 1, -1
TWO = Form(
    "arithmetic-two",
    "The sum or difference of two numbers: its logit minus the mean logit of other numbers.",
    ((PLUS,), (MINUS,)),
    spaced=True,
)
THREE = Form(
    "arithmetic-three",
    "Three numbers added or subtracted: the answer's logit minus the mean logit of other numbers.",
    ((PLUS, PLUS), (PLUS, MINUS), (MINUS, PLUS), (MINUS, MINUS)),
    spaced=True,
)
MENTAL = Form(
    "mental-math",
    "Sums without spaces, as 3+4=: the answer's logit minus the mean logit of other numbers.",
    ((PLUS,),),
    spaced=False,
)


def answer_of(operands: tuple[int, ...], signs: tuple[int, ...]) -> int:
    """What comes out."""
    first, *rest = operands
    return first + sum(sign * n for sign, n in zip(signs, rest, strict=True))


def _maker(form: Form) -> Callable[[Tokenizer, int, int], Task]:
    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        """`n_pairs` distinct pairs; the combinations of signs take turns.

        Raises:
            TaskError: the digits are no tokens, or there are not so many pairs.
        """
        before, between, most = _written(form, tokenizer)
        texts = tuple(f"{between}{n}" for n in range(most + 1))
        largest = min(MOST_OPERAND, most)
        n_operands = len(form.signs[0]) + 1
        radices = (largest,) * (2 * n_operands)
        size = largest ** (2 * n_operands)

        def pair(number: int, signs: tuple[int, ...]) -> Pair | None:
            drawn = tuple(1 + digit for digit in digits(number, *radices))
            clean, corrupted = drawn[:n_operands], drawn[n_operands:]
            right, other = answer_of(clean, signs), answer_of(corrupted, signs)
            if right == other or not (0 <= right <= most and 0 <= other <= most):
                return None
            return marked_pair(
                clean=form.prompt(clean, signs) + before,
                corrupted=form.prompt(corrupted, signs) + before,
                answers=(texts[right],),
                wrong_answers=(*texts[:right], *texts[right + 1 :]),
            )

        variants = tuple((size, lambda n, signs=signs: pair(n, signs)) for signs in form.signs)
        return Task(
            name=form.name,
            pairs=draw_fitting(form.name, tokenizer, n_pairs, seed, variants),
            metric=METRIC,
            description=form.description,
            answer_space=texts,
            notes=(
                f"Answers are 0 to {most}, which are single tokens; corrupted: another problem of "
                "the same form, with another answer.",
            ),
            seed=seed,
        )

    return make


def _written(form: Form, tokenizer: Tokenizer) -> tuple[str, str, int]:
    """What ends the prompt after "=", what begins an answer, and the largest answer.

    An answer after a space is one token with it (" 7", as GPT-2 has it), or the space is a token of
    its own and belongs to the prompt.
    """
    stem = unmarked(form.prompt((3,) * (len(form.signs[0]) + 1), form.signs[0]))
    ways = (("", " "), (" ", "")) if form.spaced else (("", ""),)
    for before, between in ways:
        most = -1
        for n in range(MOST_ANSWER + 1):
            text = f"{between}{n}"
            seen = continuation(tokenizer, stem + before, text)
            if seen is None or len(seen) != 1:
                break
            if single_token(tokenizer, stem + before, text) is None:
                break
            most = n
        if most >= LEAST_ANSWER:
            return before, between, most
    raise TaskError(
        f"{form.name} needs a tokenizer of which at least the ten digits are single tokens after "
        f"{stem!r}: choose another task, or write a task file."
    )


def _built_in(form: Form, this: tuple[int, ...], other: tuple[int, ...]) -> BuiltIn:
    signs = form.signs[-1] if len(this) == 3 else form.signs[0]
    between = " " if form.spaced else ""
    example = marked_pair(
        form.prompt(this, signs),
        form.prompt(other, signs),
        (f"{between}{answer_of(this, signs)}",),
        (f"{between}{answer_of(other, signs)}",),
    )
    return BuiltIn(form.name, METRIC, form.description, example, _maker(form))


ARITHMETIC_TASKS = (
    _built_in(TWO, (3, 4), (2, 6)),
    _built_in(THREE, (9, 4, 2), (8, 1, 2)),
    _built_in(MENTAL, (3, 4), (2, 6)),
)
