"""Greater-Than: "The war lasted from the year 1741 to the year 17" wants one above 41.

Hanna, Liu & Variengien 2023 (arXiv 2305.00586).  The metric is the probability of all years above
minus that of all years not above; the corrupted start year ends in 01, so that nearly every year
is above.  How it is asked depends on how the tokenizer cuts a year (`Cut`).

`greater-than-price` asks the same of prices that range from one to another.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.built_in import BuiltIn
from tasks.fitting import knows
from tasks.pair import Pair
from tasks.roles import marked_pair, role
from tasks.sampling import digits, draw_pairs
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, continuation, single_token
from tasks.words import EVENTS

METRIC = "prob_diff"


@dataclass(frozen=True)
class Range:
    """What goes from one number to a greater one.

    Attributes:
        name, description: of the task.
        before: what stands before a noun.
        nouns: what can last or cost so much.
        start: the prompt up to the first number, with the noun in braces.
        middle: what stands between the two numbers.
    """

    name: str
    description: str
    before: str
    nouns: tuple[str, ...]
    start: str
    middle: str

    def prompt(self, noun: str, year: str, typed: str) -> str:
        """The prompt with as many digits of the second number as are typed."""
        return self.start.format(noun) + year + self.middle + typed

    def marked(self, noun: str, parts: tuple[tuple[str, str], ...], typed: str) -> str:
        """The same with its roles marked; the first number is given in named parts."""
        year = "".join(role(name, digits) for name, digits in parts)
        return self.prompt(role("noun", noun), year, typed)


GOODS = (
    "ring", "watch", "camera", "phone", "computer", "guitar", "violin", "piano", "painting",
    "carpet", "necklace", "sofa", "table", "desk", "mirror", "lamp", "bike", "coat", "dress", "bag",
    "car", "boat", "horse", "clock", "vase", "statue", "tool", "printer", "trip", "ticket",
)  # fmt: skip
YEARS = Range(
    "greater-than",
    "After a start year, the end year has to be greater: the probability of the years above it "
    "minus that of the others.",
    "The",
    EVENTS,
    "The {} lasted from the year ",
    " to the year ",
)
PRICES = Range(
    "greater-than-price",
    "After the lower end of a price, the upper end has to be greater: the probability of the "
    "numbers above it minus that of the others.",
    "of that",
    GOODS,
    "The price of that {} ranges from $ ",
    " to $ ",
)
# Early enough that tokenizers rarely hold a year of them whole, as they do 1945.
CENTURIES = range(11, 18)


@dataclass(frozen=True)
class Cut:
    """One way in which a tokenizer cuts a four-digit year, and the question that goes with it.

    Attributes:
        typed: how many digits of the end year stand in the prompt.
        pieces: the number of digits in each token of the rest; the first piece is the answer.
        answers: all values of that piece, in order.
        parts: the role of each part of the start year, with its digits.
        endings: last two digits of the start years.  Where a digit follows the answer they end
            in 9: then a greater year is exactly one with a greater answer (1749: 175x and later),
            and no start year has the decade of the corrupted one.
        note: what the reader of a result has to know.
    """

    typed: int
    pieces: tuple[int, ...]
    answers: tuple[str, ...]
    parts: tuple[tuple[str, int], ...]
    endings: range
    note: str

    def named(self, year: str) -> tuple[tuple[str, str], ...]:
        """The parts of a start year with their roles: (("XX", "17"), ("YY", "41"))."""
        (first, size), (second, _) = self.parts
        return (first, year[:size]), (second, year[size:])

    def of_year(self, year: str) -> list[str]:
        """The pieces of a year: "1749" -> ["4", "9"] for single digits."""
        ends = [self.typed + sum(self.pieces[: i + 1]) for i in range(len(self.pieces))]
        return [year[end - size : end] for end, size in zip(ends, self.pieces, strict=True)]


PAIRS = Cut(
    typed=2,
    pieces=(2,),
    answers=tuple(f"{n:02d}" for n in range(100)),
    parts=(("XX", 2), ("YY", 2)),
    endings=range(2, 99),
    note="The answers are the hundred two-digit tokens: the tokenizer reads 1741 as 17|41.",
)
SINGLE = Cut(
    typed=2,
    pieces=(1, 1),
    answers=tuple(str(n) for n in range(10)),
    parts=(("XX", 2), ("YY", 2)),
    endings=range(19, 99, 10),
    note=(
        "The answers are the tens digit, since the tokenizer has no two-digit year tokens (it "
        "reads 1749 as 1|7|4|9); start years end in 9, so that a greater tens digit is exactly "
        "a greater year."
    ),
)
DECADES = Cut(
    typed=0,
    pieces=(3, 1),
    answers=tuple(str(n) for n in range(100, 210)),
    parts=(("XXY", 3), ("Y", 1)),
    endings=range(19, 99, 10),
    note=(
        "The answers are decades up to the tens digit (175 for 1750 to 1759), since the tokenizer "
        "has no two-digit year tokens (it reads 1749 as 174|9); start years end in 9, so that a "
        "later decade is exactly a greater year."
    ),
)


def _make(ranges: Range, tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs: a noun, a century and a start year each.

    Raises:
        TaskError: the tokenizer cuts years in no known way, or there are not so many pairs.
    """
    name, before = ranges.name, ranges.before
    cut, years = _find_cut(ranges, tokenizer)
    nouns = [
        word for word in ranges.nouns if single_token(tokenizer, before, f" {word}") is not None
    ]
    if not nouns or not knows(tokenizer, ranges.prompt(nouns[0], years[0], years[0][: cut.typed])):
        raise TaskError(
            f"{name} finds none of its nouns, or not all of its marks, among the "
            "tokenizer's tokens: choose another task."
        )

    def pair(number: int) -> Pair:
        noun, place = digits(number, len(nouns), len(years))
        return _pair(ranges, cut, nouns[noun], years[place])

    return Task(
        name=name,
        pairs=draw_pairs(name, n_pairs, seed, ((len(nouns) * len(years), pair),)),
        metric=METRIC,
        description=ranges.description,
        answer_space=cut.answers,
        notes=(cut.note,),
        seed=seed,
    )


