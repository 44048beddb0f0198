"""A transformers model that computes in float64 throughout.

Its weights alone do not make it so: many norms, softmaxes and rotations are written to compute in
float32 whatever the numbers are, for models in short ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class _Float64(TorchFunctionMode):
    """Whatever is asked for in float32 is made in float64."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        named = {name: _asked(value) for name, value in (kwargs or {}).items()}
        return func(*map(_asked, args), **named)


def _asked(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def in_float64(hf_model: Any) -> Any:
    """The model with every module of transformers' own computing in float64, in place."""
    if hasattr(hf_model, "set_experts_implementation"):
        hf_model.set_experts_implementation("eager")  # the others know no float64
    for module in hf_model.modules():
        kind: Any = type(module)
        if kind.__module__.startswith("transformers."):
            module.__class__ = _widened(kind)
    return hf_model


@cache
def _widened(kind: Any) -> type[nn.Module]:
    """A class that differs from another one in the numbers of its forward pass alone."""

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        with _Float64():
            return kind.forward(self, *args, **kwargs)

    members = {"forward": forward, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), members)
