"""The commands of a session: frozen values that say what was asked and what it changed.

What was asked is there for people to read; the `change` is what is applied, taken back and
replayed. `Undo` and `Redo` are commands of their own, so that the journal tells everything that
happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from workbench.base.text import counted
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.kept_neurons import checked, of_spans, spans
from workbench.circuits.names import HEAD_INPUTS, at_role, is_joined, split_role
from workbench.circuits.parts import circuit_of_parts, edge_of
from workbench.session.between_command import Between
from workbench.session.command import KINDS, NO_CHANGE, Command, kept_words
from workbench.session.command import into as _into
from workbench.session.intervention_commands import SetInterventions
from workbench.session.neuron_commands import NarrowMlp, ToggleNeuron
from workbench.session.pair_commands import AddPairs, ChangePair, PutAside, RemovePairs
from workbench.session.reference import Reference, shown
from workbench.session.rule_commands import ExpandAll, Prune
from workbench.session.state import Change

__all__ = [
    "KINDS",
    "NO_CHANGE",
    "AddPairs",
    "Between",
    "ChangePair",
    "Command",
    "ExpandAll",
    "NarrowMlp",
    "Prune",
    "PutAside",
    "RemovePairs",
    "SetInterventions",
    "ToggleNeuron",
]


@dataclass(frozen=True, kw_only=True)
class Expand(Command):
    """Inputs of a node were closed, and the edges kept that pass the threshold."""

    kind = "expand"
    node: str
    inputs: str
    setting: str

    def describe(self) -> str:
        where = _into(self.node, self.inputs)
        return f"Expanded {where}: {kept_words(self.change)}."


@dataclass(frozen=True, kw_only=True)
class Toggle(Command):
    """An edge was kept or dropped, or an edge at a role."""

    kind = "toggle"
    edge: str
    setting: str

    def describe(self) -> str:
        if self.change.closed:
            kept = kept_words(self.change)
            return f"Expanded {self.change.closed[0]} with {self.edge} switched: {kept}."
        # Of q, k and v together some may have been kept already.
        whole, role = split_role(self.edge)
        inputs = HEAD_INPUTS if is_joined(whole) else ()
        names = [at_role(f"{whole}<{one}>", role) for one in inputs] or [self.edge]
        return f"{'Kept' if any(map(self.change.keeps, names)) else 'Dropped'} {self.edge}."


@dataclass(frozen=True, kw_only=True)
class KeepAbove(Command):
    """Of the edges into a node those were kept that reach a threshold."""

    kind = "keep-above"
    node: str
    inputs: str
    setting: str
    threshold: float

    def describe(self) -> str:
        where, change = _into(self.node, self.inputs), self.change
        return (
            f"Kept what reaches {self.threshold:.3g} into {where}: "
            f"{len(change.added):,} added, {len(change.removed):,} dropped{self._roles()}."
        )

    def _roles(self) -> str:
        """How many of the edges that stay are at other roles now."""
        edges = {edge for edge, _, _ in self.change.at}
        others = len(edges.difference(self.change.added, self.change.removed))
        return f", {others:,} at other roles" if others else ""


@dataclass(frozen=True, kw_only=True)
class DropAll(Command):
    """All edges into a node were dropped."""

    kind = "drop-all"
    node: str
    inputs: str

    def describe(self) -> str:
        return f"Dropped all edges into {_into(self.node, self.inputs)}."


@dataclass(frozen=True, kw_only=True)
class KeepAll(Command):
    """All edges into a node were kept."""

    kind = "keep-all"
    node: str
    inputs: str

    def describe(self) -> str:
        return f"Kept all edges into {_into(self.node, self.inputs)}."


@dataclass(frozen=True, kw_only=True)
class ToggleNode(Command):
    """A node was dropped with all its edges, or restored."""

    kind = "toggle-node"
    node: str

    def describe(self) -> str:
        if self.change.removed:
            return f"Dropped {self.node} with {counted(len(self.change.removed), 'edge')}."
        return f"Restored {self.node} with {counted(len(self.change.added), 'edge')}."


@dataclass(frozen=True, kw_only=True)
class DropTogether(Command):
    """Nodes were dropped with all their edges, as one step of undo."""

    kind = "drop-together"
    nodes: tuple[str, ...]
    into: str
    setting: str

    def describe(self) -> str:
        dropped = counted(len(self.change.removed), "edge")
        how = "together" if len(self.nodes) > 1 else "alone"
        return f"Dropped {', '.join(self.nodes)} {how}, {dropped}."


@dataclass(frozen=True, kw_only=True)
class Reopen(Command):
    """Inputs of a node were opened again."""

    kind = "reopen"
    node: str
    inputs: str

    def describe(self) -> str:
        dropped = counted(len(self.change.removed), "edge")
        return f"Reopened {_into(self.node, self.inputs)}: {dropped} forgotten."


@dataclass(frozen=True, kw_only=True)
class SetThreshold(Command):
    """The threshold was set."""

    kind = "threshold"
    value: float

    def describe(self) -> str:
        return f"Threshold {self.value:.3g}."


@dataclass(frozen=True, kw_only=True)
class SetMetric(Command):
    """Another metric was chosen; the threshold is its old share of what corrupting does to it."""

    kind = "set-metric"
    metric: str

    def describe(self) -> str:
        return f"Measured by {self.metric}."


@dataclass(frozen=True, kw_only=True)
class SetGroup(Command):
    """A group was given its nodes and its role."""

    kind = "group"
    name: str
    nodes: tuple[str, ...]
    role: str

    def describe(self) -> str:
        return f"Group {self.name!r}: {counted(len(self.nodes), 'node')}."


@dataclass(frozen=True, kw_only=True)
class MoveToGroup(Command):
    """Nodes were moved into a group, or out of all groups."""

    kind = "move-to-group"
    nodes: tuple[str, ...]
    name: str
    role: str

    def describe(self) -> str:
        moved = counted(len(self.nodes), "node")
        return f"Moved {moved} into {self.name!r}." if self.name else f"Took {moved} out of groups."


@dataclass(frozen=True, kw_only=True)
class RemoveGroup(Command):
    """A group was removed."""

    kind = "remove-group"
    name: str

    def describe(self) -> str:
        return f"Removed the group {self.name!r}."


@dataclass(frozen=True, kw_only=True)
class Note(Command):
    """A note was written or removed."""

    kind = "note"
    target: str
    text: str

    def describe(self) -> str:
        on = self.target or "the circuit"
        return f"Noted on {on}." if self.text else f"Removed the note on {on}."


@dataclass(frozen=True, kw_only=True)
class Load(Command):
    """The circuit was replaced by that of a file."""

    kind = "load"
    path: str

    def describe(self) -> str:
        return f"Loaded {self.path}."


@dataclass(frozen=True, kw_only=True)
class Take(Command):
    """Replace the circuit by the one that a discovery found; `result` names it in words.

    Glossary: docs/glossary.md#take.
    """

    kind = "take"
    result: str

    def describe(self) -> str:
        return f"Took the circuit of {self.result}."


@dataclass(frozen=True, kw_only=True)
class Accept(Command):
    """Keep or drop edges as a discovery proposes.

    Glossary: docs/glossary.md#accept-and-refuse.
    """

    kind = "accept"
    result: str
    edges: tuple[str, ...]

    def describe(self) -> str:
        if len(self.edges) != 1:
            return f"Accepted {counted(len(self.edges), 'edge')} as {self.result} proposes."
        did = "Kept" if self.change.keeps(self.edges[0]) else "Dropped"
        return f"{did} {self.edges[0]}, as {self.result} proposes."


@dataclass(frozen=True, kw_only=True)
class Clear(Command):
    """Everything was opened again."""

    kind = "clear"

    def describe(self) -> str:
        return "Back to the start: everything is open."


@dataclass(frozen=True, kw_only=True)
class SetReference(Command):
    """Compare with a circuit; the journal holds the circuit itself, as its file may change.

    This and `RemoveReference` only say what is shown beside the circuit: they have no change and
    are no steps of undo.

    Attributes:
        edges: by name; each role of one that is kept at some.
        neurons: those kept of each MLP that is narrowed, such as "m0: 3, 17-20".
        roles: all roles of the prompts, where edges are told apart by them.
    """

    kind = "reference"
    path: str
    edges: tuple[str, ...]
    open: tuple[str, ...]
    neurons: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, circuit: Circuit) -> SetReference:
        """The command to compare with this circuit of a file."""
        opened = tuple(d for d in circuit.graph.destinations if d in circuit.open)
        neurons = tuple(f"{mlp}: {spans(kept)}" for mlp, kept in circuit.neurons.items())
        return cls(
            path=str(path),
            edges=tuple(circuit.parts()),
            open=opened,
            neurons=neurons,
            roles=circuit.at.names if circuit.at else (),
        )

    def reference(self, graph: Graph) -> Reference:
        """Raises WorkbenchError for a name that is not one of the graph's."""
        circuit = circuit_of_parts(graph, self.edges, self.roles)
        for destination in self.open:
            graph.destination_index(destination)
        circuit.open = frozenset(self.open)
        kept = (item.partition(": ") for item in self.neurons)
        circuit.neurons = checked(graph, {mlp: of_spans(text) for mlp, _, text in kept})
        return Reference(self.path, circuit)

    def describe(self) -> str:
        edges = len({edge_of(name) for name in self.edges})
        return f"Compared with the {counted(edges, 'edge')} of {shown(self.path)}."


