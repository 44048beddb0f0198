"""Members: a circuit's groups, and what is in none, as the boxes of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.circuits.circuit import RoleGroup
from workbench.circuits.names import INPUT

REST = "rest"
"""Key of the member that holds all that is in no group."""


@dataclass(frozen=True)
class Member:
    """One box of a picture of groups.

    Attributes:
        key: a group's number; the name of a single node; or 'rest' for all that is in no group.
        nodes: those that are in the circuit.
    """

    key: str
    name: str
    role: str
    nodes: tuple[str, ...]

    @property
    def group(self) -> int | None:
        """The group's number; None if it is none."""
        return int(self.key) if self.key.isdecimal() else None


def group_of(groups: Sequence[RoleGroup]) -> dict[str, int]:
    """Number of the group that holds a node; nodes without a group are left out."""
    return {node: i for i, group in enumerate(groups) for node in group.nodes}


def members_of(
    layers: Mapping[str, int], n_layers: int, groups: Sequence[RoleGroup]
) -> tuple[Member, ...]:
    """Every group, the input, the logits, and all else as one, from the logits down.

    Args:
        layers: layer by node of the circuit, in the graph's order: -1 the input, `n_layers` the
            logits.
        n_layers: of the model.
        groups: those of the circuit; they may hold nodes that are not in it.
    """
    grouped = group_of(groups)
    members = [
        Member(
            str(i),
            group.name,
            group.role,
            # A node in two groups stands in the last, so that its edges are counted once.
            tuple(n for n in group.nodes if n in layers and grouped[n] == i),
        )
        for i, group in enumerate(groups)
    ]
    loose = [node for node in layers if node not in grouped]
    singles = [node for node in loose if node == INPUT or layers[node] == n_layers]
    members += [Member(node, node, "", (node,)) for node in singles]
    rest = tuple(node for node in loose if node not in singles)
    if rest:
        members.append(Member(REST, "ungrouped", "", rest))
    members.sort(key=lambda member: -depth(member, layers))
    return tuple(members)


def depth(member: Member, layers: Mapping[str, int]) -> float:
    """The mean layer of a member's nodes."""
    found = [layers[node] for node in member.nodes]
    # A group whose nodes are not in the circuit stands just above the input.
    return sum(found) / len(found) if found else -0.5


def letter(index: int) -> str:
    """A short name of a group: A to Z, then a to z, then its number."""
    if index < 26:
        return chr(ord("A") + index)
    return chr(ord("a") + index - 26) if index < 52 else str(index + 1)
