"""What is said of the node under the cursor: its effects, and who makes up for them."""

from __future__ import annotations

import math

from rich.text import Text

from screens.base.numbers import ABSENT, plain, signed
from screens.base.prose import prose
from screens.effects.repair_list import counts, share
from workbench.effects.definitions import DIFFERENCE, METRIC, find_definition
from workbench.effects.grids import GridMap
from workbench.effects.map_results import NodeMap
from workbench.effects.repair_results import NEGATIVE, Repair, SelfRepair
from workbench.readouts.target import Target

KINDS = {NEGATIVE: "negative: wrote {}", "backup": "backup: wrote {}"}
TOGETHER = "& drops {} together"


def of_map(found: NodeMap | None, node: str | None, width: int) -> list[Text]:
    """A node's cell in words."""
    if found is None or node is None:
        return []
    i = found.graph.source_index(node)
    exact = float(found.exact[i])
    lines = [Text(node, "bold")]
    if not found.reaches[i]:
        return lines + prose(f"It writes after {found.into} reads.", width)
    numbers = [] if math.isnan(exact) else [f"exact {signed(exact)}"]
    if found.estimates is not None:
        numbers.append(f"estimate {signed(float(found.estimates[i]))}")
    ranked = [name for name, _ in found.ranked()]
    place = f", number {ranked.index(node) + 1} of {len(ranked)} by size" if node in ranked else ""
    lines += prose(f"{', '.join(numbers) or 'not known yet'}{place}.", width)
    return lines


def of_repair(found: SelfRepair | None, node: str | None, width: int) -> list[Text]:
    """A node's direct and total effect, and the repairers with what each adds."""
    if found is None or node is None or all(row.node != node for row in found.rows):
        return []
    row = found.row(node)
    lines = prose(
        f"{node} writes {signed(row.writes, 3)}, ablated {signed(row.left, 3)} "
        f"(target: {found.target}; {signed(found.logit, 3)} in all).",
        width,
    )
    parts = f"heads {signed(row.heads, 3)}, MLPs {signed(row.mlps, 3)}, norm {signed(row.norm, 3)}"
    lines += prose(
        f"Direct {signed(row.direct, 3)}, total {signed(row.total, 3)}: repaired "
        f"{signed(row.repaired, 3)}{_share(row)}; {parts}.",
        width,
    )
    for repairer in found.repairers(node):
        kind = KINDS[repairer.kind].format(signed(repairer.writes, 3))
        told = f"  {repairer.node:<9}{signed(repairer.change, 3):>8}  {kind}"
        if repairer.attention is not None:
            told += f", attention moved {plain(repairer.attention, 2)}"
        lines.append(Text(told))
    if row.is_repaired:
        lines += prose(f"{TOGETHER.format(' + '.join(found.together(node)))}.", width, "bold")
    return lines


def _share(row: Repair) -> str:
    if row.undone is None or not counts(row) or share(row.undone) == ABSENT:
        return ""
    return f", {share(row.undone)} of the direct effect"


def definitions(found: SelfRepair | GridMap | None, width: int) -> list[Text]:
    """How the numbers are defined."""
    if found is None:
        return []
    if not isinstance(found, SelfRepair):
        return prose(found.definition, width, "dim")
    said = f"{found.said} {DIFFERENCE}"
    return prose(said, width, "dim")


def title_of_map(found: NodeMap | None, into: str) -> str:
    """Into what, and how much of it is exact."""
    where = "on the metric" if into == METRIC else f"into {into}"
    if found is None:
        return where
    state = "exact" if found.complete else f"{found.n_exact} of {int(found.reaches.sum())} exact"
    return f"{where} · {found.metric_name} · {state}"


def title_of_repair(definition: str, target: Target | str | None) -> str:
    """On which tokens, if they were asked about, and by which definition."""
    of = f" of {target.words}" if isinstance(target, Target) else ""
    return f"direct against total{of}, {find_definition(definition).source}"


def warning(found: SelfRepair, node: str) -> str:
    """A line for the bench where a node's direct and total effect tell different stories."""
    row = found.row(node)
    if row.is_repaired:
        others = ", ".join(found.together(node)[1:])
        said = f"{node} repaired: direct {signed(row.direct, 2)}, total {signed(row.total, 2)}"
        return f"{said}; & drops it with {others}" if others else f"{said}, by the final norm"
    if row.is_overturned:
        return f"{node} overturned: direct {signed(row.direct, 2)}, total {signed(row.total, 2)}"
    if row.is_negative:
        return f"{node} negative: it writes {signed(row.writes, 2)}, against the answer"
    return ""
