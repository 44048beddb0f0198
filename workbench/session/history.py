"""What was done: the present state, and the tree of all states that there were.

Undo goes to the state above, redo to the one below that was left last, and going to any state of
the tree leaves all others where they are. So what undo and redo do follows from the place in the
tree alone, as in vim, however one came there: after going to a state, undo takes back the command
that made that state, and does not lead to where one was before. A command in a state that has
others below it begins a new branch.

Glossary: docs/glossary.md#tree-of-states.
"""

from __future__ import annotations

from dataclasses import replace
from threading import RLock

from workbench.errors import WorkbenchError
from workbench.session.commands import (
    Command,
    GoTo,
    NameState,
    Redo,
    RemoveReference,
    SetReference,
    Undo,
    joined,
)
from workbench.session.kept_states import KeptStates
from workbench.session.state import Change, State, after_all
from workbench.session.state_tree import START, Measured, Node, StateTree

NO_STATES = SetReference | RemoveReference
"""Commands that make no state and go to none: they say what is shown beside the circuit."""


class History:
    """The present state and the tree.

    A command goes in by two steps, so that it can be evaluated and written down in between and
    nothing has happened if that fails: `effect` says what it would do, `record` does it. Reading
    methods may be called from any thread.

    Attributes:
        state: the present state.
    """

    def __init__(self, start: State, measured: Measured | None = None) -> None:
        """`measured`: what is known of the start."""
        self.state = start
        self._tree = StateTree(measured or Measured())
        self._kept = KeptStates(self._tree.present, start)
        self._lock = RLock()

    # What a command would do, and doing it.

    def effect(self, command: Command) -> tuple[Change, State]:
        """The change that this command makes now, and the state after it.

        Raises:
            WorkbenchError: if there is nothing to undo or redo, if there is no such state, or if
                the change does not fit the state.
        """
        change = command.change
        if isinstance(command, SetReference):
            reference = command.reference(self.state.circuit.graph)
            return change, replace(self.state, reference=reference)
        if isinstance(command, RemoveReference):
            return change, replace(self.state, reference=None)
        if isinstance(command, NameState):
            self._check_name(command)
            return change, self.state
        if isinstance(command, GoTo):
            state = self.state_at(command.state)
            return Change.between(self.state, state), state
        if isinstance(command, Undo):
            change = self._undone().change.inverse()
        elif isinstance(command, Redo):
            change = self._redone().change
        return change, change.apply(self.state)

    def _undone(self) -> Command:
        command = self._tree.present.command
        if command is None:
            raise WorkbenchError("There is nothing to undo.")
        return command

    def _redone(self) -> Command:
        onward = self._tree.present.onward
        if onward is None or onward.command is None:
            raise WorkbenchError("There is nothing to redo.")
        return onward.command

    def _check_name(self, command: NameState) -> None:
        node, other = self._tree.after(command.state), self._tree.named.get(command.name)
        if other is not None and other is not node:
            raise WorkbenchError(
                f"State {other.number} has the name {command.name!r} already; choose another name."
            )

    def describe(self, command: Command) -> str:
        """One line on a command that is about to be recorded."""
        if isinstance(command, Undo):
            return f"{command.describe()}: {self._undone().describe()}"
        if isinstance(command, Redo):
            return f"{command.describe()}: {self._redone().describe()}"
        if isinstance(command, GoTo):
            return f"{command.describe()}; {self.called(self.present)} stays on its branch."
        return command.describe()

    def record(self, command: Command, state: State, measured: Measured | None = None) -> None:
        """Make `state`, which `effect` gave for the command, the present one."""
        tree, measured = self._tree, measured or Measured()
        with self._lock:
            if isinstance(command, NO_STATES):
                tree.stay()
            elif isinstance(command, NameState):
                tree.name(tree.after(command.state), command.name)
            elif isinstance(command, GoTo):
                tree.move(tree.after(command.state))
            elif isinstance(command, Undo):
                tree.move(tree.present.parent or tree.present)
            elif isinstance(command, Redo):
                tree.move(tree.present.onward or tree.present)
            else:
                here = tree.present
                # What has a name stays as it is, so that one can come back to it.
                both = joined(here.command, command) if here.command and not here.name else None
                made = tree.join(both, measured) if both else tree.extend(command, measured)
                self._kept.made(made, state)
            self.state = state

    def replay(self, command: Command, measured: Measured) -> None:
        """Carry out a command of a journal, as `effect` and `record` did then.

        The present state is altered in place, so nobody else may have it.

        Raises:
            WorkbenchError: as `effect`.
        """
        if isinstance(command, GoTo | NameState | NO_STATES):
            state = self.effect(command)[1]
        else:
            change = command.change
            if isinstance(command, Undo):
                change = self._undone().change.inverse()
            elif isinstance(command, Redo):
                change = self._redone().change
            state = after_all(self.state, (change,), in_place=True)
        self.record(command, state, measured)

    # Where one is.

    @property
    def present(self) -> int:
        """The number of the present state."""
        return self._tree.present.number

    @property
    def n_entries(self) -> int:
        """How many commands were recorded, undo and redo among them."""
        return self._tree.n_entries

    @property
    def can_undo(self) -> bool:
        """There is a state above the present one."""
        return self._tree.present.parent is not None

    @property
    def can_redo(self) -> bool:
        """There is a state below the present one."""
        return self._tree.present.onward is not None

    @property
    def done(self) -> list[Command]:
        """The commands that led to the present state, oldest first, without those undone."""
        return self.commands_to(self._tree.present.number)

    # The tree.

    def number_of(self, entry: int) -> int:
        """The number of the state that the session was in after an entry of its journal.

        Raises:
            WorkbenchError: there is no such entry.
        """
        return self._tree.after(entry).number

    def number_named(self, name: str) -> int | None:
        """The number of the state of that name."""
        node = self._tree.named.get(name)
        return None if node is None else node.number

    def name_of(self, entry: int) -> str:
        """The name of a state, or ""."""
        return self._tree.after(entry).name

    def named(self) -> list[int]:
        """The numbers of the states that have a name."""
        with self._lock:
            return [node.number for node in self._tree.named.values()]

    def called(self, entry: int) -> str:
        """A state in words: "state 12", "state 12 'before MLPs'", "the start"."""
        node = self._tree.after(entry)
        number = "the start" if node.number == START else f"state {node.number}"
        return f"{number} {node.name!r}" if node.name else number

    def nodes(self) -> list[Node]:
        """All states, in the order in which they were made."""
        with self._lock:
            return list(self._tree.nodes.values())

    def way(self, entry: int | None = None) -> list[Node]:
        """The states from the start to one of them (None: the present one), both included."""
        with self._lock:
            node = self._tree.present if entry is None else self._tree.after(entry)
            return list(node.upward())[::-1]

    def commands_to(self, entry: int) -> list[Command]:
        """The commands that led from the start to a state, oldest first."""
        return [node.command for node in self.way(entry) if node.command is not None]

    def measured(self, entry: int) -> Measured:
        """What the journal says of a state."""
        return self._tree.after(entry).measured

    def state_at(self, entry: int) -> State:
        """The state after an entry of the journal, built from the nearest one that is kept whole.

        Raises:
            WorkbenchError: there is no such entry.
        """
        with self._lock:
            changes = []
            for node in self._tree.after(entry).upward():
                known = self.state if node is self._tree.present else None
                known = known or self._kept.find(node, self.state)
                if known is not None:
                    break
                if node.command is not None:
                    changes.append(node.command.change)
        assert known is not None, "the start is kept"
        return after_all(known, reversed(changes)) if changes else known
