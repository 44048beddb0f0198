"""What can be asked for of nodes' effects, as values. No torch, no computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.effects.definitions import CHANGE, METRIC
from workbench.engine.patch_points import RESIDUAL

if TYPE_CHECKING:
    from workbench.readouts.target import Target


@dataclass(frozen=True)
class MapRequest:
    """Which map: arguments as of `effects.node_map.node_map`."""

    into: str = METRIC
    ablation: str | None = None
    run: str = "clean"
    pair: int | None = None


@dataclass(frozen=True)
class RoleRequest:
    """Which map by role: arguments as of `effects.role_map.role_map`."""

    kind: str = RESIDUAL
    ablation: str | None = None
    run: str = "clean"
    pair: int | None = None


@dataclass(frozen=True)
class RepairRequest:
    """Which direct and total effects: arguments as of `effects.self_repair.self_repair`."""

    nodes: tuple[str, ...] | None = None
    definition: str = CHANGE
    ablation: str | None = None
    run: str = "clean"
    pair: int | None = None
    target: str | Target | None = None
    position: int | None = None
