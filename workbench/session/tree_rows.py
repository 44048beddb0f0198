"""The circuit as a tree, with the effects that a session knows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from workbench.circuits.tree import TreeRow, tree
from workbench.session.known_effects import KnownEffects

if TYPE_CHECKING:
    from workbench.session.read_only import Snapshot


def tree_rows(
    seen: Snapshot,
    effects: KnownEffects,
    wanted: tuple[bool, bool, bool],
) -> list[TreeRow]:
    """The circuit back from the logits; `wanted`: missing, by_role and ranked of its `tree`."""
    missing, by_role, ranked = wanted
    how: dict[str, Any] = {"missing": missing, "estimated": effects.estimated()}
    carrying, graph = seen.runs.carrying, effects.graph
    if ranked:
        values = effects.ranked
        how["order"] = values.best()

        def part_order(name: str) -> float:
            value = values.best_of(graph, name, carrying)
            return 0.0 if value is None or math.isnan(value) else value

        how["part_order"] = part_order
    if by_role:

        def part_effect(name: str) -> tuple[float, bool] | None:
            value = effects.best_of(name, carrying)
            return None if value is None else (value, effects.is_estimated(name))

        how["part_effect"] = part_effect
    return tree(seen.state.circuit, effects.best(), seen.comparison, **how)
