"""The numbers in which it is computed what would be lost in the model's own."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(values: Tensor) -> Tensor:
    """The same values in float32, or as they are if they are in float64."""
    return values if values.dtype == torch.float64 else values.float()


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """What `wide` makes of numbers of this type."""
    return dtype if dtype == torch.float64 else torch.float32
