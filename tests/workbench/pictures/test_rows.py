"""Order and positions along rows, against slow and independent computations."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from workbench.pictures.rows import Slot, crossings, isotonic, place


@pytest.mark.parametrize("seed", range(20))
def test_isotonic_regression_is_that_of_scikit_learn(seed: int) -> None:
    draw = random.Random(seed)
    n = draw.randint(1, 30)
    values = [draw.gauss(0, 1) for _ in range(n)]
    weights = [draw.uniform(0.1, 4) for _ in range(n)]
    found = IsotonicRegression().fit_transform(range(n), values, sample_weight=weights)
    assert isotonic(values, weights) == pytest.approx(found)


def net(seed: int, n_rows: int = 6, most: int = 7) -> list[list[Slot]]:
    """Rows of slots, each joined with some of the row above."""
    draw = random.Random(seed)
    rows = [
        [Slot(draw.uniform(5, 25), f"{i}.{j}") for j in range(draw.randint(1, most))]
        for i in range(n_rows)
    ]
    for lower, upper in itertools.pairwise(rows):
        for slot in lower:
            for other in draw.sample(upper, draw.randint(0, min(3, len(upper)))):
                slot.join(other, draw.uniform(-4, 4))
    return rows


def crossings_one_by_one(rows: list[list[Slot]]) -> int:
    total = 0
    for row in rows:
        lines = [(slot.x, other.x + port) for slot in row for other, port in slot.above]
        for i, (a, b) in enumerate(lines):
            total += sum((a - c) * (b - d) < 0 for c, d in lines[:i])
    return total


@pytest.mark.parametrize("seed", range(20))
def test_crossings_are_counted_and_sorting_makes_no_more_of_them(seed: int) -> None:
    rows, unsorted = net(seed), net(seed)
    place(unsorted, 400, sort=False)
    place(rows, 400)
    assert crossings(rows) == crossings_one_by_one(rows)
    assert crossings(rows) <= crossings(unsorted)


@pytest.mark.parametrize("seed", range(20))
def test_nothing_overlaps_and_all_is_on_the_paper(seed: int) -> None:
    rows = net(seed)
    place(rows, 200)
    for row in rows:
        for left, right in itertools.pairwise(row):
            assert right.x - left.x >= (left.width + right.width) / 2 - 1e-9
        assert row[0].x - row[0].width / 2 >= -1e-9
        assert row[-1].x + row[-1].width / 2 <= 200 + 1e-9


def test_a_chain_is_straight() -> None:
    chain = [Slot(10, str(i)) for i in range(5)]
    for lower, upper in itertools.pairwise(chain):
        lower.join(upper)
    place([[slot] for slot in chain], 100)
    assert np.ptp([slot.x for slot in chain]) == pytest.approx(0)


def test_a_row_that_is_wider_than_the_paper_stands_in_its_middle() -> None:
    row = [Slot(60, "a"), Slot(60, "b")]
    place([row], 100)
    assert [slot.x for slot in row] == pytest.approx([20, 80])
