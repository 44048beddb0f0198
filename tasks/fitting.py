"""Fitting: which words and which pairs suit a tokenizer.

A word list is longer than any one tokenizer needs, and what is left of it makes the prompts.  A
pair is looked at whole besides: its prompts have one length in tokens, and each of its answers is
one token after them, whatever the tokenizer does at the seams.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence

from tasks.pair import Pair
from tasks.sampling import check_number, shuffled
from tasks.task import TaskError
from tasks.tokens import Tokenizer, encode, single_token

MOST_MISFITS = 500
"""So many pairs in a row that do not fit the tokenizer, and the search for more is given up."""

Variants = Sequence[tuple[int, Callable[[int], Pair | None]]]
"""Sizes of spaces with the pair of each number; None where a number makes no right pair."""


def whole(
    task: str, kind: str, tokenizer: Tokenizer, words: Iterable[str], after: str, least: int
) -> list[str]:
    """Those of `words` that are single tokens with a space before them.

    Args:
        task, kind: its name and what the words are, for the message.
        after: a text that they follow.
        least: how many it takes at least.

    Raises:
        TaskError: there are fewer.
    """
    kept = [word for word in words if single_token(tokenizer, after, f" {word}") is not None]
    if len(kept) < least:
        raise TaskError(
            f"{task} needs {least} {kind} that are single tokens, and this tokenizer has "
            f"{len(kept)} of its list: choose another task, or write a task file."
        )
    return kept


def draw_fitting(
    task: str, tokenizer: Tokenizer, n_pairs: int, seed: int, variants: Variants
) -> tuple[Pair, ...]:
    """`n_pairs` distinct pairs that fit the tokenizer, the variants taking turns.

    More pairs of the same seed begin with the same ones.

    Raises:
        TaskError: fewer than one pair asked for, more than any task makes, or more than there are.
    """
    check_number(task, n_pairs)
    fits = _Fit(tokenizer)
    streams = [
        _fitting(make, shuffled(size, random.Random(f"{task} {seed} {number}")), fits)
        for number, (size, make) in enumerate(variants)
    ]
    pairs: dict[Pair, None] = {}
    while streams and len(pairs) < n_pairs:
        for stream in list(streams):
            # One pair of each variant in turn: what was drawn before is passed over.
            found = next((pair for pair in stream if pair not in pairs), None)
            if found is None:
                streams.remove(stream)
            elif len(pairs) < n_pairs:
                pairs[found] = None
    if len(pairs) < n_pairs:
        raise TaskError(
            f"{task} has {len(pairs):,} distinct pairs with this tokenizer, not {n_pairs:,}: "
            + ("ask for fewer." if pairs else "choose another task, or write a task file.")
        )
    return tuple(pairs)


def _fitting(
    make: Callable[[int], Pair | None], numbers: Iterator[int], fits: Callable[[Pair], bool]
) -> Iterator[Pair]:
    misfits = 0
    for number in numbers:
        pair = make(number)
        if pair is not None and fits(pair):
            misfits = 0
            yield pair
        else:
            misfits += 1
            if misfits == MOST_MISFITS:
                return


def knows(tokenizer: Tokenizer, text: str) -> bool:
    """Whether no part of a text is read as unknown."""
    unknown = _unknown(tokenizer)
    return unknown is None or unknown not in encode(tokenizer, text)


def _unknown(tokenizer: Tokenizer) -> int | None:
    """The id of what the tokenizer does not know; None if it knows every text."""
    unknown: int | None = getattr(tokenizer, "unk_token_id", None)
    # GPT-2 names its end of text so, and knows every text.
    ends = (getattr(tokenizer, name, None) for name in ("bos_token_id", "eos_token_id"))
    return None if unknown in ends else unknown


class _Fit:
    """Whether a pair suits a tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._unknown = _unknown(tokenizer)
        self._answers: dict[tuple[tuple[int, ...], str], int | None] = {}

    def __call__(self, pair: Pair) -> bool:
        clean, corrupted = (encode(self._tokenizer, text) for text in (pair.clean, pair.corrupted))
        if len(clean) != len(corrupted) or clean == corrupted:
            return False
        if self._unknown is not None and self._unknown in (*clean, *corrupted):
            return False
        texts = (*pair.answers, *pair.wrong_answers)
        ids = [self._answer(pair.clean, tuple(clean[-1:]), text) for text in texts]
        return None not in ids and len(set(ids)) == len(ids)

    def _answer(self, prompt: str, last: tuple[int, ...], text: str) -> int | None:
        # What a text becomes is decided by the token right before it, and a task repeats that.
        key = last, text
        if key not in self._answers:
            self._answers[key] = single_token(self._tokenizer, prompt, text)
        return self._answers[key]
