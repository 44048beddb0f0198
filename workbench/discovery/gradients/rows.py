"""Rows: positions of a slice's pairs, in an order in which groups stand together.

Scores are sums over the rows of a group: all of them, those of a pair, or those of a role. In that
order a group is one stretch, and a sum over it one matrix product of a part of a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.transformer.edge_edits import Reading
from workbench.transformer.parts import Layer


@dataclass(frozen=True)
class Rows:
    """The rows of some pairs.

    Attributes:
        n_pairs, n_positions: how many there are of each.
        ends: where the groups end in the order; the first number is 0.
        order: which row of [pair, position] stands where; None for as they are.
    """

    n_pairs: int
    n_positions: int
    ends: tuple[int, ...]
    order: Tensor | None = None

    @classmethod
    def together(cls, n_pairs: int, n_positions: int) -> Rows:
        """One group of all."""
        return cls(n_pairs, n_positions, (0, n_pairs * n_positions))

    @classmethod
    def by_pair(cls, n_pairs: int, n_positions: int) -> Rows:
        """A group for each pair."""
        ends = range(0, (n_pairs + 1) * n_positions, n_positions)
        return cls(n_pairs, n_positions, tuple(ends))

    @classmethod
    def by_role(cls, roles: NDArray[np.int64], n_roles: int) -> Rows:
        """A group for each role; the roles are [pair, position]."""
        order = np.argsort(roles, axis=None, kind="stable")
        ends = np.cumsum(np.bincount(roles.reshape(-1), minlength=n_roles))
        n_pairs, n_positions = roles.shape
        return cls(n_pairs, n_positions, (0, *(int(end) for end in ends)), torch.from_numpy(order))

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return len(self.ends) - 1

    def arranged(self, value: Tensor) -> Tensor:
        """A value [..., pair, last position, d] as [..., row, d].

        Zero at the positions that it does not have.
        """
        missing = self.n_positions - value.shape[-2]
        if missing:
            value = torch.nn.functional.pad(value, (0, 0, missing, 0))
        flat = value.flatten(-3, -2)
        return (
            flat if self.order is None else flat.index_select(-2, uploaded(self.order, flat.device))
        )

    def blocks(self, most: int) -> Iterator[tuple[int, slice]]:
        """Stretches of rows of one group, of at most so many and as equal as may be."""
        for group, (start, end) in enumerate(pairwise(self.ends)):
            pieces = -(-(end - start) // most)
            for piece in range(pieces):
                cut = (start + (end - start) * i // pieces for i in (piece, piece + 1))
                yield group, slice(*cut)

    def last(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Each group's rows at pairs' last positions, and the pairs whose they are."""
        at = torch.arange(1, self.n_pairs + 1) * self.n_positions - 1
        if self.order is not None:
            at = self.order.argsort()[at]
        for group, (start, end) in enumerate(pairwise(self.ends)):
            pairs = ((at >= start) & (at < end)).nonzero()[:, 0]
            if len(pairs):
                yield group, at[pairs], pairs

    def reading(self, layer: Layer, rows: slice) -> Layer:
        """The layer as it reads a stretch of rows.

        A norm of blocks beside the residual goes by where in the prompt a row stands.
        """
        norm = layer.norm1
        if not isinstance(norm, Reading):
            return layer
        order = torch.arange(self.n_pairs * self.n_positions) if self.order is None else self.order
        back = self.n_positions - order[rows] % self.n_positions
        sets = [[(block, at[uploaded(-back, at.device)]) for block, at in one] for one in norm.sets]
        return replace(layer, norm1=Reading(norm.norm, norm.width, norm.n_blocks, sets))
