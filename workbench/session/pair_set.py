"""The set of pairs that a session looks at, and the difference between two such sets.

A pair may be put aside: it stays in the set and nothing is computed on it. One outside of the
sample that a session answers from is asked too, later, with all others. Pure Python.

Glossary: docs/glossary.md#set-of-pairs.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.pair import Pair
from workbench.base.json_values import count, items, object_of
from workbench.errors import WorkbenchError
from workbench.prompts.pair_json import pair_from_json, pair_to_json

ASIDE, UNSAMPLED = "aside", "unsampled"


@dataclass(frozen=True)
class SetPair:
    """A pair of the set.

    Attributes:
        pair: the prompts and their answers.
        aside: it is put aside: means are taken over the others.
        unsampled: it is outside of the sample: edits are answered without it.
    """

    pair: Pair
    aside: bool = False
    unsampled: bool = False

    @property
    def used(self) -> bool:
        """Edits are answered from it."""
        return not (self.aside or self.unsampled)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as a line of a task file has them."""
        marks = {ASIDE: self.aside, UNSAMPLED: self.unsampled}
        return pair_to_json(self.pair) | {name: True for name, is_so in marks.items() if is_so}

    @classmethod
    def from_json(cls, value: Any) -> SetPair:
        """Raises TypeError or KeyError where it is not what `to_json` gives."""
        marks = (value.get(name, False) is True for name in (ASIDE, UNSAMPLED))
        return cls(pair_from_json(object_of(value)), *marks)


PairSet = tuple[SetPair, ...]


def as_set(pairs: Iterable[Pair]) -> PairSet:
    """All of these pairs, none put aside."""
    return tuple(map(SetPair, pairs))


def sampled(pairs: Sequence[Pair], size: int | None, seed: int) -> PairSet:
    """All of these pairs, of which only so many, drawn by the seed, are in the sample.

    `size`: None for all.
    """
    if size is None or size >= len(pairs):
        return as_set(pairs)
    drawn = set(random.Random(seed).sample(range(len(pairs)), size))
    return tuple(SetPair(pair, unsampled=i not in drawn) for i, pair in enumerate(pairs))


def in_use(pairs: PairSet) -> tuple[Pair, ...]:
    """The pairs that edits are answered from, in order: neither put aside nor unsampled."""
    return tuple(one.pair for one in pairs if one.used)


def with_unsampled(pairs: PairSet) -> PairSet:
    """The same set with all pairs in use that are not put aside."""
    return tuple(replace(one, unsampled=False) for one in pairs)


def only_unsampled(pairs: PairSet) -> PairSet:
    """The pairs outside of the sample alone, now in use."""
    return as_set(one.pair for one in pairs if one.unsampled and not one.aside)


@dataclass(frozen=True)
class PairsChange:
    """What leads from one set of pairs to another: at a place, some pairs become others.

    Attributes:
        at: index of the first pair that differs.
        before, after: the pairs from there on, up to the last that differs.
    """

    at: int
    before: PairSet
    after: PairSet

    @classmethod
    def between(cls, old: PairSet, new: PairSet) -> PairsChange | None:
        """The shortest such change; None if the sets are the same."""
        if old == new:
            return None
        shorter = min(len(old), len(new))
        at = next((i for i in range(shorter) if old[i] != new[i]), shorter)
        end = 0
        while end < shorter - at and old[-1 - end] == new[-1 - end]:
            end += 1
        return cls(at, old[at : len(old) - end], new[at : len(new) - end])

    def inverse(self) -> PairsChange:
        """The change that takes this one back."""
        return PairsChange(self.at, self.after, self.before)

    def apply(self, pairs: PairSet) -> PairSet:
        """The set after it. Raises WorkbenchError if other pairs are there than were then."""
        end = self.at + len(self.before)
        if pairs[self.at : end] != self.before:
            raise WorkbenchError("Other pairs are in the set than were then.")
        return (*pairs[: self.at], *self.after, *pairs[end:])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "at": self.at,
            "before": [one.to_json() for one in self.before],
            "after": [one.to_json() for one in self.after],
        }

    @classmethod
    def from_json(cls, value: Any) -> PairsChange:
        """Raises TypeError, KeyError or ValueError where it is not what `to_json` gives."""
        sides = (tuple(map(SetPair.from_json, items(value[s]))) for s in ("before", "after"))
        return cls(count(value["at"]), *sides)
