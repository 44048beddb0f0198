"""Where the roles of a group's prompts stand, and which of them can reach which.

A set of positions is a number of bits here: one for each role, of its positions before the last,
and one for the last position, whatever its role, since it alone is what the metric reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.engine.kept_edges import NOTHING, WHOLE, Bits

LAST = np.uint64(1 << 63)
"""The bit of the last position."""
ROOM = np.uint64(1 << 62)
"""No position: what is needed is laid out at all of them, since a reader asks for all."""


class RoleLayout:
    """The roles of some groups of prompts.

    Args:
        groups: of each group the roles, [pair, position], as numbers from 0.

    Attributes:
        at_last: the roles that a last position has, as bits of an edge.

    Glossary: docs/glossary.md#role-layout.
    """

    def __init__(self, groups: Iterable[NDArray[np.int64]]) -> None:
        # Pairs are of a few kinds, such as the two orders of names: each is looked at once.
        rows = {row.tobytes(): row for group in groups for row in group}
        self._rows = list(rows.values())
        self.at_last = np.bitwise_or.reduce([_bit(int(row[-1])) for row in self._rows])

    @cached_property
    def _pairs(self) -> set[tuple[int, int]]:
        """(earlier, later): zones of which one stands before the other, or where it does."""
        found: set[tuple[int, int]] = set()
        for row in self._rows:
            seen: set[int] = set()
            for position, role in enumerate(row):
                zone = _LAST_ZONE if position == len(row) - 1 else int(role)
                seen.add(zone)
                found |= {(earlier, zone) for earlier in seen}
        return found

    def positions(self, bits: Bits) -> Bits:
        """The positions of an edge's roles."""
        return np.where(bits & self.at_last, bits | LAST, bits & ~LAST)

    def before(self, bits: Bits) -> Bits:
        """These positions and all that they can look back at."""
        return self._reach(bits, {(later, earlier) for earlier, later in self._pairs})

    def after(self, bits: Bits) -> Bits:
        """These positions and all that can look back at them."""
        return self._reach(bits, self._pairs)

    def _reach(self, bits: Bits, ways: set[tuple[int, int]]) -> Bits:
        found = np.zeros_like(bits)
        for zone in {start for start, _ in ways}:
            reached = np.uint64(sum(1 << end for start, end in ways if start == zone))
            here = (bits >> np.uint64(zone)) & np.uint64(1)
            found |= np.where(here, reached, NOTHING).astype(np.uint64)
        return found


_LAST_ZONE = 63


def _bit(role: int) -> np.uint64:
    return np.uint64(1 << role)


def where(role_of: NDArray[np.int64], bits: np.uint64) -> NDArray[np.bool_]:
    """At which positions an edge of these roles is kept, bool [pair, position]."""
    of_role: NDArray[np.uint64] = np.asarray(bits) >> role_of.astype(np.uint64)
    return (of_role & np.uint64(1)).astype(bool)


def rows_of(role_of: NDArray[np.int64], positions: np.uint64) -> Tensor | None:
    """Which rows of a flattened [pair, position] stand at some positions, as indices.

    None where they are nearly all, so that choosing them is no gain.
    """
    if positions == WHOLE:
        return None
    chosen = where(role_of, positions)
    chosen[:, -1] = bool(positions & LAST)
    rows = np.flatnonzero(chosen)
    return None if len(rows) > _MOST * chosen.size else torch.from_numpy(rows)


_MOST = 0.8
"""Above this share of the rows all of them are computed."""
