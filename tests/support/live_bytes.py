"""How many bytes of tensors there are at once while something is computed."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Inside, every tensor that is made is counted until it is let go of.

    Attributes:
        peak: the most bytes at one time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[int, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_storage(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if not isinstance(tensor, Tensor) or _storage(tensor) in {*given, *self._of}:
                continue
            storage = tensor.untyped_storage()
            self._of[_storage(tensor)] = storage.nbytes()
            weakref.finalize(storage, self._of.pop, _storage(tensor), None)
            self.peak = max(self.peak, sum(self._of.values()))
        return out


def _storage(tensor: Tensor) -> int:
    address: int = tensor.untyped_storage()._cdata
    return address