def _pair(ranges: Range, cut: Cut, noun: str, year: str) -> Pair:
    typed = year[: cut.typed]
    above = cut.answers.index(cut.of_year(year)[0]) + 1
    return marked_pair(
        clean=ranges.marked(noun, cut.named(year), typed),
        corrupted=ranges.prompt(noun, year[:2] + "01", typed),
        answers=cut.answers[above:],
        wrong_answers=cut.answers[:above],
    )


def _find_cut(ranges: Range, tokenizer: Tokenizer) -> tuple[Cut, list[str]]:
    """The first way of cutting that the tokenizer has, and the start years that it cuts so."""
    for cut in (PAIRS, SINGLE, DECADES):
        years = list(_years(ranges, tokenizer, cut))
        if years:
            return cut, years
    raise TaskError(
        f"{ranges.name} needs a tokenizer that reads 1741 as 17|41, 1|7|4|1 or 174|1, and this one "
        "does not: choose another task, or write a task file."
    )


def _years(ranges: Range, tokenizer: Tokenizer, cut: Cut) -> Iterator[str]:
    """The start years whose tokens are the pieces of `cut`, their corrupted year's too."""
    start = ranges.start.format(ranges.nouns[0])
    ids = {text: single_token(tokenizer, start + "17"[: cut.typed], text) for text in cut.answers}
    if None in ids.values():
        return

    def is_cut(year: str) -> bool:
        pieces = cut.of_year(year)
        found = continuation(tokenizer, start + year[: cut.typed], year[cut.typed :])
        return found is not None and len(found) == len(pieces) and found[0] == ids[pieces[0]]

    for century in CENTURIES:
        if is_cut(f"{century}01"):
            yield from (year for n in cut.endings if is_cut(year := f"{century}{n:02d}"))


def _built_in(ranges: Range, noun: str) -> BuiltIn:
    def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
        return _make(ranges, tokenizer, n_pairs, seed)

    example = Pair(
        clean=ranges.prompt(noun, "1741", "17"),
        corrupted=ranges.prompt(noun, "1701", "17"),
        answers=("42", "43", "99"),
        wrong_answers=("00", "40", "41"),
    )
    return BuiltIn(ranges.name, METRIC, ranges.description, example, make)


GREATER_THAN_TASKS = (_built_in(YEARS, "war"), _built_in(PRICES, "ring"))
