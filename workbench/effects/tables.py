"""What was found of effects as tables of raw values. No torch."""

from __future__ import annotations

from workbench.base.table import Cell, Table
from workbench.effects.definitions import COLUMNS
from workbench.effects.joint import Joint
from workbench.effects.map_results import NodeMap
from workbench.effects.repair_results import SelfRepair
from workbench.effects.role_map_results import RoleMap

Result = SelfRepair | NodeMap | RoleMap | Joint
REPAIRERS = 5
"""Who makes up most for a node, listed in its row."""


def table_of(result: Result, sort: str = "node") -> Table:
    """All values, each with every digit; `sort`: a column of direct and total effects."""
    if isinstance(result, SelfRepair):
        return repair_table(result, sort)
    return result.table()


def repair_table(found: SelfRepair, sort: str = "node", *, repairers: int = REPAIRERS) -> Table:
    """A row for each node, sorted by a column."""
    listed = tuple(f"{what}_{i + 1}" for i in range(repairers) for what in ("repairer", "change"))
    rows = []
    for row in found.sorted_by(sort):
        who: list[Cell] = []
        for repairer in found.repairers(row.node, repairers):
            who += [repairer.node, repairer.change]
        who += [None] * (len(listed) - len(who))
        values = (getattr(row, name) for name in COLUMNS)
        rows.append((row.node, *values, row.verdict, *who))
    columns = ("node", *COLUMNS, "verdict", *listed)
    return Table("direct and total effects", columns, tuple(rows))
