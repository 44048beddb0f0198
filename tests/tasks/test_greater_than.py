"""Greater-Than asks for a greater year, however the tokenizer cuts years."""

import functools
import re

import pytest

from tasks import Pair, TaskError, make_task
from tasks.greater_than import CENTURIES, PAIRS, SINGLE
from tests.support.small_tokenizers import years_whole
from tests.support.tiny_models import tiny_tokenizer

YEARS = re.compile(r"^The (\w+) lasted from the year (\d{4}) to the year (\d*)$")


def read(prompt: str) -> tuple[str, int, str]:
    """The noun, the start year and the typed digits of the end year."""
    found = YEARS.match(prompt)
    assert found, prompt
    return found[1], int(found[2]), found[3]


@functools.cache
def years_beginning(digits: str) -> list[int]:
    """All years that begin so."""
    return [year for year in range(1000, 2100) if str(year).startswith(digits)]


@pytest.mark.parametrize("digits", ["pairs", "single", "three"])
def test_an_answer_is_right_exactly_if_all_its_years_are_above(digits: str) -> None:
    for pair in make_task("greater-than", tiny_tokenizer(digits=digits), 300, 1).pairs:
        _, start, typed = read(pair.clean)
        for answer in pair.answers:
            assert min(years_beginning(typed + answer)) > start, pair
        for answer in pair.wrong_answers:
            assert max(years_beginning(typed + answer)) <= start, pair


@pytest.mark.parametrize(("digits", "size"), [("pairs", 100), ("single", 10), ("three", 110)])
def test_every_answer_counts_as_right_or_wrong(digits: str, size: int) -> None:
    task = make_task("greater-than", tiny_tokenizer(digits=digits), 50)
    assert len(task.answer_space) == size
    assert list(task.answer_space) == sorted(task.answer_space)
    for pair in task.pairs:
        assert pair.wrong_answers + pair.answers == task.answer_space


def test_two_digit_years_as_in_the_definition() -> None:
    tokenizer = tiny_tokenizer(digits="pairs")
    task = make_task("greater-than", tokenizer, 2_000)
    by_year = {read(pair.clean)[1:]: pair for pair in task.pairs}
    pair = by_year[1741, "17"]
    assert pair.answers == tuple(str(n) for n in range(42, 100))
    assert pair.wrong_answers == tuple(f"{n:02d}" for n in range(42))
    endings = {year % 100 for year, _ in by_year}
    assert endings == set(range(2, 99))
    assert "17|41" in task.notes[0]
    assert task.metric == "prob_diff"


def test_the_corrupted_year_ends_in_01_and_all_else_is_equal() -> None:
    for digits in ("pairs", "single", "three"):
        for pair in make_task("greater-than", tiny_tokenizer(digits=digits), 100).pairs:
            noun, start, typed = read(pair.clean)
            assert read(pair.corrupted) == (noun, start // 100 * 100 + 1, typed)
            assert start // 100 in CENTURIES


def test_single_digits_fall_back_to_the_tens_digit_and_say_so() -> None:
    task = make_task("greater-than", tiny_tokenizer(digits="single"), 100)
    assert "tens digit" in task.notes[0]
    assert {read(pair.clean)[1] % 10 for pair in task.pairs} == {9}
    # Another tens digit than the corrupted year's, and one that leaves an answer.
    assert {read(pair.clean)[1] // 10 % 10 for pair in task.pairs} == set(range(1, 9))
    assert "lasted from the year 1739 to the year 17" in " ".join(
        pair.clean
        for pair in make_task("greater-than", tiny_tokenizer(digits="single"), 3000).pairs
    )


def test_three_digit_tokens_ask_for_the_decade() -> None:
    task = make_task("greater-than", tiny_tokenizer(digits="three"), 20)
    pair = task.pairs[0]
    _, start, typed = read(pair.clean)
    assert typed == ""
    assert pair.answers[0] == str(start // 10 + 1)
    assert "174|9" in task.notes[0]


def test_years_that_are_one_token_are_not_used() -> None:
    tokenizer = tiny_tokenizer(digits="pairs")
    whole = [f"17{n:02d}" for n in range(10, 60)] + ["1601"]
    years_whole(tokenizer, whole)
    task = make_task("greater-than", tokenizer, 3_000)
    starts = {read(pair.clean)[1] for pair in task.pairs}
    assert not starts & {int(year) for year in whole}
    allowed = {*range(1702, 1710), *range(1760, 1799)}
    assert len(starts & allowed) > 0.9 * len(allowed)
    assert 16 not in {year // 100 for year in starts}  # its corrupted year is one token


def test_a_tokenizer_of_whole_years_is_refused() -> None:
    tokenizer = tiny_tokenizer(digits="single")
    years_whole(tokenizer, [str(year) for year in range(1000, 2100)])
    with pytest.raises(TaskError, match=r"17\|41, 1\|7\|4\|1 or 174\|1"):
        make_task("greater-than", tokenizer, 4)


def test_the_pieces_of_a_year() -> None:
    assert PAIRS.of_year("1741") == ["41"]
    assert SINGLE.of_year("1749") == ["4", "9"]


def test_the_noun_varies() -> None:
    pairs: tuple[Pair, ...] = make_task("greater-than", tiny_tokenizer(), 400).pairs
    assert len({read(pair.clean)[0] for pair in pairs}) > 40
