"""Greater-Than's tables: a start year in place of answers, made into the years above it.

The prompt ends in the century ("... from the year 1741 to the year 17"); the answers are the tokens
that make a greater year of it, as in the built-in task.
"""

from __future__ import annotations

import re

from tasks.tokens import Tokenizer, continuation
from workbench.prompts.checks import Finding

TWO_DIGITS = tuple(f"{n:02d}" for n in range(100))
DIGITS = tuple(str(n) for n in range(10))

Sides = tuple[tuple[str, ...], tuple[str, ...]]


def years_of(clean: str, label: int, tokenizer: Tokenizer | None) -> Sides | Finding:
    """The years above a start year and those that are not, as answers.

    Args:
        clean: the prompt.
        label: the start year, or its last two digits.
        tokenizer: decides whether an answer has two digits or one; None: two.

    Returns:
        Answers and wrong answers, or what is amiss.
    """
    ends = re.search(r"(?<!\d)\d\d$", clean)
    if ends is None:
        said = "its label is read as Greater-Than's start year, and it does not end in a century"
        return Finding("label", said)
    century, year = ends[0], label
    if 1000 <= label <= 9999:
        century_of_label, year = f"{label // 100:02d}", label % 100
        if century_of_label != century:
            said = f"its start year {label} is not of the century {century}, in which it ends"
            return Finding("label", said)
    if not 0 <= year <= 99:
        said = f"its label {label} is neither a year nor the last two digits of one"
        return Finding("label", said)
    start = f"{century}{year:02d}"
    at = clean.rfind(start, 0, len(clean) - 2)
    if at < 0:
        return Finding("label", f"its label says that it starts in {start}, which is not in it")
    if year == 99:
        return Finding("label", f"no year of the century is above {start}")
    cut = (2, 2) if tokenizer is None else _cut(clean, at, tokenizer)
    if cut in ((2, 2), (4,)):
        return TWO_DIGITS[year + 1 :], TWO_DIGITS[: year + 1]
    if cut == (1, 1, 1, 1):
        if year % 10 != 9:
            return Finding(
                "label",
                f"the tokenizer reads Greater-Than's start year {start} digit by digit, so that "
                "the next token tells a greater year only of one that ends in 9",
            )
        return DIGITS[year // 10 + 1 :], DIGITS[: year // 10 + 1]
    read = "|".join(_pieces(start, cut)) or "something else"
    said = (
        f"the tokenizer reads Greater-Than's start year {start} as {read}, so that no token is the "
        "rest of a year"
    )
    return Finding("label", said)


def _cut(clean: str, at: int, tokenizer: Tokenizer) -> tuple[int, ...]:
    """How many digits each token of the start year has, which begins at `at`."""
    before, year = clean[:at].removesuffix(" "), clean[at : at + 4]
    spaced = year if before == clean[:at] else f" {year}"
    ids = continuation(tokenizer, before, spaced)
    alone = continuation(tokenizer, "\n", year)
    for found in (ids, alone):
        if found is None:
            continue
        sizes = tuple(
            size for token in found if (size := sum(c.isdigit() for c in _text(tokenizer, token)))
        )
        if sum(sizes) == len(year):
            return sizes
    return ()


def _text(tokenizer: Tokenizer, token: int) -> str:
    decode = getattr(tokenizer, "decode", None)
    return str(decode([token])) if decode is not None else ""


def _pieces(text: str, sizes: tuple[int, ...]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return pieces
