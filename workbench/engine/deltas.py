"""Sums over sources: the one piece of arithmetic that an edge is.

A `Deltas` holds, for some of the sources, what each adds beyond a background, and sums any choice
of them for several destinations at once, as one matrix product. Values are [pair, alternative,
position, d_model], kept once for all positions and once for the last alone, since the later half of
a circuit is only needed there.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.engine.kept_edges import NOTHING, Bits, Kept, has_roles, is_kept, is_whole
from workbench.engine.plan import Positions

# Below this many summands a column is cheaper summed anew than by extending an earlier sum.
_CARRY_FROM = 24


class Deltas:
    """What sources add beyond the background.

    Args:
        n_sources: how many sources there are at all.
        shape: (pairs, alternatives, positions, d_model).
        capacity: how many sources to make room for at first, (at all positions, at the last).
        like: gives device and dtype.
        role_of: of each position its role, [pair, position]; needed where edges are at roles.

    Glossary: docs/glossary.md#delta.
    """

    def __init__(
        self,
        n_sources: int,
        shape: tuple[int, int, int, int],
        capacity: tuple[int, int],
        like: Tensor,
        role_of: NDArray[np.int64] | None = None,
    ) -> None:
        self.shape = shape
        last = None if role_of is None else role_of[:, -1:]
        at_last = (shape[0], shape[1], 1, shape[3])
        self._banks: dict[int, _Bank] = {
            Positions.ALL: _Bank(n_sources, shape, capacity[0], like, role_of),
            Positions.LAST: _Bank(n_sources, at_last, capacity[1], like, last),
        }

    def put(self, source: int, value: Tensor, positions: int) -> None:
        """Set what a source adds, [pair, alternative, position (one if LAST), d_model]."""
        if positions == Positions.ALL:
            self._banks[Positions.ALL].put(source, value)
        self._banks[Positions.LAST].put(source, value[:, :, -1:])

    def put_nothing(self, source: int) -> None:
        """Let a source add nothing, at all positions."""
        for bank in self._banks.values():
            bank.put_nothing(source)

    def put_rows(self, source: int, rows: Tensor, value: Tensor | float) -> None:
        """Set what a source that was put at all positions adds at some; of one alternative only.

        Args:
            rows: indices of the flattened [pair, position].
            value: [row, d_model], or a number.
        """
        whole = self._banks[Positions.ALL].get(source)
        whole.view(-1, self.shape[3])[rows] = value
        self._banks[Positions.LAST].put(source, whole[:, :, -1:])

    def drop(self, source: int) -> None:
        """Forget a source's delta."""
        for bank in self._banks.values():
            bank.drop(source)

    def get(self, source: int, positions: int) -> Tensor:
        """[pair, alternative, position or 1, d_model]; a view."""
        return self._banks[positions].get(source)

    def tensors(self) -> list[Tensor]:
        """The tensors that hold the deltas."""
        return [bank.buffer for bank in self._banks.values()]

    def sum(self, columns: Kept, positions: int, rows: Tensor | None = None) -> Tensor | None:
        """Sum of the chosen sources for each of several destinations.

        Args:
            columns: [destination, source], the first so many sources; only sources that were put.
                With roles, a source adds up at their positions alone.
            rows: at which rows of the flattened [pair, position], where edges are at roles and
                there is one alternative; None: all.

        Returns:
            [destination, pair, alternative, position or 1, d_model], or [destination, row,
            d_model] at some rows; None if nothing is chosen.
        """
        bank = self._banks[positions]
        if rows is not None:
            return bank.sum_at_rows(columns, rows)
        return bank.sum_by_roles(columns) if has_roles(columns) else bank.sum(is_kept(columns))