@dataclass(frozen=True, kw_only=True)
class RemoveReference(Command):
    """The circuit is compared with no other any more."""

    kind = "remove-reference"

    def describe(self) -> str:
        return "The comparison is off."


@dataclass(frozen=True, kw_only=True)
class Undo(Command):
    """The last command was taken back."""

    kind = "undo"

    def describe(self) -> str:
        return "Undone"


@dataclass(frozen=True, kw_only=True)
class Redo(Command):
    """A command that was taken back was carried out again."""

    kind = "redo"

    def describe(self) -> str:
        return "Redone"


@dataclass(frozen=True, kw_only=True)
class GoTo(Command):
    """The session went to another of its states; the one that it left stays on its branch.

    Attributes:
        state: the number of a state, or of any entry of the journal: the state after it.
    """

    kind = "go-to"
    state: int

    def describe(self) -> str:
        return f"Went to {'the start' if self.state == 0 else f'state {self.state}'}"


@dataclass(frozen=True, kw_only=True)
class NameState(Command):
    """A state was given a name, or ("") its name was taken away. It is no step of undo."""

    kind = "name-state"
    state: int
    name: str

    def describe(self) -> str:
        if not self.name:
            return f"State {self.state} has no name any more."
        return f"Named state {self.state} {self.name!r}."


def joined(first: Command, second: Command) -> Command | None:
    """Both as one step of undo, or None if they are two.

    Moving the threshold takes many key presses; together they are one step.
    """
    if isinstance(first, SetThreshold) and isinstance(second, SetThreshold):
        before, after = first.change.threshold, second.change.threshold
        if before and after:
            return replace(second, change=Change(threshold=(before[0], after[1])))
    return None
