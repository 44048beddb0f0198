"""Numbers, bars and names as text."""

from __future__ import annotations

import math

import pytest

from screens.base.numbers import (
    bar,
    digits_for,
    percent,
    plain,
    seconds,
    shorten,
    signed,
    whole_percent,
)
from screens.base.tokens import one_line


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.12345, 4, "+0.1235"),
        (-0.12345, 4, "−0.1235"),
        (0.0, 3, "0.000"),
        (-0.00001, 3, "0.000"),
        (math.nan, 3, "nan"),
        (math.inf, 3, "+∞"),
        (-math.inf, 3, "−∞"),
        (1.5e9, 3, "+1.50e+09"),
        (None, 3, "·"),
    ],
)
def test_signed(value: float | None, digits: int, text: str) -> None:
    assert signed(value, digits) == text


def test_a_column_keeps_three_significant_digits_of_its_largest_number() -> None:
    for largest in (0.0123, 0.9, 3.3, 57.0, 812.0, 40_000.0):
        shown = plain(largest, digits_for(largest))
        assert float(shown) == pytest.approx(largest, rel=0.005)
        assert len(shown) <= 8
    assert digits_for(0.0) == digits_for(math.nan) == 6


@pytest.mark.parametrize("estimate", [False, True])
@pytest.mark.parametrize("half", [2, 7, 14])
def test_bars_have_one_axis_and_a_length_that_follows_the_value(half: int, estimate: bool) -> None:
    lengths = []
    for value in (-1.0, -0.5, -0.01, 0.0, 0.01, 0.5, 1.0, 7.0, math.nan):
        drawn = bar(value, 1.0, half, estimate=estimate)
        assert len(drawn) == 2 * half + 1
        assert drawn[half] == "│"
        blank = drawn[:half] if value >= 0 else drawn[half + 1 :]
        assert not blank.strip() or math.isnan(value)
        lengths.append(len(drawn.replace(" ", "")) - 1)
    assert lengths[0] == lengths[6] == lengths[7] == half
    assert lengths[1] == lengths[5] == pytest.approx(half / 2, abs=1)
    assert lengths[3] == lengths[8] == 0


def test_an_estimate_and_an_exact_value_differ_without_colour() -> None:
    assert bar(0.8, 1.0, 5) != bar(0.8, 1.0, 5, estimate=True)


def test_nothing_to_compare_with_is_no_bar() -> None:
    assert not bar(0.0, 0.0, 5).replace("│", "").strip()
    assert not bar(1e-7, 2e-7, 5).replace("│", "").strip(), "rounding is nothing"
    assert bar(1e-6, 2e-6, 5).replace("│", "").strip()


def test_durations_and_shares() -> None:
    assert [seconds(x) for x in (0.0002, 0.0123, 3.21, 240)] == [
        "<1 ms",
        "12 ms",
        "3.2 s",
        "4.0 min",
    ]
    assert percent(0.96875) == "96.9%"


def test_shortening_keeps_both_ends() -> None:
    assert shorten("/home/someone/models/tiny", 11) == "/home…/tiny"
    assert shorten("short", 11) == "short"
    assert shorten("anything", 2) == "an"


def test_words_of_a_file_become_one_harmless_line() -> None:
    line = one_line("[b]bold[/b]\x1b[31m\n second   line\x00")
    assert "\x1b" not in line and "\n" not in line and "\x00" not in line
    assert line.startswith("[b]bold[/b]␛[31m")


def test_a_share_in_whole_percent_has_a_sign_only_where_there_is_something() -> None:
    shares = (0.634, -0.152, -0.001, 0.0, 1.0, -2.8)
    told = ["63%", "−15%", "0%", "0%", "100%", "−280%"]
    assert [whole_percent(share) for share in shares] == told
