"""What was done, and what was undone: the state that a list of commands leads to."""

from __future__ import annotations

from dataclasses import replace

from workbench.errors import WorkbenchError
from workbench.session.commands import Command, Redo, RemoveReference, SetReference, Undo, joined
from workbench.session.state import Change, State


class History:
    """The present state and the two stacks.

    A command goes in by two steps, so that it can be evaluated and written down in between and
    nothing
    has happened if that fails: `effect` says what it would do, `record` does it.

    Attributes:
        state: the present state.
        done: the commands that led there, oldest first, without those undone.
        undone: what `Redo` would bring back, last first.
    """

    def __init__(self, start: State) -> None:
        self.state = start
        self.done: list[Command] = []
        self.undone: list[Command] = []

    def effect(self, command: Command) -> tuple[Change, State]:
        """The change that this command makes now, and the state after it.

        Raises:
            WorkbenchError: if there is nothing to undo or redo, or if the change does not fit the
                state.
        """
        change = command.change
        if isinstance(command, SetReference):
            reference = command.reference(self.state.circuit.graph)
            return change, replace(self.state, reference=reference)
        if isinstance(command, RemoveReference):
            return change, replace(self.state, reference=None)
        if isinstance(command, Undo):
            change = self._last(self.done, "undo").change.inverse()
        elif isinstance(command, Redo):
            change = self._last(self.undone, "redo").change
        return change, change.apply(self.state)

    def describe(self, command: Command) -> str:
        """One line on a command that is about to be recorded."""
        if isinstance(command, Undo | Redo):
            stack = self.done if isinstance(command, Undo) else self.undone
            return f"{command.describe()}: {stack[-1].describe()}"
        return command.describe()

    @staticmethod
    def _last(stack: list[Command], what: str) -> Command:
        if not stack:
            raise WorkbenchError(f"There is nothing to {what}.")
        return stack[-1]

    def record(self, command: Command, state: State) -> None:
        """Make `state`, which `effect` gave for the command, the present one."""
        if isinstance(command, Undo):
            self.undone.append(self.done.pop())
        elif isinstance(command, Redo):
            self.done.append(self.undone.pop())
        elif not isinstance(command, SetReference | RemoveReference):
            self.undone.clear()
            both = joined(self.done[-1], command) if self.done else None
            if both is None:
                self.done.append(command)
            else:
                self.done[-1] = both
        self.state = state
