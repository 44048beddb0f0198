"""Trees of torch modules: copied and rebuilt without copying weights.

The one place that reads `nn.Module`'s own dictionaries. torch promises nothing about them, but has
no other way to give a copy of a module children or weights of its own while everything else is
shared: `copy.copy` leaves both modules with one dictionary, and `copy.deepcopy` copies weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from workbench.errors import WorkbenchError

HOOKED = ("forward", "_old_forward", "_hf_hook")
"""What accelerate puts into a module whose weights it moves."""


def children(module: nn.Module) -> dict[str, nn.Module | None]:
    """A module's children by name, those that are None included."""
    return dict(_table(module, "_modules"))


def with_children(module: nn.Module, own: dict[str, Any]) -> Any:
    """A copy of a module with these children; weights and buffers are shared."""
    return _with_table(module, "_modules", own)


def with_weight(module: nn.Module, weight: Tensor) -> nn.Module:
    """A copy of a module whose only parameter is this weight; buffers are shared."""
    copied: nn.Module = _with_table(module, "_parameters", {"weight": weight})
    return copied


def with_tensors(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy of a module and all below it, every tensor changed; what is shared stays shared.

    Attributes that are tensors are changed as parameters and buffers are. A copy calls its class's
    own `forward`, whatever was hooked in before the original's.
    """
    known: dict[int, tuple[Any, Any]] = {}

    def changed(tensor: Tensor | None) -> Tensor | None:
        if tensor is None:
            return None
        if id(tensor) not in known:
            made = change(tensor)
            if isinstance(tensor, nn.Parameter) and not isinstance(made, nn.Parameter):
                made = nn.Parameter(made, requires_grad=False)
            known[id(tensor)] = tensor, made
        found: Tensor = known[id(tensor)][1]
        return found

    def copied(one: nn.Module) -> nn.Module:
        if id(one) not in known:
            clone = copy.copy(one)
            for name in HOOKED:
                clone.__dict__.pop(name, None)
            known[id(one)] = one, clone
            for name, value in list(clone.__dict__.items()):
                if isinstance(value, Tensor):
                    clone.__dict__[name] = changed(value)
            for table in ("_parameters", "_buffers"):
                own = _table(one, table)
                clone.__dict__[table] = {name: changed(value) for name, value in own.items()}
            clone.__dict__["_modules"] = {
                name: None if child is None else copied(child)
                for name, child in children(one).items()
            }
        found: nn.Module = known[id(one)][1]
        return found

    return copied(module)


def set_buffer(root: nn.Module, full_name: str, buffer: Tensor) -> None:
    """Put a buffer in place of the one of this dotted name, whether it is saved or not."""
    owner, _, leaf = full_name.rpartition(".")
    _table(root.get_submodule(owner), "_buffers")[leaf] = buffer


def set_tensor(root: nn.Module, full_name: str, tensor: Tensor) -> None:
    """Put a parameter or buffer in place of the one of this dotted name."""
    owner, _, leaf = full_name.rpartition(".")
    module = root.get_submodule(owner)
    table = "_parameters" if leaf in _table(module, "_parameters") else "_buffers"
    _table(module, table)[leaf] = tensor


def _with_table(module: nn.Module, table: str, entries: dict[str, Any]) -> Any:
    _table(module, table)
    clone = copy.copy(module)
    clone.__dict__[table] = entries
    return clone


def _table(module: nn.Module, name: str) -> dict[str, Any]:
    table = module.__dict__.get(name)
    if not isinstance(table, dict):
        raise WorkbenchError(
            f"A {type(module).__name__} keeps no {name}, as torch's modules did in every release "
            "that was tried; install one of those."
        )
    return table
