"""At which rows, positions of pairs, what a circuit's sources add can be other than zero.

A source adds nothing where nothing that reaches it differs from the corrupted run: an MLP where
none of the sources that feed it adds anything, a head where its query is the corrupted run's and so
are all keys and values up to there. So an MLP is computed at the other rows alone, and the MLPs of
a pair whose prompts differ late cost no more in a group with one that differs early.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.engine.role_rows import MOST
from workbench.transformer.recording import Recording

Rows = NDArray[np.bool_]
"""Bool [pair, position]."""


class LiveRows:
    """The rows of one group's sources that are computed at all positions.

    Attributes:
        useful: there are rows at which not everything differs.

    Glossary: docs/glossary.md#live-rows.
    """

    def __init__(self, recording: Recording) -> None:
        differs = recording.differing
        # Where the two runs differ at all: from there on, a later position may have looked back.
        self._of_open: Rows = np.logical_or.accumulate(differs, axis=1)
        # With constants in the place of outputs anything may differ anywhere.
        self.useful = not recording.constants and not bool(differs.all())
        # A source that differs at all rows, as most of a large circuit do, is not in it.
        self._of: dict[int, Rows] = {0: differs}

    def into(self, sources: Iterable[int], *, is_open: bool) -> Rows | None:
        """Where the input that these feed differs; None for everywhere."""
        if is_open:
            return self._of_open
        rows = [self._of.get(source) for source in sources]
        some = [one for one in rows if one is not None]
        if len(some) < len(rows):
            return None
        return np.logical_or.reduce(some) if some else np.zeros_like(self._of_open)

    def set_head(self, source: int, q: Rows | None, k: Rows | None, v: Rows | None) -> None:
        """A head was computed from inputs that differ there."""
        if q is None or k is None or v is None:
            self.set_mlp(source, None)
        else:
            self.set_mlp(source, q | np.logical_or.accumulate(k | v, axis=1))

    def set_mlp(self, source: int, rows: Rows | None) -> None:
        """An MLP was computed from an input that differs there."""
        if rows is None or rows.all():
            self._of.pop(source, None)
        else:
            self._of[source] = rows


def as_indices(rows: Rows | None, device: torch.device) -> Tensor | None:
    """The same as indices of a flattened [pair, position]; None where nearly all are.

    To choose these from the others would be no gain.
    """
    if rows is None or np.count_nonzero(rows) > MOST * rows.size:
        return None
    return uploaded(np.flatnonzero(rows), device)
