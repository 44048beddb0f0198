"""A model in short numbers, computed in float32 for a while; how much its rounding does.

What a mistake does to the logits can be less than what rounding does to them in bfloat16, so that
a check in those numbers alone lets it pass. In float32, the same weights tell it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from workbench.transformer.families.modules import Scaled

SHORT = (torch.bfloat16, torch.float16)
"""Number formats in which rounding hides mistakes."""


def wide_bytes(hf_model: Any) -> int:
    """Bytes that a model's weights take in float32, beside those that they take already."""
    return 4 * sum(weight.numel() for weight in hf_model.parameters() if weight.dtype in SHORT)


@contextmanager
def in_wide_numbers(hf_model: Any) -> Iterator[None]:
    """While it lasts, a transformers model's weights are float32, of the same values.

    So are those of all modules that share its parameters, as the engine's view of it does.
    """
    short = {
        id(tensor): tensor
        for tensor in (*hf_model.parameters(), *hf_model.buffers())
        if tensor.dtype in SHORT
    }
    before = [(tensor, tensor.data) for tensor in short.values()]
    try:
        for tensor, data in before:
            tensor.data = data.float()
        yield
    finally:
        for tensor, data in before:
            tensor.data = data


def widened(value: Any) -> Any:
    """The engine's view of a model, or a part of it, with float32 for every short number.

    Functions are left as they are: they read the model's own tensors.
    """
    if isinstance(value, Tensor):
        return _wide_tensor(value) if value.dtype in SHORT else value
    if isinstance(value, nn.Module):
        return _wide_module(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: widened(getattr(value, f.name)) for f in fields(value)})
    if isinstance(value, tuple):
        return tuple(widened(item) for item in value)
    return value


def _wide_tensor(value: Tensor) -> Tensor:
    """What is one for all heads stays so, and takes no more room."""
    if value.dim() and value.stride(0) == 0:
        return value[:1].float().expand(value.shape)
    return value.float()


def _wide_module(module: nn.Module) -> nn.Module:
    if isinstance(module, Scaled) and isinstance(module.factor, Tensor):
        return Scaled(_wide_module(module.module), module.factor.float())
    tensors = (*module.parameters(), *module.buffers())
    if any(tensor.dtype in SHORT for tensor in tensors):
        return copy.deepcopy(module).float()
    return module


@contextmanager
def rounded_otherwise(hf_model: Any, dtype: torch.dtype) -> Iterator[None]:
    """While it lasts, whatever a module puts out is rounded by chance, a place up or down.

    What that does to the logits is what another order of the same computation may do to them. The
    chances are the same every time.
    """
    place = torch.finfo(dtype).eps
    generator = torch.Generator().manual_seed(0)

    def nudged(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dtype != dtype:
            return value
        chance = torch.rand(value.shape, generator=generator).to(value.device)
        return (value.float() * (1 + place * (2 * chance - 1))).to(dtype)

    def after(module: nn.Module, given: Any, out: Any) -> Any:
        return tuple(map(nudged, out)) if type(out) is tuple else nudged(out)

    inner = [module for module in hf_model.modules() if not list(module.children())]
    handles = [module.register_forward_hook(after) for module in inner]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
