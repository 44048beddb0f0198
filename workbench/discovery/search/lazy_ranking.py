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

# Edges looked at together: those near the best, of which one more or less is cheap in a batch.
_TOGETHER = 16

Edges = NDArray[np.int64]
"""[edge, (source, destination)]"""


class Ranking:
    """Values of edges, some of them out of date.

    Args:
        shape: (sources, destinations).
        look: computes the values of edges anew, as work in pieces, and hands them to `put`.
    """

    def __init__(self, shape: tuple[int, int], look: Callable[[Edges], Work[None]]) -> None:
        self._values = np.full(shape, -np.inf)
        self._fresh = np.zeros(shape, dtype=bool)
        self._look = look

    def put(self, edges: Edges, values: NDArray[np.float64]) -> None:
        """Values as of now, the larger the better."""
        self._values[edges[:, 0], edges[:, 1]] = values
        self._fresh[edges[:, 0], edges[:, 1]] = True

    def age(self) -> None:
        """A choice was made: all values are out of date."""
        self._fresh[:] = False

    def remove(self, gone: NDArray[np.bool_]) -> None:
        """Edges that are not to be chosen any more, bool [source, destination]."""
        self._values[gone] = -np.inf

    def best(self) -> Work[tuple[int, int, float] | None]:
        """Source, destination and value of the best edge; of equal ones the first.

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
                source, destination = divmod(int(near[0]), self._values.shape[1])
                return source, destination, float(values[near[0]])
            stale = near[~fresh[near]]
            yield from self._look(np.stack(np.divmod(stale, self._values.shape[1]), axis=1))
