"""Parentheses: code that wants one to four closing parentheses, in one token.

The sub-tasks of Nguyen et al. 2025 (arXiv 2507.00322): "print(str(721" wants "))".  The logit of
the right number of parentheses minus the mean logit of the tokens with another number.  In the
corrupted prompt the outermost parenthesis is an equals sign, so that one fewer is right.
"""

from collections.abc import Callable

from tasks.built_in import BuiltIn
from tasks.fitting import draw_fitting
from tasks.pair import Pair
from tasks.roles import marked_pair, role, unmarked
from tasks.sampling import digits
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, single_token

METRIC = "logit_diff"
MOST = 4
"""Closing parentheses in one token."""
COMMENTS = (
    "# print the number", "# show the text", "# print the text", "# write the number",
    "# show the number", "# write the text", "# display the number", "# output the text",
)  # fmt: skip
NUMBERS = range(100, 1000)


def _prompt(comment: str, number: int, depth: int, opening: str = "(") -> str:
    return (
        f"{comment} {role('told', str(number))}\nprint{opening}"
        + "str(" * (depth - 1)
        + role("number", str(number))
    )


def _maker(name: str, description: str, depth: int) -> Callable[[Tokenizer, int, int], Task]:
    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        """`n_pairs` distinct pairs.

        Raises:
            TaskError: so many parentheses are not one token, or there are not so many pairs.
        """
        stem = unmarked(_prompt(COMMENTS[0], NUMBERS[0], depth))
        closing = tuple(")" * n for n in range(1, MOST + 1))
        known = tuple(text for text in closing if single_token(tokenizer, stem, text) is not None)
        answer = ")" * depth
        if answer not in known or len(known) < 2:
            raise TaskError(
                f"{name} needs a tokenizer that reads {answer} as one token, and another number "
                "of them too: choose another task, or write a task file."
            )

        def pair(number: int) -> Pair:
            comment, place = digits(number, len(COMMENTS), len(NUMBERS))
            return marked_pair(
                clean=_prompt(COMMENTS[comment], NUMBERS[place], depth),
                corrupted=_prompt(COMMENTS[comment], NUMBERS[place], depth, "="),
                answers=(answer,),
                wrong_answers=tuple(text for text in known if text != answer),
            )

        size = len(COMMENTS) * len(NUMBERS)
        return Task(
            name=name,
            pairs=draw_fitting(name, tokenizer, n_pairs, seed, ((size, pair),)),
            metric=METRIC,
            description=description,
            answer_space=known,
            notes=("Corrupted: the outermost parenthesis is an equals sign, one fewer is right.",),
            seed=seed,
        )

    return make


def _built_in(depth: int) -> BuiltIn:
    name = f"parentheses-{depth}"
    words = ("One closing parenthesis", "Two closing parentheses", "Three", "Four")[depth - 1]
    description = f"{words} at once, in code: its logit minus the mean logit of another number."
    example = marked_pair(
        clean=_prompt(COMMENTS[0], 721, depth),
        corrupted=_prompt(COMMENTS[0], 721, depth, "="),
        answers=(")" * depth,),
        wrong_answers=tuple(")" * n for n in range(1, MOST + 1) if n != depth),
    )
    return BuiltIn(name, METRIC, description, example, _maker(name, description, depth))


ALL = "parentheses"
COMMENT = "#print the string"
"""What stands before the code in the task of all four, as in that paper."""
ALL_DESCRIPTION = "One to four closing parentheses in turn, in code, as one token."


def _make_all(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs that want one to four parentheses in turn.

    Raises:
        TaskError: so many parentheses are not one token, or there are not so many pairs.
    """
    stem = unmarked(_prompt(COMMENT, NUMBERS[0], MOST))
    closing = tuple(")" * n for n in range(1, MOST + 1))
    known = tuple(text for text in closing if single_token(tokenizer, stem, text) is not None)
    if len(known) < 2:
        raise TaskError(
            f"{ALL} needs a tokenizer that reads several parentheses as one token: choose another "
            "task, or write a task file."
        )

    def pair(depth: int) -> Callable[[int], Pair]:
        def made(place: int) -> Pair:
            return marked_pair(
                clean=_prompt(COMMENT, NUMBERS[place], depth),
                corrupted=_prompt(COMMENT, NUMBERS[place], depth, "="),
                answers=(")" * depth,),
                wrong_answers=tuple(text for text in known if text != ")" * depth),
            )

        return made

    variants = tuple((len(NUMBERS), pair(len(text))) for text in known)
    return Task(
        name=ALL,
        pairs=draw_fitting(ALL, tokenizer, n_pairs, seed, variants),
        metric=METRIC,
        description=ALL_DESCRIPTION,
        answer_space=known,
        notes=("Corrupted: the outermost parenthesis is an equals sign, one fewer is right.",),
        seed=seed,
    )


PARENTHESES_TASKS = (
    *(_built_in(depth) for depth in range(1, MOST + 1)),
    BuiltIn(
        ALL,
        METRIC,
        ALL_DESCRIPTION,
        marked_pair(
            clean=_prompt(COMMENT, 721, 2),
            corrupted=_prompt(COMMENT, 721, 2, "="),
            answers=("))",),
            wrong_answers=(")", ")))", "))))"),
        ),
        _make_all,
    ),
)
