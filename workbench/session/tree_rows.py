"""The circuit as a tree, with the effects that a session knows."""

from __future__ import annotations

import math
from typing import Any

from workbench.circuits.circuit import Circuit
from workbench.circuits.comparison import Comparison
from workbench.circuits.tree import FeederOrder, TreeRow, tree
from workbench.experiment.carrying import CarryingRoles
from workbench.session.known_effects import KnownEffects


def tree_rows(
    circuit: Circuit,
    comparison: Comparison | None,
    effects: KnownEffects,
    carrying: CarryingRoles,
    wanted: tuple[bool, bool, bool],
) -> list[TreeRow]:
    """The circuit back from the logits.

    Args:
        comparison: with the reference, if there is one.
        carrying: the roles by which edges are told apart.
        wanted: `missing`, `by_role` and `ranked` of a session's `tree`.
    """
    missing, by_role, ranked = wanted
    how: dict[str, Any] = {"missing": missing, "estimated": effects.estimated()}
    if ranked:
        values = effects.ranked

        def of_part(name: str) -> float:
            value = values.best_of(effects.graph, name, carrying)
            return 0.0 if value is None or math.isnan(value) else value

        how["order"] = FeederOrder(values.best(), of_part)
    if by_role:

        def part_effect(name: str) -> tuple[float, bool] | None:
            value = effects.best_of(name, carrying)
            return None if value is None else (value, effects.is_estimated(name))

        how["part_effect"] = part_effect
    return tree(circuit, effects.best(), comparison, **how)
