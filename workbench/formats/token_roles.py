"""Edges at token roles in files: the names of all roles, and by edge those that it is at."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from workbench.base.text import counted
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import MOST_ROLES, EdgeRoles
from workbench.errors import WorkbenchError

_NAME = re.compile(r"[\w+'.-]{1,60}")
"""What a role may be called: as a task calls it, or by what lies around it, as `IO..S2`."""


_BETWEEN = re.compile(r"[,;\s]+")
TOKEN_ROLES = "# token roles:"
"""Begins the line of a table or a text that has all roles of the prompts, in their order."""


def roles_lost(circuit: Circuit) -> tuple[str, ...]:
    """A sentence on the edges at roles that become whole in a format without; none: nothing."""
    n = len(circuit.at.kept)
    if not n:
        return ()
    are = "is a whole edge" if n == 1 else "are whole edges"
    return (
        f"This format has no token roles: {counted(n, 'edge')} that the circuit keeps at some "
        f"roles only {are} there, so that the circuit scores differently.",
    )


def edges_at(
    roles: Iterable[str], at: Mapping[str, Iterable[str]], kept: Container[str]
) -> EdgeRoles:
    """The edges at roles that a file lists.

    Args:
        roles: all of the prompts, in their order.
        at: by edge, the roles at which it is kept.
        kept: names of the edges that the file keeps.

    Raises:
        WorkbenchError: a role's name is none, or listed twice; an edge is not kept, or is at a
            role that is not listed, at one twice, at none or at all of them.
    """
    names = checked_names(roles)
    found: dict[str, tuple[str, ...]] = {}
    for edge, its in at.items():
        shown = _short(edge)
        own = tuple(its)
        if edge not in kept:
            raise WorkbenchError(f"It says at which roles {shown} is kept, which it does not keep.")
        if not own:
            raise WorkbenchError(f"The edge {shown} is at no role: name one, or do not keep it.")
        seen: set[str] = set()
        for role in own:
            if role not in names:
                raise WorkbenchError(
                    f"The edge {shown} is at {_short(role)}, which is none of its token_roles."
                )
            if role in seen:
                raise WorkbenchError(f"The edge {shown} is at {_short(role)} twice: list it once.")
            seen.add(role)
        if len(own) == len(names):
            raise WorkbenchError(
                f"The edge {shown} is at every role, which a whole edge is: leave it out of `at`."
            )
        found[edge] = tuple(name for name in names if name in own)
    return EdgeRoles(names, found)


def edges_at_listed(roles: Iterable[str], listed: Mapping[str, Sequence[str]]) -> EdgeRoles:
    """The edges at roles of a list, which may leave unsaid what other roles there are.

    Args:
        roles: all of the prompts; empty where the list does not say them.
        listed: by edge, the role of each time that it is listed; "" for the whole edge.

    Raises:
        WorkbenchError: an edge is listed at a role and whole, or at a role that is none of those;
            or it is at each role that the list names, and there may be others.
    """
    at = {edge: its for edge, its in listed.items() if any(its)}
    for edge, its in at.items():
        if "" in its:
            raise WorkbenchError(f"It lists {_short(edge)} whole and at a role: keep one of them.")
    mentioned = dict.fromkeys(role for its in at.values() for role in its)
    names = checked_names(roles or mentioned)
    parts: dict[str, tuple[str, ...]] = {}
    for edge, its in at.items():
        if {*its} == {*names}:
            if roles:
                continue  # listed at every role, it is whole
            raise WorkbenchError(
                f"It lists {_short(edge)} at each role that it names, and there may be others: say "
                f"all roles of the prompts, in a line `{TOKEN_ROLES} {' '.join(names[:4])} END` or "
                "the field token_roles."
            )
        parts[edge] = tuple(its)
    return edges_at(names, parts, parts)


def roles_of_text(text: str) -> tuple[str, ...]:
    """The roles that a line of a table or a text names; empty if none does."""
    for line in text.splitlines():
        if line.strip().lower().startswith(TOKEN_ROLES):
            return tuple(_BETWEEN.split(line.strip()[len(TOKEN_ROLES) :].strip(" ,;\t")))
    return ()


def roles_of_object(value: Mapping[str, Any]) -> tuple[str, ...]:
    """The roles that a JSON object names. Raises WorkbenchError: they are no list of names."""
    roles = value.get("token_roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise WorkbenchError("Its field token_roles is wrong: not a list of names.")
    return tuple(roles)


def checked_names(roles: Iterable[str]) -> tuple[str, ...]:
    """The names of all roles. Raises WorkbenchError: one cannot be, or is there twice."""
    names = tuple(roles)
    if len(names) > MOST_ROLES:
        raise WorkbenchError(
            f"It has {len(names)} token roles, and edges can be told apart by {MOST_ROLES} at most."
        )
    for name in names:
        if not _NAME.fullmatch(name):
            raise WorkbenchError(
                f"{_short(name)} is no name of a token role: letters, digits, _ + ' . and - make "
                "one."
            )
        if names.count(name) > 1:
            raise WorkbenchError(f"The token role {_short(name)} is listed twice: list it once.")
    return names


def _short(text: str) -> str:
    return ascii(text if len(text) <= 60 else text[:57] + "...")
