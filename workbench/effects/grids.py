"""What maps of effects have in common, so that one widget draws each. No torch."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.base.table import Table


class GridMap(Protocol):
    """A map as a grid of numbers, with its names."""

    @property
    def title(self) -> str:
        """As a heading."""

    @property
    def definition(self) -> str:
        """One sentence on what the numbers are."""

    @property
    def complete(self) -> bool:
        """All that can be known is exact."""

    @property
    def done(self) -> float:
        """Which share of the exact values is there."""

    @property
    def corner(self) -> str:
        """What the rows are, in a word."""

    @property
    def rows(self) -> tuple[str, ...]:
        """Names, from above."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names, from the left."""

    def grid(self) -> NDArray[np.float64]:
        """[row, column]: exact where known, else an estimate; NaN where there is neither."""

    def estimated(self) -> NDArray[np.bool_]:
        """[row, column], what is no exact value."""

    def node_at(self, row: int, column: int) -> str | None:
        """The node of a cell; None where there is none."""

    def table(self) -> Table:
        """All values."""

    def table_row(self, row: int, column: int) -> int | None:
        """Where in the table a cell stands; None where there is none."""
