"""Places along rows: an order with few crossings, then positions near to neighbours.

The method of Sugiyama, Tagawa and Toda (1981): boxes stand in rows, a line over several rows is
held in each by a point of its own, each row is sorted by the mean place of its neighbours. The
positions of a sorted row are those nearest to where its neighbours would have them (least squares,
by isotonic regression) at which nothing overlaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SWEEPS = 12
BEND = 4.0
"""How much more a line wants to be straight than a box to stand amid its neighbours."""


@dataclass
class Slot:
    """What stands in a row: a box, or a point of a line that passes through.

    Attributes:
        width: in points, the gap to its neighbours included.
        key: of a box; None of a passing line.
        x: its middle.
        below, above: the neighbours in other rows; for each, how far to the right of the upper
            one's middle the line between the two enters it.
    """

    width: float
    key: str | None = None
    x: float = 0.0
    below: list[tuple[Slot, float]] = field(default_factory=list, repr=False)
    above: list[tuple[Slot, float]] = field(default_factory=list, repr=False)

    def join(self, upper: Slot, port: float = 0.0) -> None:
        """Draw a line from this one up to another."""
        self.above.append((upper, port))
        upper.below.append((self, port))

    def wishes(self, *, up: bool = True, down: bool = True) -> list[tuple[float, float]]:
        """Where its lines would have its middle, and how much each of them wants it."""
        places = [(other.x + port, other) for other, port in self.above if up]
        places += [(other.x - port, other) for other, port in self.below if down]
        return [(x, BEND if self.key is None and o.key is None else 1.0) for x, o in places]


def place(rows: Sequence[list[Slot]], width: float, *, sort: bool = True) -> None:
    """Give every slot its `x` between 0 and `width`, sorting the rows in place if asked.

    A row that is wider than that stands in its middle and is wider.
    """
    for row in rows:
        _spread(row, width)
    if sort:
        best, kept = crossings(rows), [list(row) for row in rows]
        for sweep in range(SWEEPS):
            up = sweep % 2 == 0
            for row in rows if up else list(reversed(rows)):
                _sort(row, up=not up)
                _spread(row, width)
            found = crossings(rows)
            if found < best:
                best, kept = found, [list(row) for row in rows]
        for row, order in zip(rows, kept, strict=True):
            row[:] = order
            _spread(row, width)
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else list(reversed(rows)):
            _settle(row, width)


def crossings(rows: Sequence[list[Slot]]) -> int:
    """How often lines between neighbouring rows cross."""
    total = 0
    for row in rows:
        ends = [x for slot in row for x in sorted(other.x + port for other, port in slot.above)]
        total += _inversions(ends)
    return total


def _inversions(values: list[float]) -> int:
    """Pairs that stand in the wrong order, by merge sort."""
    if len(values) < 2:
        return 0
    half = len(values) // 2
    left, right = values[:half], values[half:]
    found = _inversions(left) + _inversions(right)
    i = j = 0
    for k in range(len(values)):
        if j == len(right) or (i < len(left) and left[i] <= right[j]):
            values[k] = left[i]
            i += 1
        else:
            values[k] = right[j]
            j += 1
            found += len(left) - i
    return found


def _spread(row: Sequence[Slot], width: float) -> None:
    """One after the other, evenly over the width."""
    gap = max(0.0, width - sum(slot.width for slot in row)) / (len(row) + 1)
    at = min(0.0, (width - sum(slot.width for slot in row)) / 2)
    for slot in row:
        slot.x = at + gap + slot.width / 2
        at += gap + slot.width


def _sort(row: list[Slot], *, up: bool) -> None:
    """By the mean of where the lines to one side would have each."""

    def middle(slot: Slot) -> float:
        places = [x for x, _ in slot.wishes(up=up, down=not up)]
        return sum(places) / len(places) if places else slot.x

    row.sort(key=middle)


def _settle(row: Sequence[Slot], width: float) -> None:
    """Bring each slot as near to the middle of its neighbours as its own neighbours allow."""
    if not row:
        return
    wanted, weights, offsets = [], [], []
    at = 0.0
    for slot in row:
        wishes = slot.wishes()
        total = sum(pull for _, pull in wishes)
        mean = sum(x * pull for x, pull in wishes) / total if wishes else slot.x
        at += slot.width / 2
        offsets.append(at)
        at += slot.width / 2
        wanted.append(mean - offsets[-1])
        weights.append(max(total, 0.5))
    low, high = 0.0, width - at
    if high < low:
        low = high = (low + high) / 2
    for slot, x, offset in zip(row, isotonic(wanted, weights), offsets, strict=True):
        slot.x = min(max(x, low), high) + offset


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The rising values nearest to these by weighted least squares (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        size = 1
        while pools and pools[-1][0] > value:
            before, its, n = pools.pop()
            value = (value * weight + before * its) / (weight + its)
            weight, size = weight + its, size + n
        pools.append((value, weight, size))
    return [value for value, _, size in pools for _ in range(size)]
