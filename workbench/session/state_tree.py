"""The states of a session as a tree.

Each command made one of another, and none is forgotten. A state is known by the number of the
journal's entry that made it; the start is 0. What is held of each is its command and a few numbers,
not the circuit: `KeptStates` has that of some, and the changes on the way from there lead to any
other. So memory grows with the commands and not with commands times the size of a circuit.

Glossary: docs/glossary.md#tree-of-states.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.base.json_values import END, number
from workbench.errors import WorkbenchError
from workbench.session.commands import Command

START = 0
"""The number of the state in which a session began."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the journal's entry says of a state beside the command that made it.

    Attributes:
        when: time, ISO 8601, UTC; "" if it is not known.
        edges: kept ones.
        faithfulness: as it was evaluated then; None if it is undefined or not known.
        seconds: that the command took; None in journals of versions that did not keep it.
        clean, corrupted: the model's metric and that of the corrupted run; None where they are
            those that the session began with, as its pairs are.
    """

    when: str = ""
    edges: int = 0
    faithfulness: float | None = None
    seconds: float | None = None
    clean: float | None = None
    corrupted: float | None = None

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> Measured:
        """Of an entry of the journal; what is not there, or of another kind, is not known."""
        when, edges = entry.get("at"), entry.get("edges")
        return cls(
            when if isinstance(when, str) else "",
            edges if type(edges) is int and 0 <= edges < END else 0,
            _number(entry.get("faithfulness")),
            _number(entry.get("seconds")),
            _number(entry.get("clean")),
            _number(entry.get("corrupted")),
        )


@dataclass(slots=True, eq=False, repr=False)
class Node:
    """One state.

    Attributes:
        number: of the entry that made it.
        parent: the state that the command was given in; None for the start.
        command: what made it; None for the start.
        onward: the state below it that the session was in last, where a redo leads.
        name: that the user gave it, or "".
    """

    number: int
    parent: Node | None
    command: Command | None
    measured: Measured
    depth: int
    onward: Node | None = None
    name: str = ""

    def upward(self) -> Iterator[Node]:
        """This state and all above it, up to the start."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


class StateTree:
    """All states of a session, and where it is.

    Attributes:
        present: the state that the session is in.
        nodes: every state by its number, in the order in which they were made.
        named: those with a name, by it.
    """

    def __init__(self, start: Measured) -> None:
        self.present = Node(START, None, None, start, 0)
        self.nodes = {START: self.present}
        self.named: dict[str, Node] = {}
        self._after = [self.present]
        self._made_last = False  # the last entry made the present state

    @property
    def n_entries(self) -> int:
        """How many entries of the journal it knows."""
        return len(self._after) - 1

    def after(self, entry: int) -> Node:
        """The state that the session was in after an entry of its journal.

        Raises:
            WorkbenchError: there is no such entry.
        """
        if not 0 <= entry <= self.n_entries:
            raise WorkbenchError(
                f"There is no state {entry}: they are numbered 0 to {self.n_entries}."
            )
        return self._after[entry]

    def extend(self, command: Command, measured: Measured) -> Node:
        """The command makes a new state of the present one."""
        return self._add(self.present, command, measured)

    def join(self, command: Command, measured: Measured) -> Node:
        """The same, where `command` does what the present state's and a new one do together.

        A state that the last entry made becomes the new one. An older one may be where another
        branch begins, or where the user came back to: it stays, with the new one beside it.
        """
        node = self.present
        if not self._made_last or node.onward is not None or node.parent is None:
            return self._add(node.parent or node, command, measured)
        node.command, node.measured = command, measured
        self._after.append(node)
        return node

    def _add(self, parent: Node, command: Command, measured: Measured) -> Node:
        node = Node(len(self._after), parent, command, measured, parent.depth + 1)
        self.nodes[node.number] = node
        parent.onward = self.present = node
        self._after.append(node)
        self._made_last = True
        return node

    def move(self, to: Node) -> None:
        """The session goes to another state. From every state above it a redo leads there."""
        # All above the present state lead to it, so only what lies below the fork can differ.
        above, here = to, self.present
        while above is not here:
            if above.depth < here.depth:
                here = here.parent or here
            elif above.parent is not None:
                above.parent.onward = above
                above = above.parent
        self.present = to
        self._after.append(to)
        self._made_last = False

    def name(self, node: Node, name: str) -> None:
        """Give a state a name; "" takes it away."""
        if node.name:
            del self.named[node.name]
        if name:
            self.named[name] = node
        node.name = name
        self._after.append(self.present)

    def stay(self) -> None:
        """An entry that concerns no state, such as one on the reference."""
        self._after.append(self.present)


def _number(value: Any) -> float | None:
    try:
        return number(value)
    except TypeError:
        return None
