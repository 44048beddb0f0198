"""Sums over slices of pairs that a job goes on with, see `base.ledger`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.base.ledger import standing

SLICES = "slices added"


class SliceSums:
    """Arrays that slices are added to, one after the other, always in the same order.

    Attributes:
        arrays: the sums by name; added to in place, or put there when their first slice comes.
        resumed: they have slices already that an earlier process of this job added.
    """

    def __init__(self, **arrays: NDArray[np.float64]) -> None:
        self.arrays = arrays
        self._standing = standing("sums over slices")
        found = self._standing.recall() or {}
        self._already = int(found[SLICES]) if SLICES in found else 0
        self._seen = 0
        for name, array in found.items():
            if name != SLICES:
                self.arrays[name] = array
        self.resumed = self._already > 0

    def has_next(self) -> bool:
        """Whether the next slice is in the sums already; to be asked once for each."""
        self._seen += 1
        return self._seen <= self._already

    def added(self) -> None:
        """The slice asked about last is in the sums now."""
        self._standing.keep(lambda: {**self.arrays, SLICES: np.array(self._seen)})

    def done(self) -> None:
        """All slices are in the sums."""
        self._standing.done()
