"""Drawing without repetition, in little memory, the same for the same seed."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pair import Pair
from tasks.sampling import digits, draw_pairs, shuffled
from tasks.task import TaskError


@given(size=st.integers(0, 300), seed=st.integers(0, 5))
def test_shuffled_is_a_permutation(size: int, seed: int) -> None:
    assert sorted(shuffled(size, random.Random(seed))) == list(range(size))


def test_shuffled_reaches_every_order() -> None:
    orders = {tuple(shuffled(3, random.Random(seed))) for seed in range(200)}
    assert orders == set(itertools.permutations(range(3)))


def test_shuffled_does_not_list_the_space() -> None:
    drawn = list(itertools.islice(shuffled(10**15, random.Random(0)), 100))
    assert len(set(drawn)) == 100
    assert max(drawn) > 10**14


def test_digits_numbers_every_combination_once() -> None:
    assert [digits(n, 2, 3, 2) for n in range(12)] == list(
        itertools.product(range(2), range(3), range(2))
    )


def _pair(kind: str):  # type: ignore[no-untyped-def]
    return lambda n: Pair(f"{kind}{n}", "", ("a",), ("b",))


def test_variants_take_turns_until_all_pairs_are_drawn() -> None:
    variants = ((3, _pair("x")), (5, _pair("y")))
    pairs = draw_pairs("task", 8, 0, variants)
    assert [pair.clean[0] for pair in pairs] == list("xyxyxyyy")
    assert len(set(pairs)) == 8


@pytest.mark.parametrize(("n_pairs", "said"), [(0, "at least one"), (-3, "-3"), (9, "8 distinct")])
def test_impossible_numbers_of_pairs_are_refused(n_pairs: int, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        draw_pairs("task", n_pairs, 0, ((3, _pair("x")), (5, _pair("y"))))
