"""Greater-Than's tables: a start year in place of answers, made into the years above it.

The prompt ends in the beginning of a year ("... from the year 1741 to the year 17"); the answers
are the tokens that make a greater year of it, as in the built-in task. Which beginning leaves one
token that tells depends on how the tokenizer cuts a year:

    17|41      two digits are typed, and the answer is the other two;
    1|7|4|1    two are typed, and the answer is the tens digit, if the start year ends in 9: then a
               greater digit is exactly a greater year. Or three are typed, and it is the last one;
    174|1      none is typed, and the answer is three digits, if the start year ends in 9. Or three
               are typed, and it is the last one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.greater_than import DECADES, PAIRS, SINGLE
from tasks.tokens import Tokenizer, continuation
from workbench.prompts.checks import Finding

Sides = tuple[tuple[str, ...], tuple[str, ...]]

CUTS = (
    "A tokenizer that reads 1741 as 17|41 takes prompts that end in the century. One that reads "
    "1|7|4|1 (SmolLM2, Gemma, Qwen) takes those of start years that end in 9, where the tens digit "
    "alone tells, and any prompt that ends in the decade, `... to the year 174`. One that reads "
    "174|1 (Llama 3) takes the decade too, or nothing of the end year, `... to the year `, after "
    "start years that end in 9."
)
"""Which prompts a tokenizer takes, for users."""

WHOLE, DIGIT_BY_DIGIT, THREE_AND_ONE = ((2, 2), (4,)), (1, 1, 1, 1), (3, 1)


class _Unfit(Exception):
    """What is amiss, as a sentence without its end."""


@dataclass(frozen=True)
class _Start:
    """A start year, `at` which character it begins, and what is `typed` of the end year."""

    year: str
    at: int
    typed: str


def years_of(clean: str, label: int, tokenizer: Tokenizer | None) -> Sides | Finding:
    """The years above a start year and those that are not, as answers.

    Args:
        clean: the prompt.
        label: the start year, or its last two digits.
        tokenizer: decides what an answer is; None: two digits.

    Returns:
        Answers and wrong answers, or what is amiss.
    """
    try:
        start = _start(clean, label)
        cut = (2, 2) if tokenizer is None else _cut(clean, start.at, tokenizer)
        return _sides(start, cut)
    except _Unfit as error:
        return Finding("label", str(error))


def _start(clean: str, label: int) -> _Start:
    """The start year that a label names."""
    ends = re.search(r"(?<!\d)\d*$", clean)
    typed = "" if ends is None else ends[0]
    if len(typed) not in (0, 2, 3):
        raise _Unfit(_NO_CENTURY)
    century, year = typed[:2], label
    if 1000 <= label <= 9999:
        century_of_label, year = f"{label // 100:02d}", label % 100
        if typed and century_of_label != century:
            raise _Unfit(
                f"its start year {label} is not of the century {century}, in which it ends"
            )
        century = century_of_label
    if not 0 <= year <= 99:
        raise _Unfit(f"its label {label} is neither a year nor the last two digits of one")
    named = f"{century or '[0-9][0-9]'}{year:02d}"
    found = list(re.finditer(rf"(?<!\d){named}(?!\d)", clean[: len(clean) - len(typed)]))
    if not found:
        named = named if century else f"a year that ends in {year:02d}"
        raise _Unfit(f"its label says that it starts in {named}, which is not in it")
    return _Start(found[-1][0], found[-1].start(), typed)


_NO_CENTURY = "its label is read as Greater-Than's start year, and it does not end in a century"


def _sides(start: _Start, cut: tuple[int, ...]) -> Sides:
    """Answers above and not above, of a year that is cut so."""
    year, typed = start.year, start.typed
    if len(typed) == 3 and cut in (DIGIT_BY_DIGIT, THREE_AND_ONE):
        if typed != year[:3]:
            every = "every" if typed > year[:3] else "no"
            raise _Unfit(f"{every} year that begins with {typed} is above {year}")
        return _parted(SINGLE.answers, year[3], year)
    if not typed and cut == THREE_AND_ONE:
        return _parted(DECADES.answers, _decade(year, cut, "none"), year)
    if len(typed) != 2:
        raise _Unfit(_NO_CENTURY)
    if cut in WHOLE:
        return _parted(PAIRS.answers, year[2:], year)
    if cut == DIGIT_BY_DIGIT:
        return _parted(SINGLE.answers, _decade(year, cut, "two")[2], year)
    if cut == THREE_AND_ONE:
        raise _Unfit(
            f"{_read(year, cut)}, so that no token is the rest of a year after {typed}; what would "
            f"do is a prompt that ends in {year[:3]}"
        )
    raise _Unfit(f"{_read(year, cut)}, so that no token is the rest of a year")


def _decade(year: str, cut: tuple[int, ...], typed: str) -> str:
    """The first three digits of a year that ends in 9, by which greater years are told."""
    if year[3] != "9":
        raise _Unfit(
            f"{_read(year, cut)}, so that after {typed} of its digits the next token tells a "
            f"greater year only of one that ends in 9; what would do is a prompt that ends in "
            f"{year[:3]}"
        )
    return year[:3]


def _parted(answers: tuple[str, ...], own: str, year: str) -> Sides:
    """The answers above a start year's own, and the others."""
    above = answers.index(own) + 1 if own in answers else len(answers)
    if above == len(answers):
        raise _Unfit(f"no year that it could go on with is above {year}")
    return answers[above:], answers[:above]


def _read(year: str, cut: tuple[int, ...]) -> str:
    read = "|".join(_pieces(year, cut)) or "something else"
    return f"the tokenizer reads Greater-Than's start year {year} as {read}"


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
