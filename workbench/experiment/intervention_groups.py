"""Groups of a circuit by name, as targets of an intervention: each member is changed.

`group:"name movers" * 2` stands for its nodes, and `group:A->group:B * 0` for all edges from the
ones to the others. A name of one word needs no quotes. The line is written out with the members, so
that it says the same when the group is changed or gone. Importing this loads no torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.circuits.graph import LOGITS, Graph
from workbench.errors import WorkbenchError
from workbench.experiment.interventions import Intervention
from workbench.experiment.targets import readers_of

if TYPE_CHECKING:
    from workbench.circuits.circuit import RoleGroup

PREFIX = "group:"
_SIDE = r'(?:group:(?:"[^"]*"|\w+(?:-\w+)*)|[\w.]+(?:<\w>)?)'
_TARGET = rf"{_SIDE}(?:->{_SIDE})?"
_TARGETS = re.compile(rf"\s*(?P<targets>{_TARGET}(?:\s*,\s*{_TARGET})*)(?P<rest>\s*[*=+].*)", re.S)


def parse_with_groups(text: str, groups: Sequence[RoleGroup], graph: Graph) -> Intervention:
    """The intervention that a line says, groups in it standing for their members.

    Args:
        groups: of the circuit at hand.

    Raises:
        WorkbenchError: there is no such group, nothing of it can be changed, or it says none.
    """
    found = _TARGETS.fullmatch(text) if PREFIX in text else None
    if found is None:
        return Intervention.parse(text)
    named = {group.name: tuple(group.nodes) for group in groups}
    targets: list[str] = []
    for target in re.findall(_TARGET, found["targets"]):
        targets += _members(target, named, graph)
    return Intervention.parse(",".join(dict.fromkeys(targets)) + found["rest"])


def _members(target: str, named: dict[str, tuple[str, ...]], graph: Graph) -> list[str]:
    if PREFIX not in target:
        return [target]
    sides = [_side(one, named) for one in re.findall(_SIDE, target)]
    writing = [node for node in sides[0] if node != LOGITS]  # which writes nothing
    if len(sides) == 1:
        found = writing
    else:
        edges = [f"{source}->{reader}" for source in writing for reader in sides[1]]
        found = [edge for edge in edges if _is_edge(edge, graph)]
    if not found:
        raise WorkbenchError(f"{target}: there is nothing in it that could be changed.")
    return found


def _side(text: str, named: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if not text.startswith(PREFIX):
        return (text,)
    name = text.removeprefix(PREFIX).strip('"')
    if name in named:
        return named[name]
    there = ", ".join(f'group:"{one}"' for one in named)
    known = f"there are {there}" if named else "it has none"
    raise WorkbenchError(f"The circuit has no group {name!r}: {known}.")


def _is_edge(edge: str, graph: Graph) -> bool:
    try:
        return bool(readers_of(edge, graph))
    except WorkbenchError:
        return False
