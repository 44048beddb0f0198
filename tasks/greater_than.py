"""Greater-Than: "The war lasted from the year 1741 to the year 17" wants one above 41.

Hanna, Liu & Variengien 2023 (arXiv 2305.00586).  The metric is the probability of all years above
minus that of all years not above; the corrupted start year ends in 01, so that nearly every year
is above.  How it is asked depends on how the tokenizer cuts a year (`Cut`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.pair import Pair
from tasks.sampling import digits, draw_pairs
from tasks.task import Task, TaskError
from tasks.tokens import Tokenizer, continuation, single_token
from tasks.words import EVENTS

NAME = "greater-than"
METRIC = "prob_diff"
DESCRIPTION = (
    "After a start year, the end year has to be greater: the probability of the years above it "
    "minus that of the others."
)
EXAMPLE = Pair(
    clean="The war lasted from the year 1741 to the year 17",
    corrupted="The war lasted from the year 1701 to the year 17",
    answers=("42", "43", "99"),
    wrong_answers=("00", "40", "41"),
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
        endings: last two digits of the start years.  Where a digit follows the answer they end
            in 9: then a greater year is exactly one with a greater answer (1749: 175x and later),
            and no start year has the decade of the corrupted one.
        note: what the reader of a result has to know.
    """

    typed: int
    pieces: tuple[int, ...]
    answers: tuple[str, ...]
    endings: range
    note: str

    def of_year(self, year: str) -> list[str]:
        """The pieces of a year: "1749" -> ["4", "9"] for single digits."""
        ends = [self.typed + sum(self.pieces[: i + 1]) for i in range(len(self.pieces))]
        return [year[end - size : end] for end, size in zip(ends, self.pieces, strict=True)]


PAIRS = Cut(
    typed=2,
    pieces=(2,),
    answers=tuple(f"{n:02d}" for n in range(100)),
    endings=range(2, 99),
    note="The answers are the hundred two-digit tokens: the tokenizer reads 1741 as 17|41.",
)
SINGLE = Cut(
    typed=2,
    pieces=(1, 1),
    answers=tuple(str(n) for n in range(10)),
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
    endings=range(19, 99, 10),
    note=(
        "The answers are decades up to the tens digit (175 for 1750 to 1759), since the tokenizer "
        "has no two-digit year tokens (it reads 1749 as 174|9); start years end in 9, so that a "
        "later decade is exactly a greater year."
    ),
)


def make(tokenizer: Tokenizer, n_pairs: int, seed: int) -> Task:
    """`n_pairs` distinct pairs: an event, a century and a start year each.

    Raises:
        TaskError: the tokenizer cuts years in no known way, or there are not so many pairs.
    """
    cut, years = _find_cut(tokenizer)
    events = [word for word in EVENTS if single_token(tokenizer, "The", f" {word}") is not None]
    if not events:
        raise TaskError(f"{NAME} finds none of its nouns among the tokenizer's tokens.")

    def pair(number: int) -> Pair:
        event, place = digits(number, len(events), len(years))
        return _pair(cut, events[event], years[place])

    return Task(
        name=NAME,
        pairs=draw_pairs(NAME, n_pairs, seed, ((len(events) * len(years), pair),)),
        metric=METRIC,
        description=DESCRIPTION,
        answer_space=cut.answers,
        notes=(cut.note,),
        seed=seed,
    )


def _start(event: str) -> str:
    return f"The {event} lasted from the year "


def _pair(cut: Cut, event: str, year: str) -> Pair:
    century = year[:2]
    end = f" to the year {year[: cut.typed]}"
    above = cut.answers.index(cut.of_year(year)[0]) + 1
    return Pair(
        clean=_start(event) + year + end,
        corrupted=_start(event) + century + "01" + end,
        answers=cut.answers[above:],
        wrong_answers=cut.answers[:above],
    )


def _find_cut(tokenizer: Tokenizer) -> tuple[Cut, list[str]]:
    """The first way of cutting that the tokenizer has, and the start years that it cuts so."""
    for cut in (PAIRS, SINGLE, DECADES):
        years = list(_years(tokenizer, cut))
        if years:
            return cut, years
    raise TaskError(
        f"{NAME} needs a tokenizer that reads 1741 as 17|41, 1|7|4|1 or 174|1, and this one does "
        "not: choose another task, or write a task file."
    )


def _years(tokenizer: Tokenizer, cut: Cut) -> Iterator[str]:
    """The start years whose tokens are the pieces of `cut`, their corrupted year's too."""
    start = _start(EVENTS[0])
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
