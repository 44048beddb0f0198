"""A session's commands about groups of nodes, and the edges between two of them.

Importing this loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.between import ANY_INPUT, between
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_roles import check_roles
from workbench.circuits.names import ARROW, HEAD_INPUTS, at_role, edge_ends, split_role
from workbench.circuits.parts import members_of
from workbench.errors import WorkbenchError
from workbench.session import commands as kinds
from workbench.session import edits
from workbench.session.between_command import DROP, KEEP, Between
from workbench.session.deciding import Decider
from workbench.session.priority_lock import PriorityLock
from workbench.session.read_only import Snapshot
from workbench.session.role_scores import Scoring
from workbench.session.session_engine import SessionEngine
from workbench.session.state import State
from workbench.session.views import Status


def members(groups: Sequence[RoleGroup], side: Sequence[str]) -> list[str]:
    """The nodes that these names stand for: a group's are its nodes, any other its own.

    Raises:
        WorkbenchError: there is none at all.
    """
    by_name = {group.name: group.nodes for group in groups}
    found = [node for name in side for node in by_name.get(name, (name,))]
    if not found:
        raise WorkbenchError("Name the nodes, or a group with nodes, on both sides.")
    return list(dict.fromkeys(found))


def edit_between(
    state: State,
    sources: Sequence[str],
    readers: Sequence[str],
    inputs: str,
    did: str,
    score: Scoring,
    role: str = "",
) -> State:
    """Keep or drop every edge from some nodes to others, at all roles or at one.

    To keep edges closes destinations that are open, first with their preview, as `toggle` does.
    To drop edges leaves alone what is open, since nothing is kept there.

    Raises:
        WorkbenchError: there is no such node, input, edge or role.
    """
    if did not in (KEEP, DROP):
        raise WorkbenchError(f"Edges are kept or dropped ('keep', 'drop'), not {did!r}.")
    circuit = state.circuit
    graph = circuit.graph
    mask = _between(circuit, sources, readers, inputs)
    if role:
        check_roles(circuit.at.names, (role,), "An edge")

    def named(edges: NDArray[np.bool_]) -> list[str]:
        places = np.argwhere(edges)
        return [at_role(graph.edge_name(int(s), int(d)), role) for s, d in places]

    if did == DROP:
        return state.with_edges(drop=named(mask & circuit.mask))
    into = [graph.destinations[column] for column in np.flatnonzero(mask.any(0))]
    closing = [destination for destination in into if destination in circuit.open]
    if closing:
        scores = score(closing)
        kept = [edge for d in closing for edge in edits.previewed(state, d, scores)]
        state = state.with_edges(close=closing, keep=kept)
    return state.with_edges(keep=named(mask))


def _between(
    circuit: Circuit, sources: Sequence[str], readers: Sequence[str], inputs: str
) -> NDArray[np.bool_]:
    """All edges that are meant, as a mask. Raises WorkbenchError if there are none."""
    if not inputs or not set(inputs) <= set(HEAD_INPUTS):
        raise WorkbenchError(f"A head's inputs are named by letters of 'qkv', not {inputs!r}.")
    writers, others = (members(circuit.groups, side) for side in (sources, readers))
    mask = between(circuit.graph, writers, others, inputs)
    if not mask.any():
        raise WorkbenchError(
            "No edge leads from the first to the second: what reads stands after what writes."
        )
    return mask


class GroupCommands:
    """Part of a session."""

    _carry_out: Callable[..., Status]
    decider: Decider
    _seen: Snapshot
    _engine: SessionEngine
    _lock: PriorityLock

    def set_group(self, name: str, nodes: Sequence[str], role: str = "") -> Status:
        """Make or replace a group of nodes; they leave the groups that they were in."""
        return self._carry_out(
            lambda state: edits.set_group(state, name, nodes, role),
            lambda change: kinds.SetGroup(name=name, nodes=tuple(nodes), role=role, change=change),
        )

    def move_to_group(self, nodes: Sequence[str], name: str, role: str = "") -> Status:
        """Move nodes into a group, made if there is none; without a name, out of their groups.

        One command, so that one undo takes back all of it: groups that lose their last node go.
        """
        return self._carry_out(
            lambda state: edits.move_to_group(state, nodes, name, role),
            lambda change: kinds.MoveToGroup(
                nodes=tuple(nodes), name=name, role=role, change=change
            ),
        )

    def remove_group(self, name: str) -> Status:
        """Remove a group; its nodes stay as they are."""
        return self._carry_out(
            lambda state: edits.remove_group(state, name),
            lambda change: kinds.RemoveGroup(name=name, change=change),
        )

    def edges_between(
        self,
        sources: Sequence[str],
        readers: Sequence[str],
        inputs: str = ANY_INPUT,
        role: str = "",
    ) -> tuple[int, int]:
        """How many edges from some nodes to others are kept, and how many there are.

        Args and errors are those of `set_between`.
        """
        circuit = self._seen.state.circuit
        mask = _between(circuit, sources, readers, inputs)
        kept = np.argwhere(mask & circuit.mask)
        names = (circuit.graph.edge_name(int(s), int(d)) for s, d in kept)
        return sum(circuit.has(at_role(name, role)) for name in names), int(mask.sum())

    def set_between(
        self,
        sources: Sequence[str],
        readers: Sequence[str],
        did: str = KEEP,
        *,
        inputs: str = ANY_INPUT,
        setting: str = "full",
        role: str = "",
    ) -> Status:
        """Keep or drop every edge from some nodes to others, as one command with one undo.

        Args:
            sources, readers: names of nodes, or of groups.
            did: "keep" or "drop".
            inputs: through which inputs heads are read; letters of "qkv".
            setting: the effects by which destinations that are open are closed.
            role: of the prompts, at which the edges alone are kept or dropped; empty for all.
        """
        return self._carry_out(
            lambda state: edit_between(
                state, sources, readers, inputs, did, self.decider.by(setting), role
            ),
            lambda change: Between(
                sources=tuple(sources),
                readers=tuple(readers),
                inputs=inputs,
                did=did,
                setting=setting,
                role=role,
                change=change,
            ),
            "Nothing to change between them.",
        )

    def if_between(
        self,
        sources: Sequence[str],
        readers: Sequence[str],
        did: str = KEEP,
        *,
        inputs: str = ANY_INPUT,
        setting: str = "full",
        role: str = "",
    ) -> tuple[float, float | None]:
        """The metric and faithfulness that `set_between` would lead to, as one what-if."""
        score = self.decider.by(setting)

        def tried() -> tuple[float, float | None]:
            with self._lock.background():
                state = self._seen.state
                after = edit_between(state, sources, readers, inputs, did, score, role)
                return self._engine.if_edited(state.circuit, after.circuit)

        return self.decider.decided(tried)

    def toggle_inputs(self, edge: str, *, setting: str = "full") -> Status:
        """Keep or drop the edges from a source into q, k and v of a head, as one command.

        They are dropped if all of them are kept. Into a node of one input it is `toggle`'s edge.

        Args:
            edge: into any of the inputs; with `@ROLE` the three at this role alone.
            setting: as of `set_between`.
        """
        source, node, did, role = self._of_inputs(edge)
        return self.set_between([source], [node], did, setting=setting, role=role)

    def if_inputs_toggled(self, edge: str, *, setting: str = "full") -> tuple[float, float | None]:
        """The metric and faithfulness that `toggle_inputs` would lead to, as one what-if."""
        source, node, did, role = self._of_inputs(edge)
        return self.if_between([source], [node], did, setting=setting, role=role)

    def _of_inputs(self, edge: str) -> tuple[str, str, str, str]:
        """Source, node, what is to be done, and the role."""
        circuit = self._seen.state.circuit
        name, role = split_role(edge)
        source, destination = edge_ends(members_of(circuit.graph, name)[0])
        node = circuit.graph.node_of(destination)
        names = [at_role(f"{source}{ARROW}{d}", role) for d in circuit.graph.destinations_of(node)]
        return source, node, DROP if all(map(circuit.has, names)) else KEEP, role
