"""The best edge by a value that every choice changes, not all computed anew each time.

A choice may change the value of every other edge, but mostly by little. So edges are looked at
again in the order of the value that they had when they were last looked at, until the best of all
has been looked at since the last choice (Minoux 1978, "lazy greedy"). An edge that rises from far
below to the top through somebody else's choice is thereby seen too late, and no other.

Glossary: docs/glossary.md#lazy-ranking.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import Work
from workbench.discovery.search.units import Places

# Edges looked at together: those near the best, of which one more or less is cheap in a batch.
_TOGETHER = 16


class Ranking:
    """Values of edges, some of them out of date.

    Args:
        shape: (roles, sources, destinations), as of `Units`.
        look: computes the values of edges anew, as work in pieces, and hands them to `put`.
    """

    def __init__(self, shape: tuple[int, ...], look: Callable[[Places], Work[None]]) -> None:
        self._values = np.full(shape, -np.inf)
        self._fresh = np.zeros(shape, dtype=bool)
        self._look = look

    def put(self, edges: Places, values: NDArray[np.float64]) -> None:
        """Values as of now, the larger the better."""
        self._values[tuple(edges.T)] = values
        self._fresh[tuple(edges.T)] = True

    def age(self) -> None:
        """A choice was made: all values are out of date."""
        self._fresh[:] = False

    def remove(self, gone: NDArray[np.bool_]) -> None:
        """Edges that are not to be chosen any more, bool [role, source, destination]."""
        self._values[gone] = -np.inf

    def best(self) -> Work[tuple[tuple[int, int, int], float] | None]:
        """Place (role, source, destination) and value of the best edge; of equal ones the first.

        None if there is none.
        """
        values, fresh = self._values.reshape(-1), self._fresh.reshape(-1)
        count = min(_TOGETHER, len(values))
        while True:
            near = np.flatnonzero(values >= np.partition(values, -count)[-count])
            near = near[np.argsort(-values[near], kind="stable")][:count]
            near = near[np.isfinite(values[near])]
            if not near.size:
                return None
            if fresh[near[0]]:
                role, source, destination = np.unravel_index(near[0], self._values.shape)
                return (int(role), int(source), int(destination)), float(values[near[0]])
            stale = near[~fresh[near]]
            yield from self._look(np.stack(np.unravel_index(stale, self._values.shape), axis=1))
