"""The task `second-word`: "List: box cup box" wants "cup", which followed "box" before."""

import random
from itertools import permutations

from tasks import BuiltIn, Pair, Task, TaskError, Tokenizer
from tasks.tokens import single_token
from tasks.words import THINGS

DESCRIPTION = "Two words, then the first again: the logit of the second minus that of the first."


def pair(first: str, second: str) -> Pair:
    """The corrupted prompt repeats the second word, so that the first would follow."""
    return Pair(
        clean=f"List: {first} {second} {first}",
        corrupted=f"List: {second} {first} {second}",
        answers=(f" {second}",),
        wrong_answers=(f" {first}",),
    )


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs of words that are single tokens.

    Raises:
        TaskError: there are not so many.
    """
    known = [one for one, _ in THINGS if single_token(tokenizer, "List:", f" {one}") is not None]
    chosen = list(permutations(known, 2))
    if not 1 <= n_pairs <= len(chosen):
        raise TaskError(f"second-word has 1 to {len(chosen)} pairs here, not {n_pairs}.")
    random.Random(seed).shuffle(chosen)
    pairs = tuple(pair(first, second) for first, second in chosen[:n_pairs])
    return Task("second-word", pairs, "logit_diff", DESCRIPTION, seed=seed)


TASK = BuiltIn("second-word", "logit_diff", DESCRIPTION, pair("box", "cup"), make)
