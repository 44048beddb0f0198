"""Routes: the curves along which a line runs from one box to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Curve = tuple[Point, Point, Point, Point]
"""A cubic Bézier curve: where it begins, its two controls, where it ends."""
Path = tuple[Curve, ...]
SAG = 9.0
"""How far a line between two boxes of one row runs below them."""


@dataclass(frozen=True)
class Rect:
    """A rectangle by its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Halfway between left and right."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """Its upper side."""
        return self.y + self.height


def route(
    start: Rect, over: Sequence[tuple[float, float, float]], port: float, bottom: float
) -> Path:
    """Upward from the top of a box to a point on the lower side of another.

    Args:
        over: of each row that is passed, where, and the row's lower and upper side.
        port, bottom: where it ends.
    """
    curves: list[Curve] = []
    at = (start.middle, start.top)
    for x, low, high in over:
        curves += [rise(at, (x, low)), straight((x, low), (x, high))]
        at = (x, high)
    return (*curves, rise(at, (port, bottom)))


def arc(start: Rect, end: Rect, port: float, *, same_row: bool) -> Path:
    """Between boxes of one row below them; to a lower row around the right side of both."""
    if same_row:
        low = min(start.y, end.y) - SAG
        a, b = (start.middle, start.y), (port, end.y)
        return ((a, (a[0], low), (b[0], low), b),)
    a = (start.x + start.width, start.y + start.height / 2)
    b = (end.x + end.width, end.y + end.height / 2)
    out = max(a[0], b[0]) + 2 * SAG
    return ((a, (out, a[1]), (out, b[1]), b),)


def rise(a: Point, b: Point) -> Curve:
    """Upward, to the side, and upward again."""
    half = (b[1] - a[1]) / 2
    return (a, (a[0], a[1] + half), (b[0], b[1] - half), b)


def straight(a: Point, b: Point) -> Curve:
    """A straight line."""
    third = (b[1] - a[1]) / 3
    return (a, (a[0], a[1] + third), (b[0], b[1] - third), b)
