"""At which token roles a circuit keeps its edges.

The residual stream adds up position by position, and so does an edge: kept at some roles, it
carries the source's clean part there and the corrupted one elsewhere. `m0->a9.h1<k>@S1` is an edge
at a role; an edge without `@` is the edge at all of them.

Pure Python, without torch.

Glossary: docs/glossary.md#edge-at-a-role.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workbench.errors import WorkbenchError

MOST_ROLES = 60
"""Roles whose edges can be told apart: one bit each of a 64-bit number, and a few to spare."""


@dataclass(frozen=True)
class EdgeRoles:
    """The roles of the edges that are kept at some roles only.

    Attributes:
        names: all roles of the prompts, in the order in which they stand there; empty as long as
            no edge is told apart by them.
        kept: by edge, the roles at which it is kept, in that order: at least one, never all.
    """

    names: tuple[str, ...] = ()
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.kept)

    def __eq__(self, other: object) -> bool:
        """The same edges at the same roles; what other roles there are does not matter."""
        if not isinstance(other, EdgeRoles):
            return NotImplemented
        return {e: {*r} for e, r in self.kept.items()} == {e: {*r} for e, r in other.kept.items()}

    def __hash__(self) -> int:
        return hash(frozenset((edge, frozenset(roles)) for edge, roles in self.kept.items()))

    @property
    def n_parts(self) -> int:
        """How many edges at single roles they are."""
        return sum(len(roles) for roles in self.kept.values())

    def named(self, names: Iterable[str]) -> EdgeRoles:
        """The same in prompts that have these roles; what is at all of them is whole.

        Raises:
            WorkbenchError: an edge is kept at a role that they lack, or there are too many.
        """
        names = tuple(names)
        return self if names == self.names else EdgeRoles(names).with_all(self.kept)

    def set(self, edge: str, roles: Iterable[str] | None) -> EdgeRoles:
        """With an edge at these roles; None, or all of them: the edge is whole, or not kept.

        Raises:
            WorkbenchError: there is no such role, or no role at all is named.
        """
        kept = {name: own for name, own in self.kept.items() if name != edge}
        whole = EdgeRoles(self.names, kept)
        return whole if roles is None else whole.with_all({edge: roles})

    def with_all(self, edges: Mapping[str, Iterable[str]]) -> EdgeRoles:
        """With all of these edges at their roles; errors as of `set`."""
        kept = dict(self.kept)
        for edge, roles in edges.items():
            wanted = set(roles)
            if not wanted:
                raise WorkbenchError(f"{edge} has to be kept at one role at least, or dropped.")
            check_roles(self.names, wanted, edge)
            kept.pop(edge, None)
            if len(wanted) < len(self.names):
                kept[edge] = tuple(name for name in self.names if name in wanted)
        return EdgeRoles(self.names, kept)

    def only(self, edges: Iterable[str]) -> EdgeRoles:
        """Of these edges alone."""
        if not self.kept:
            return self
        staying = set(edges)
        return EdgeRoles(self.names, {e: r for e, r in self.kept.items() if e in staying})

    def other(self, edge: str) -> tuple[str, ...]:
        """The roles at which an edge that is kept at some is not."""
        return tuple(name for name in self.names if name not in self.kept[edge])

    def together(self, other: EdgeRoles) -> tuple[str, ...]:
        """The roles of both, for what is made of two circuits."""
        return tuple(dict.fromkeys((*self.names, *other.names)))


def check_roles(names: tuple[str, ...], roles: Iterable[str], edge: str) -> None:
    """Refuse roles that prompts of these roles do not have.

    Raises:
        WorkbenchError: there is one, or more roles than can be told apart.
    """
    if len(names) > MOST_ROLES:
        raise WorkbenchError(
            f"The prompts have {len(names)} roles, and edges can be told apart by {MOST_ROLES} at "
            "most: name fewer places in the task."
        )
    for role in roles:
        if role not in names:
            known = f"there are {', '.join(names)}" if names else "the prompts have none"
            raise WorkbenchError(f"{edge} cannot be at {role[:40]!r}: no pair has it; {known}.")
