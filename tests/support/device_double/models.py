"""How a model is brought to a double."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tests.support.device_double.tensors import Elsewhere, double


def on_double(hf_model: Any, number: int = 0) -> Any:
    """A transformers model, moved to a double in place; tied weights stay tied."""
    known: dict[int, Any] = {}
    for module in hf_model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = _once(known, parameter, number)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = _once(known, buffer, number)
    return hf_model


def _once(known: dict[int, Any], tensor: Tensor, number: int) -> Tensor:
    """The same tensor there; `known` keeps what it was, so that no other gets its `id`."""
    if id(tensor) not in known:
        there: Tensor = Elsewhere(tensor.detach(), double(number))
        if isinstance(tensor, nn.Parameter):
            there = nn.Parameter(there, requires_grad=tensor.requires_grad)
        known[id(tensor)] = (tensor, there)
    found: Tensor = known[id(tensor)][1]
    return found


def host_copy(tensor: Tensor) -> Tensor:
    """The numbers of a tensor on the CPU, unseen by those who watch."""
    return tensor.host if isinstance(tensor, Elsewhere) else tensor
