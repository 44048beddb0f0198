"""Sums over sources: the one piece of arithmetic that an edge is.

A `Deltas` holds, for some of the sources, what each adds beyond a background, and sums any choice
of them for several destinations at once, as one matrix product. Values are [pair, alternative,
position, d_model], kept once for all positions and once for the last alone, since the later half of
a circuit is only needed there.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.scratch_file import ScratchFile
from workbench.base.transfers import uploaded
from workbench.engine.kept_edges import NOTHING, Bits, Kept, Mask, has_roles, is_kept, is_whole
from workbench.engine.plan import Positions


class Deltas:
    """What sources add beyond the background.

    Args:
        n_sources: how many sources there are at all.
        shape: (pairs, alternatives, positions, d_model).
        capacity: how many sources to make room for at first, (at all positions, at the last).
        like: gives device and dtype.
        role_of: of each position its role, [pair, position]; needed where edges are at roles.
        file: where the values lie, if memory has no room for them.

    Glossary: docs/glossary.md#delta.
    """

    adds_up = True
    """Whether a sum is the sums of its parts, which it is not where a norm follows some."""

    def __init__(
        self,
        n_sources: int,
        shape: tuple[int, int, int, int],
        capacity: tuple[int, int],
        like: Tensor,
        role_of: NDArray[np.int64] | None = None,
        file: ScratchFile | None = None,
    ) -> None:
        self.shape = shape
        last = None if role_of is None else role_of[:, -1:]
        at_last = (shape[0], shape[1], 1, shape[3])
        self._banks: dict[int, _Bank] = {
            Positions.ALL: _Bank(n_sources, shape, capacity[0], like, role_of, file),
            Positions.LAST: _Bank(n_sources, at_last, capacity[1], like, last, file),
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

    def place_for(self, sources: list[int], positions: int) -> Tensor | None:
        """Where what new sources add can be written to straight away; None if in no one place.

        Returns:
            [source, pair, alternative, position or 1, d_model]; `put_in_place` is to follow.
        """
        return self._banks[positions].place_for(sources)

    def put_in_place(self, sources: list[int], positions: int) -> None:
        """What these add was written to the place that `place_for` gave."""
        if positions == Positions.ALL:
            for source in sources:
                self._banks[Positions.LAST].put(source, self.get(source, positions)[:, :, -1:])

    def clear(self) -> None:
        """Forget all deltas but the input's."""
        for bank in self._banks.values():
            bank.clear()

    def drop(self, source: int) -> None:
        """Forget a source's delta."""
        for bank in self._banks.values():
            bank.drop(source)

    def get(self, source: int, positions: int) -> Tensor:
        """[pair, alternative, position or 1, d_model]; a view."""
        return self._banks[positions].get(source)

    @property
    def row_bytes(self) -> int:
        """Bytes of what one source adds at all positions."""
        return math.prod(self.shape) * self._banks[Positions.ALL].buffer.element_size()

    def room(self, n: int) -> Tensor:
        """Room for n sums at all positions, with nothing in it yet."""
        return self._banks[Positions.ALL].buffer.new_empty((n, *self.shape))

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

    def add(self, total: Tensor, columns: Mask, positions: int) -> None:
        """Add such sums, of whole edges, to `total` [destination, ...], in place."""
        self._banks[positions].add(total, columns)


class _Bank:
    """Slots of one shape in one growing buffer, so that a sum is one product."""

    def __init__(
        self,
        n_sources: int,
        shape: tuple[int, ...],
        capacity: int,
        like: Tensor,
        role_of: NDArray[np.int64] | None,
        file: ScratchFile | None,
    ) -> None:
        self._shape = shape
        self._file = file
        self._role_of = role_of
        self._roles_there: Tensor | None = None
        self._rows: dict[int, tuple[Tensor, Tensor]] = {}
        self._slot = np.full(n_sources, -1, dtype=np.int64)
        self._free: list[int] = []
        self._used = 0
        # Not filled: a slot is written to when it is first given away, and read only after that.
        self._buffer = self._room(capacity, like)

    @property
    def buffer(self) -> Tensor:
        """[slot, ...]; asked for whenever it is read or written."""
        if self._file is not None:
            self._file.touched(id(self), self._buffer.nbytes)
        return self._buffer

    def _room(self, n: int, like: Tensor) -> Tensor:
        shape = (n, *self._shape)
        return like.new_empty(shape) if self._file is None else self._file.empty(shape, like.dtype)

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

    def place_for(self, sources: list[int]) -> Tensor | None:
        first = self._used
        new = (self._slot[sources] < 0).all() and not self._free
        if not new or first + len(sources) > len(self.buffer):
            return None
        self._slot[sources] = np.arange(first, first + len(sources))
        self._used += len(sources)
        return self.buffer[first : self._used]

    def clear(self) -> None:
        """Forget all but the first source; what was given away may not be written to yet."""
        self._slot[1:] = -1
        self._used, self._free = 1, []
        self._slot[0] = 0

    def _new_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if self._used == len(self.buffer):
            grown = self._room(grown_size(self._used), self.buffer)
            grown[: self._used] = self.buffer
            self._buffer = grown
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

    def sum(self, columns: Mask) -> Tensor | None:
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
        left, terms = self._product(columns[:, chosen], slots)
        return (left @ terms).view(n, *self._shape)

    def add(self, total: Tensor, columns: Mask) -> None:
        """Add the sums of chosen sources to `total` [destination, ...], in place."""
        chosen = np.flatnonzero(columns.any(axis=0))
        if chosen.size:
            left, terms = self._product(columns[:, chosen], self._slot[chosen])
            total.view(len(total), -1).addmm_(left, terms)

    def _product(self, columns: Mask, slots: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Weights [destination, term] and terms [term, value] whose product is the sums."""
        low, high = int(slots.min()), int(slots.max()) + 1
        if 2 * len(slots) > high - low:
            # Terms as they lie, those that are not chosen with weight 0, are not copied.
            weights = np.zeros((len(columns), high - low), dtype=bool)
            weights[:, slots - low] = columns
            terms = self.buffer[low:high]
        else:
            weights = columns
            terms = self.buffer[uploaded(slots, self.buffer.device)]
        left = uploaded(weights, self.buffer.device, self.buffer.dtype)
        return left, terms.reshape(len(terms), -1)


def _roles_in(bits: Bits) -> list[int]:
    """The numbers of the roles that any of these edges is kept at."""
    every = int(np.bitwise_or.reduce(bits, axis=None))
    return [role for role in range(every.bit_length()) if every >> role & 1]


def grown_size(used: int) -> int:
    """How many sources there is room for after growing, when a full one gets one more."""
    return used + max(8, used // 4)
