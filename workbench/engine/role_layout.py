"""Where the roles of a group's prompts stand, and which of them can reach which.

A set of positions is a number of bits here: one for each role, of its positions before the last,
and one for the last position, whatever its role, since it alone is what the metric reads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.edge_roles import MOST_ROLES
from workbench.engine.kept_edges import Bits
from workbench.prompts.roles import Roles

LAST = np.uint64(1 << 63)
"""The bit of the last position."""
ROOM = np.uint64(1 << 62)
"""No position: what is needed is laid out at all of them, since a reader asks for all."""


@dataclass(frozen=True)
class RoleLayout:
    """The roles of some groups of prompts.

    Attributes:
        at_last: the roles that a last position has, as bits of an edge.
        pairs: (earlier, later): bits of positions of which, in some prompt, one stands before the
            other or where it does, by their numbers.

    Glossary: docs/glossary.md#role-layout.
    """

    at_last: np.uint64
    pairs: frozenset[tuple[int, int]]

    @classmethod
    def of(cls, roles: Roles) -> RoleLayout:
        """Of all prompts of a batch."""
        return cls.of_rows(roles.of_pairs)

    @classmethod
    def of_rows(cls, rows: Iterable[Iterable[int]]) -> RoleLayout:
        """Of prompts with these roles, each position's as a number from 0."""
        at_last, pairs = 0, set()
        # Pairs are of a few kinds, such as the two orders of names: each is looked at once.
        for row in {tuple(int(role) for role in row) for row in rows}:
            at_last |= 1 << row[-1]
            seen: set[int] = set()
            for zone in (*row[:-1], _LAST_ZONE):
                seen.add(zone)
                pairs |= {(earlier, zone) for earlier in seen}
        return cls(np.uint64(at_last), frozenset(pairs))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"at_last": int(self.at_last), "pairs": sorted(self.pairs)}

    @classmethod
    def from_json(cls, value: Any) -> RoleLayout:
        """What `to_json` gave; one of ValueError, TypeError and KeyError for anything else."""
        pairs = frozenset((int(one), int(other)) for one, other in value["pairs"])
        at_last = int(value["at_last"])
        if not 0 <= at_last < 1 << MOST_ROLES or any(
            not 0 <= zone <= _LAST_ZONE for pair in pairs for zone in pair
        ):
            raise ValueError
        return cls(np.uint64(at_last), pairs)

    @cached_property
    def everywhere(self) -> np.uint64:
        """All positions that there are."""
        return np.uint64(sum({1 << zone for pair in self.pairs for zone in pair}))

    def positions(self, bits: Bits) -> Bits:
        """The positions of an edge's roles."""
        return np.where(bits & self.at_last, bits | LAST, bits & ~LAST)

    def before(self, bits: Bits) -> Bits:
        """These positions and all that they can look back at."""
        return np.array([self._earlier(one) for one in bits.tolist()], dtype=np.uint64)

    def after(self, bits: Bits) -> Bits:
        """These positions and all that can look back at them."""
        return np.array([self._later(one) for one in bits.tolist()], dtype=np.uint64)

    @cached_property
    def _earlier(self) -> _Reached:
        return _Reached((later, earlier) for earlier, later in self.pairs)

    @cached_property
    def _later(self) -> _Reached:
        return _Reached(self.pairs)


class _Reached:
    """What is reached from sets of positions; each is worked out once."""

    def __init__(self, ways: Iterable[tuple[int, int]]) -> None:
        self._from: dict[int, int] = defaultdict(int)
        for start, end in ways:
            self._from[start] |= 1 << end
        self._known: dict[int, int] = {}

    def __call__(self, bits: int) -> int:
        """From these, as bits."""
        if bits not in self._known:
            found = 0
            for zone, reached in self._from.items():
                if bits >> zone & 1:
                    found |= reached
            self._known[bits] = found
        return self._known[bits]


_LAST_ZONE = 63


def where(role_of: NDArray[np.int64], bits: np.uint64) -> NDArray[np.bool_]:
    """At which positions an edge of these roles is kept, bool [pair, position]."""
    of_role: NDArray[np.uint64] = np.asarray(bits) >> role_of.astype(np.uint64)
    return (of_role & np.uint64(1)).astype(bool)
