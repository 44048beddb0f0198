"""What passes between the host and the model's devices, and nothing else does.

A device works through what it is asked for while the host goes on asking. A copy that is waited
for, and every list or array used as an index is one, stops both. So indices and masks go there by
`uploaded` and `kept_index`, which wait for nothing, and what was computed comes back by `on_host`
and `array_of`, which wait: once, at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

KEPT = 4096
"""Indices that are kept on their device; a circuit's edits use a few hundred."""


def uploaded(
    numbers: NDArray[Any] | Tensor | Sequence[Any] | float,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The same numbers on a device; on the CPU an array's own memory, as it is.

    Args:
        numbers: of the host; a tensor that is on the device already stays as it is.
        dtype: None for what they have.
    """
    if isinstance(numbers, Tensor):
        tensor = numbers
    elif isinstance(numbers, np.ndarray):
        tensor = torch.from_numpy(numbers)
    else:
        tensor = torch.tensor(numbers, dtype=dtype)
    # Apple's GPUs would read the host's memory later, when it may hold something else.
    ahead = device.type != "mps"
    return tensor.to(device, tensor.dtype if dtype is None else dtype, non_blocking=ahead)


@lru_cache(maxsize=KEPT)
def kept_index(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """An index of such numbers, [number], made once for each device; nobody may write into it."""
    return uploaded(numbers, device, torch.long)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The same numbers on another device of the model's.

    Of weights that lie on several devices and of what they make; gradients go back the same way.
    Where they are there already, the tensor itself.
    """
    return tensor.to(device, non_blocking=device.type not in ("cpu", "mps"))


def on_host(tensor: Tensor) -> Tensor:
    """The same numbers on the CPU, waited for; on the CPU the tensor itself."""
    # A weight that lies elsewhere says that it is at home, which may be the CPU.
    there = getattr(tensor, "there", tensor)
    return there.cpu() if isinstance(there, Tensor) else tensor.cpu()


def array_of(tensor: Tensor) -> NDArray[Any]:
    """A tensor's numbers as an array, waited for; on the CPU its own memory.

    `tolist` and `item` of it are Python's numbers.
    """
    there = on_host(tensor.detach())
    # NumPy has no bfloat16.
    array: NDArray[Any] = (there.float() if there.dtype == torch.bfloat16 else there).numpy()
    return array
