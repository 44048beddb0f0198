"""The strip of numbers in one line."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from screens.widgets.sparkline import LEVELS, UNKNOWN, strip_of

maybe = st.none() | st.floats(-2, 2) | st.just(math.nan)


def test_fixed_scale() -> None:
    assert strip_of([0.0, 0.5, 1.0], 10) == "▁▅█"
    assert strip_of([0.99, 1.0], 10) == "██"


def test_own_scale() -> None:
    assert strip_of([0.9, 0.95, 1.0], 10, low=None, high=None) == "▁▅█"
    assert strip_of([0.7, 0.7], 10, low=None, high=None) == "██"


def test_values_beyond_widen_the_scale() -> None:
    assert strip_of([-1.0, 0.0, 1.0], 3) == "▁▅█"
    assert strip_of([0.0, 1.0, 2.0], 3) == "▁▅█"


def test_unknown_values() -> None:
    assert strip_of([None, 1.0, math.nan], 5) == f"{UNKNOWN}█{UNKNOWN}"
    assert strip_of([None, None], 5) == UNKNOWN * 2
    assert strip_of([], 5) == ""
    assert strip_of([1.0], 0) == ""


def test_no_dip_is_lost_and_the_last_value_stands_last() -> None:
    values = [1.0] * 100
    values[37] = 0.0
    strip = strip_of(values, 10)
    assert strip == "███▁██████"
    assert strip_of([0.0] * 99 + [1.0], 10)[-1] == "█"


@given(st.lists(maybe, max_size=50), st.integers(1, 60))
def test_as_many_cells_as_values_or_room(values: list[float | None], width: int) -> None:
    strip = strip_of(values, width)
    assert len(strip) == min(width, len(values))
    assert set(strip) <= {*LEVELS, UNKNOWN}
