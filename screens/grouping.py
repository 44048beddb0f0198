"""Moving nodes between groups, by the session's commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.views import Status

if TYPE_CHECKING:
    from workbench.session import Session


def put_into_group(session: Session, nodes: tuple[str, ...], name: str, role: str) -> Status:
    """Move nodes into the group of that name, made if there is none; no name takes them out of
    theirs.

    A group that loses its last node is removed.
    """
    before = session.circuit.groups
    status = session.status()
    if name:
        old = next((group.nodes for group in before if group.name == name), ())
        status = session.set_group(name, tuple(dict.fromkeys((*old, *nodes))), role)
    for group in before:
        rest = tuple(node for node in group.nodes if node not in nodes)
        if group.name == name or len(rest) == len(group.nodes):
            continue
        if not rest:
            status = session.remove_group(group.name)
        elif not name:
            status = session.set_group(group.name, rest, group.role)
    return status
