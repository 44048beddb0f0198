"""Sums over sources that are not taken anew: an earlier stage's, and those taken ahead.

Where a circuit keeps every edge of a region, all its destinations read one running residual, and a
stage's sum is the former one's plus what was written in between. Where it keeps a part of very many
edges, what was written before three layers is summed for all their destinations in one product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.circuits.graph import Stage
from workbench.engine.deltas import Deltas
from workbench.engine.kept_edges import Kept, Mask, has_roles, is_kept
from workbench.engine.plan import Positions

# Below this many summands a column is cheaper summed anew than by extending an earlier sum.
_CARRY_FROM = 24

# What sums that are taken ahead of their stage may take, in bytes: those of three layers of
# 16 pairs of SmolLM2. More rows in a product are little faster from there on.
_AHEAD_BYTES = 48 * 2**20

# Fewer sums than these are not worth while.
_FEW_AHEAD = 8

_LAYERS_AHEAD = 3
"""Of so many layers what was written before is summed at once, where all of it is new."""
_SUMMANDS_AHEAD = 48
"""So many summands for each destination of a layer make it worth while."""


@dataclass
class _Ahead:
    """Where a sum that is taken ahead lies, and how many destinations begin with it."""

    row: int
    readers: int = 0


class Carry:
    """Sums of an earlier stage, to be extended instead of summed anew.

    Where a circuit keeps every edge of a region, all its destinations read one running residual;
    then a stage's sum is the former stage's plus what was written in between.

    Glossary: docs/glossary.md#carry.
    """

    def __init__(self, deltas: Deltas) -> None:
        self._deltas = deltas
        self._sums: dict[int, dict[bytes, Tensor]] = {Positions.ALL: {}, Positions.LAST: {}}
        self._parents: dict[int, int] = {Positions.ALL: 0, Positions.LAST: 0}
        self._ahead: dict[bytes, _Ahead] = {}
        self._ahead_parents = 0
        self._room: Tensor | None = None

    def look_ahead(self, columns: Mask) -> int:
        """Sum what has been written so far for destinations of several stages, as one product.

        A product over all sources reads every delta once, however many destinations it is for: for
        the single one of an MLP that takes as long as for eight. Only sums at all positions.

        Args:
            columns: [destination, source], the sources before the first of these stages.

        Returns:
            Of how many destinations, the first so many, the sums were taken; the others are too
            many for the memory that this may take.
        """
        most = _AHEAD_BYTES // self._deltas.row_bytes
        firsts: list[int] = []
        self._ahead, taken = {}, 0
        for i, column in enumerate(columns):
            place = self._ahead.setdefault(column.tobytes(), _Ahead(len(firsts)))
            if place.row == len(firsts):
                if place.row == most:
                    break
                firsts.append(i)
            place.readers += 1
            taken = i + 1
        if len(firsts) < _FEW_AHEAD or not columns[firsts].any():
            self._ahead = {}
            return taken
        if self._room is None or len(self._room) < len(firsts):
            self._room = self._deltas.room(len(firsts))
        self._room[: len(firsts)].zero_()
        self._deltas.add(self._room[: len(firsts)], columns[firsts], Positions.ALL)
        self._ahead_parents = columns.shape[1]
        return taken

    def forget_ahead(self) -> None:
        """What was summed ahead is of no more use."""
        self._ahead = {}

    def onto(self, base: Tensor, columns: Kept, positions: int) -> Tensor | None:
        """`base`, which is the same for all destinations, and the sum; None for no sum at all."""
        ahead = self._from_ahead(columns, positions)
        if ahead is not None:
            return ahead.add_(base)
        total = self.sum(columns, positions)
        return None if total is None else base + total

    def _from_ahead(self, columns: Kept, positions: int) -> Tensor | None:
        """`sum` by what was summed ahead, if it was for all of these; nobody else's to keep."""
        if not self._ahead or positions != Positions.ALL or has_roles(columns):
            return None
        assert self._room is not None
        before = self._ahead_parents
        found = [self._ahead.get(column[:before].tobytes()) for column in columns]
        places = [place for place in found if place is not None]
        if len(places) < len(found):
            return None
        rows = [place.row for place in places]
        if rows == list(range(rows[0], rows[0] + len(rows))):
            total = self._room[rows[0] : rows[0] + len(rows)]
            if any(place.readers > 1 for place in places):
                total = total.clone()
        else:
            total = self._room[uploaded(rows, self._room.device)]
        rest = is_kept(columns).copy()
        rest[:, :before] = False
        self._deltas.add(total, rest, positions)
        return total

    def sum(self, columns: Kept, positions: int) -> Tensor | None:
        """As `Deltas.sum`; `columns` [destination, source] must come in the order of the stages."""
        known, before = self._sums[positions], self._parents[positions]
        pieces: list[Tensor | None] = []
        keep: dict[bytes, Tensor] = {}
        fresh: list[int] = []
        for i, column in enumerate(columns):
            many = np.count_nonzero(column) >= _CARRY_FROM
            earlier = known.get(column[:before].tobytes()) if many else None
            if earlier is None:
                fresh.append(i)
                pieces.append(None)
                continue
            rest = column.copy()
            rest[:before] = 0
            added = self._deltas.sum(rest[None], positions)
            pieces.append(earlier if added is None else earlier + added[0])
        if fresh:
            total = self._deltas.sum(columns[fresh], positions)
            if total is None and len(fresh) == len(columns):
                return None
            for at, i in enumerate(fresh):
                # A column without live sources adds nothing.
                pieces[i] = None if total is None else total[at]
        for column, piece in zip(columns, pieces, strict=True):
            many = np.count_nonzero(column) >= _CARRY_FROM
            if piece is not None and many and len(keep) < 4:
                keep[column.tobytes()] = piece
        self._sums[positions], self._parents[positions] = keep, columns.shape[1]
        if len(fresh) == len(columns):
            return total
        template = next(p for p in pieces if p is not None)
        return torch.stack([torch.zeros_like(template) if p is None else p for p in pieces])


def look_ahead(
    carry: Carry, stage: Stage, mask: Mask, positions: NDArray[np.uint8], wanted: Mask
) -> int:
    """Sum what was written before a layer for it and the next ones, if much of that is wanted.

    Args:
        stage: the layer's heads.
        mask: bool [source, destination], the kept edges.
        positions: [source], where sources are up to date.
        wanted: bool [destination], which inputs will be summed at all positions.

    Returns:
        The layer before which it is worth another look.
    """
    carry.forget_ahead()
    first, per_layer = stage.columns.start, stage.columns.stop - stage.columns.start + 1
    columns = first + np.flatnonzero(wanted[first : first + _LAYERS_AHEAD * per_layer])
    if mask[: stage.parents, columns].sum() < _SUMMANDS_AHEAD * per_layer:
        return stage.layer + 1
    live = positions[: stage.parents] == Positions.ALL
    taken = carry.look_ahead((mask[: stage.parents, columns] & live[:, None]).T)
    if taken == len(columns):
        return stage.layer + _LAYERS_AHEAD
    return stage.layer + max(1, int(columns[taken] - first) // per_layer)
