"""What a change keeps and drops, by name: edges, and edges at roles where roles change."""

from __future__ import annotations

from workbench.circuits.names import at_role
from workbench.session.state import Change


def changed_parts(change: Change) -> tuple[list[str], list[str]]:
    """What it keeps from then on, and what it drops.

    Of an edge that is kept both before and after, each role at which it is not both times.
    """
    roles = {edge: (before, after) for edge, before, after in change.at}
    kept, dropped = (
        [
            at_role(edge, role)
            for edge in edges
            for role in roles.get(edge, (None, None))[side] or ("",)
        ]
        for edges, side in ((change.added, 1), (change.removed, 0))
    )
    staying = roles.keys() - {*change.added, *change.removed}
    for edge, sides in roles.items():
        if edge in staying:
            before, after = (set(change.roles if side is None else side) for side in sides)
            kept += [at_role(edge, role) for role in change.roles if role in after - before]
            dropped += [at_role(edge, role) for role in change.roles if role in before - after]
    return kept, dropped
