"""Trees of torch modules: copied and rebuilt without copying weights.

The one place that reads `nn.Module`'s own dictionaries. torch promises nothing about them, but has
no other way to give a copy of a module children or weights of its own while everything else is
shared: `copy.copy` leaves both modules with one dictionary, and `copy.deepcopy` copies weights.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from workbench.errors import WorkbenchError


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


def set_buffer(root: nn.Module, full_name: str, buffer: Tensor) -> None:
    """Put a buffer in place of the one of this dotted name, whether it is saved or not."""
    owner, _, leaf = full_name.rpartition(".")
    _table(root.get_submodule(owner), "_buffers")[leaf] = buffer


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
