"""A transformers model over several devices, and the same as the engine is to see it.

The model itself is accelerate's: its hooks move what modules read, and bring the host's weights.
The engine sees another tree of the same modules, without hooks, in which every matrix that lies
elsewhere than its home is `Placed`, while norms and biases, which are small, are at home.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from workbench.base.text import counted
from workbench.base.transfers import sent
from workbench.models.device import copied_aside, used_here
from workbench.models.device_map import HOST, Spread, quiet_accelerate
from workbench.transformer.parts import ModelParts
from workbench.transformer.placed import Placed, resident
from workbench.transformer.torch_modules import set_tensor, with_tensors
from workbench.transformer.visits import Visits

MATRIX = 2
"""Axes from which on a weight stays where it lies."""


def spread_over(hf_model: Any, spread: Spread) -> Any:
    """Bring a model's weights to their devices, in place; nothing is hooked in yet.

    One that accelerate has placed already loses its hooks, and weights that were put aside return.
    """
    if getattr(hf_model, "hf_device_map", None) is not None:
        from accelerate.hooks import remove_hook_from_submodules

        remove_hook_from_submodules(hf_model)
    known: dict[int, tuple[Tensor, Tensor]] = {}
    home = torch.device(spread.home)
    for name, tensor in [*hf_model.named_parameters(remove_duplicate=False)]:
        if id(tensor) not in known:
            there = sent(tensor.detach(), torch.device(spread.device_of(name)))
            known[id(tensor)] = tensor, nn.Parameter(there, requires_grad=False)
        set_tensor(hf_model, name, known[id(tensor)][1])
    for name, tensor in [*hf_model.named_buffers(remove_duplicate=False)]:
        place = spread.device_of(name) if spread.covers(name) else HOST
        set_tensor(hf_model, name, sent(tensor, home if place == HOST else torch.device(place)))
    return hf_model


def as_the_engine_sees(hf_model: Any, spread: Spread) -> Any:
    """The same modules for the engine, with weights of other devices `Placed`."""
    home = torch.device(spread.home)
    room = spread.visiting(hf_model, next(hf_model.parameters()).dtype)
    visits = Visits(home, room, copied_aside, used_here)

    def seen(tensor: Tensor) -> Tensor:
        if tensor.device == home:
            return tensor
        if tensor.dim() < MATRIX or not isinstance(tensor, nn.Parameter):
            return sent(tensor.detach(), home)
        return Placed(tensor.detach(), home, visits if tensor.device.type == HOST else None)

    return with_tensors(hf_model, seen)


def with_resident_mlps(parts: ModelParts) -> ModelParts:
    """The engine's view with every MLP run as a whole where its weights lie."""
    layers = tuple(replace(layer, elsewhere=resident(layer.mlp)) for layer in parts.layers)
    return replace(parts, layers=layers, is_spread=True)


def dispatched(hf_model: Any, spread: Spread, name: str) -> Any:
    """The model with accelerate's hooks, by which its own forward pass crosses the devices."""
    with quiet_accelerate(name):
        from accelerate import dispatch_model

        return dispatch_model(
            hf_model,
            spread.expanded(hf_model),
            main_device=torch.device(spread.home),
            force_hooks=True,
        )


def told(spread: Spread, weights: dict[str, int]) -> str:
    """Where the weights lie, in a sentence."""
    layers = spread.layers()
    parts = []
    for device, size in weights.items():
        own = layers.get(device, [])
        which = f", {counted(len(own), 'layer')}" if own else ""
        where = "the host" if device == HOST else device
        parts.append(f"{size / 2**30:.3g} GiB on {where}{which}")
    return f"The weights lie on several devices ({'; '.join(parts)}); runs are on {spread.home}."
