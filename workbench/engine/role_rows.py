"""Which rows of a group's prompts are computed where edges are told apart by roles."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.engine.kept_edges import WHOLE
from workbench.engine.role_layout import LAST, where


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
