"""A strip of numbers in one line, such as the faithfulness over the steps of a session."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeGuard

LEVELS = "▁▂▃▄▅▆▇█"
UNKNOWN = "·"  # stands where a number is not known
ROUNDING = 1e-9  # so that a value half way up shows so, whatever the division left over


def strip_of(
    values: Sequence[float | None],
    width: int,
    *,
    low: float | None = 0.0,
    high: float | None = 1.0,
) -> str:
    """Values as bars of a cell each, the first at the left; at most `width` cells.

    Where there are more values than cells, a cell stands for some that follow one another and shows
    the lowest, so that no dip is lost; the last cell always shows the last value.

    Args:
        values: None or NaN where one is not known.
        width: in cells.
        low, high: what the lowest and the full bar stand for. Values beyond widen them. None: the
            lowest or highest of the values.
    """
    known = [value for value in values if _is_known(value)]
    if not values or width < 1:
        return ""
    if not known:
        return UNKNOWN * min(width, len(values))
    bottom = min(known) if low is None else min(low, *known)
    top = max(known) if high is None else max(high, *known)
    return "".join(_bar(value, bottom, top) for value in _cells(values, width))


def _is_known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _cells(values: Sequence[float | None], width: int) -> list[float | None]:
    """One value a cell."""
    n = len(values)
    if n <= width:
        return list(values)
    cells: list[float | None] = []
    for cell in range(width):
        some = values[cell * n // width : (cell + 1) * n // width]
        known = [value for value in some if _is_known(value)]
        cells.append(min(known, default=None))
    cells[-1] = values[-1]
    return cells


def _bar(value: float | None, bottom: float, top: float) -> str:
    if not _is_known(value):
        return UNKNOWN
    share = (value - bottom) / (top - bottom) if top > bottom else 1.0
    return LEVELS[min(len(LEVELS) - 1, int(share * len(LEVELS) + ROUNDING))]
