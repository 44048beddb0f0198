"""Rows of prompts where edges are told apart by roles: what is computed, what is carried.

A row is a position of a pair.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.engine.kept_edges import WHOLE
from workbench.engine.plan import Plan, Positions
from workbench.engine.role_layout import LAST, where

MOST = 0.8
"""Above this share of the rows all of them are computed: to choose them is no gain."""


def needed_rows(plan: Plan, source: int, role_of: NDArray[np.int64] | None) -> Tensor | None:
    """At which rows of a flattened [pair, position] a source is needed, as indices.

    None where it is needed at nearly all, at the last position alone, or roles are not told apart.
    """
    if plan.need_at is None or plan.need[source] != Positions.ALL:
        return None
    positions = plan.need_at[source]
    if positions == WHOLE or role_of is None:
        return None
    rows = rows_at(role_of, positions)
    return None if len(rows) > MOST * role_of.size else torch.from_numpy(rows)


def rows_at(role_of: NDArray[np.int64], positions: np.uint64) -> NDArray[np.intp]:
    """The rows of a flattened [pair, position] at these positions, as bits of a layout."""
    chosen = where(role_of, positions)
    chosen[:, -1] = bool(positions & LAST)
    return np.flatnonzero(chosen)


def carried(delta: Tensor, bits: np.bool_ | np.uint64, role_of: NDArray[np.int64] | None) -> Tensor:
    """What an edge of these roles carries of [pair, ..., position or 1, d_model]."""
    if isinstance(bits, np.bool_) or bits == WHOLE:
        return delta
    assert role_of is not None
    chosen = where(role_of, bits)[:, -delta.shape[-2] :]
    shape = (len(chosen), *(1,) * (delta.ndim - 3), chosen.shape[1], 1)
    return delta * uploaded(chosen.reshape(shape), delta.device)


def flat_rows(value: Tensor) -> Tensor:
    """[pair, ..., position, any] of one alternative as [row, any]: a view, to be written to."""
    return value.view(-1, value.shape[-1])


def some_rows(value: Tensor, rows: Tensor) -> Tensor:
    """Some rows of [pair, ..., position, any] of one alternative, [row, any]."""
    return value.reshape(-1, value.shape[-1])[rows]