class _Bank:
    """Slots of one shape in one growing buffer, so that a sum is one product."""

    def __init__(
        self,
        n_sources: int,
        shape: tuple[int, ...],
        capacity: int,
        like: Tensor,
        role_of: NDArray[np.int64] | None,
    ) -> None:
        self._shape = shape
        self._role_of = role_of
        self._roles_there: Tensor | None = None
        self._rows: dict[int, tuple[Tensor, Tensor]] = {}
        self._slot = np.full(n_sources, -1, dtype=np.int64)
        self._free: list[int] = []
        self._used = 0
        # Zeros, not garbage: a dense product multiplies unused slots by zero, and 0 x NaN is NaN.
        self.buffer = like.new_zeros((capacity, *shape))

    def put(self, source: int, value: Tensor) -> None:
        slot = int(self._slot[source])
        if slot < 0:
            slot = self._new_slot()
            self._slot[source] = slot
        self.buffer[slot].copy_(value)

    def put_nothing(self, source: int) -> None:
        slot = int(self._slot[source])
        if slot < 0:
            slot = self._new_slot()
            self._slot[source] = slot
        self.buffer[slot].zero_()

    def _new_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if self._used == len(self.buffer):
            grown = self.buffer.new_zeros((grown_size(self._used), *self._shape))
            grown[: self._used] = self.buffer
            self.buffer = grown
        self._used += 1
        return self._used - 1

    def drop(self, source: int) -> None:
        """Forget a source's delta."""
        slot = int(self._slot[source])
        if slot >= 0:
            self._slot[source] = -1
            self._free.append(slot)

    def get(self, source: int) -> Tensor:
        slot = int(self._slot[source])
        assert slot >= 0, source
        return self.buffer[slot]

    def sum_by_roles(self, columns: Kept) -> Tensor | None:
        """The whole edges in one product, and role by role those that are not."""
        whole = is_whole(columns)
        total = self.sum(whole)
        some = np.where(whole, NOTHING, columns)
        if not some.any():
            return total
        assert self._role_of is not None
        n = len(columns)
        if total is None:
            total = self.buffer.new_zeros((n, *self._shape))
        elif total.untyped_storage().data_ptr() == self.buffer.untyped_storage().data_ptr():
            total = total.clone()  # the sum of one source is a view
        for role in _roles_in(some):
            at_pairs, at_places = self._rows_of(role)
            if not len(at_pairs):
                continue
            at = (some >> np.uint64(role)) & np.uint64(1)
            chosen = np.flatnonzero(at.any(axis=0))
            slots = self._indices(self._slot[chosen])
            # Indices on both sides of a slice come first: [source, row, alternative, d_model].
            terms = self.buffer[slots[:, None], at_pairs, :, at_places]
            weights = at[:, chosen].astype(np.float32)
            left = uploaded(weights, self.buffer.device, self.buffer.dtype)
            added = (left @ terms.reshape(len(terms), -1)).view(n, *terms.shape[1:])
            total[:, at_pairs, :, at_places] += added.transpose(0, 1)
        return total

    def sum_at_rows(self, columns: Kept, rows: Tensor) -> Tensor | None:
        """[destination, row, d_model] at some rows of [pair, position] of the one alternative."""
        chosen = np.flatnonzero((columns != NOTHING).any(axis=0))
        if not chosen.size:
            return None
        assert self._role_of is not None and self._shape[1] == 1
        slots = self._indices(self._slot[chosen])
        d_model = self._shape[-1]
        # [row, source, d_model], so that each row is a product of its own.
        terms = self.buffer.view(len(self.buffer), -1, d_model)[slots[None], rows[:, None]]
        if self._roles_there is None:
            self._roles_there = uploaded(self._role_of.reshape(-1), self.buffer.device)
        role_of = self._roles_there[rows]
        bits = uploaded(columns[:, chosen].view(np.int64), self.buffer.device)
        left = ((bits[None] >> role_of[:, None, None]) & 1).to(self.buffer.dtype)
        return torch.bmm(left, terms).transpose(0, 1)

    def _rows_of(self, role: int) -> tuple[Tensor, Tensor]:
        """The pairs and the positions at which a role stands, one of each for every place."""
        if role not in self._rows:
            assert self._role_of is not None
            pairs, places = np.nonzero(self._role_of == role)
            self._rows[role] = self._indices(pairs), self._indices(places)
        return self._rows[role]

    def _indices(self, numbers: NDArray[np.int64]) -> Tensor:
        return uploaded(numbers, self.buffer.device)

    def sum(self, columns: NDArray[np.bool_]) -> Tensor | None:
        chosen = np.flatnonzero(columns.any(axis=0))
        if not chosen.size:
            return None
        slots = self._slot[chosen]
        assert (slots >= 0).all()
        n = len(columns)
        if n == 1 and chosen.size <= 4:
            total = self.buffer[slots[0]]
            for slot in slots[1:]:
                total = total + self.buffer[slot]
            return total[None]
        if 2 * chosen.size > self._used:
            weights = np.zeros((n, self._used), dtype=bool)
            weights[:, slots] = columns[:, chosen]
            terms = self.buffer[: self._used]
        else:
            weights = columns[:, chosen]
            terms = self.buffer[uploaded(slots, self.buffer.device)]
        left = uploaded(weights, self.buffer.device, self.buffer.dtype)
        return (left @ terms.reshape(len(terms), -1)).view(n, *self._shape)


def _roles_in(bits: Bits) -> list[int]:
    """The numbers of the roles that any of these edges is kept at."""
    every = int(np.bitwise_or.reduce(bits, axis=None))
    return [role for role in range(every.bit_length()) if every >> role & 1]


def grown_size(used: int) -> int:
    """How many sources there is room for after growing, when a full one gets one more."""
    return used + max(8, used // 4)


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
