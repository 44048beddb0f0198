"""Drawing distinct combinations from a space too large to list."""

import random
from collections.abc import Callable, Iterator

from tasks.pair import Pair
from tasks.task import TaskError


def shuffled(size: int, rng: random.Random) -> Iterator[int]:
    """The numbers 0 .. size-1 in random order, each once, in memory of what was drawn so far.

    A Fisher-Yates shuffle whose array exists only where it was touched; more draws of the same
    seed begin with the same numbers.
    """
    moved: dict[int, int] = {}
    for position in range(size):
        drawn = rng.randrange(position, size)
        yield moved.get(drawn, drawn)
        moved[drawn] = moved.pop(position, position)


def digits(number: int, *radices: int) -> tuple[int, ...]:
    """`number` in the mixed radix, last digit fastest: a choice from each of several lists."""
    places = []
    for radix in reversed(radices):
        number, digit = divmod(number, radix)
        places.append(digit)
    return tuple(reversed(places))


# More than anybody runs at once; a slip of the finger should not fill the memory.
MOST_PAIRS = 100_000


def check_number(task: str, n_pairs: int) -> None:
    """Refuse a number of pairs that no task makes.

    Raises:
        TaskError: fewer than one, or more than `MOST_PAIRS`.
    """
    if n_pairs < 1:
        raise TaskError(f"{task} needs at least one pair, not {n_pairs}.")
    if n_pairs > MOST_PAIRS:
        raise TaskError(
            f"{task} makes at most {MOST_PAIRS:,} pairs at once, not {n_pairs:,}: ask for fewer."
        )


def draw_pairs(
    task: str, n_pairs: int, seed: int, variants: tuple[tuple[int, Callable[[int], Pair]], ...]
) -> tuple[Pair, ...]:
    """`n_pairs` distinct pairs, the variants (size, pair of a number) taking turns.

    Taking turns balances what the variants stand for (singular and plural, ABBA and BABA).

    Raises:
        TaskError: fewer than one pair asked for, more than there are, or than `MOST_PAIRS`.
    """
    total = sum(size for size, _ in variants)
    if n_pairs > total:
        raise TaskError(
            f"{task} has {total:,} distinct pairs with this tokenizer, not {n_pairs:,}: "
            "ask for fewer."
        )
    check_number(task, n_pairs)
    streams = [
        map(make, shuffled(size, random.Random(f"{task} {seed} {number}")))
        for number, (size, make) in enumerate(variants)
    ]
    pairs: list[Pair] = []
    while True:  # ends: together the streams hold at least n_pairs
        for stream in streams:
            if len(pairs) == n_pairs:
                return tuple(pairs)
            pair = next(stream, None)
            if pair is not None:
                pairs.append(pair)
