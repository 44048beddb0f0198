"""What a session says of its states: the tree, a circuit, the difference of two."""

from __future__ import annotations

from collections.abc import Callable

from workbench.circuits.circuit import Circuit
from workbench.session.history import History
from workbench.session.open import Opened
from workbench.session.read_only import ReadOnlySession, Snapshot
from workbench.session.results import DiscoveryResult
from workbench.session.set_edits import SetEdits
from workbench.session.state import Change
from workbench.session.state_rows import StateRow, state_rows


class SessionHistory(SetEdits, ReadOnlySession):
    """The reading half of a session, with its history. From any thread; none of it waits.

    Glossary: docs/glossary.md#tree-of-states.
    """

    def __init__(
        self,
        opened: Opened,
        history: History,
        seen: Snapshot,
        shown: Callable[[], DiscoveryResult | None],
    ) -> None:
        super().__init__(opened, seen, shown)
        self._history = history

    @property
    def n_entries(self) -> int:
        """How many commands there were, undo and redo among them: it grows with each."""
        return self._history.n_entries

    def commands(self) -> list[str]:
        """One line for each command that led to the circuit, oldest first, without undone ones."""
        return [command.describe() for command in self._history.done]

    def history(self) -> list[StateRow]:
        """All states that there were, in the order in which they were made; the start is first."""
        return state_rows(self._history)

    def state_at(self, n: int) -> Circuit:
        """The circuit of a state, with groups, notes and EAP scores.

        Args:
            n: the state's number, or that of any entry of the journal: the state after it.

        Raises:
            WorkbenchError: there is none of this number.
        """
        circuit = self._history.state_at(n).circuit.copy()
        circuit.scores = None if self._effects.old else self._effects.eap.copy()
        return circuit

    def state_name(self, n: int) -> str:
        """A state in words: "state 12", "state 12 'before MLPs'", "the start"."""
        return self._history.called(n)

    def named_states(self) -> list[int]:
        """The numbers of the states that have a name."""
        return self._history.named()

    def differences(self, n: int, m: int) -> Change:
        """What leads from one state to another, such as the edges added and removed.

        Raises:
            WorkbenchError: there is none of one of these numbers.
        """
        return Change.between(self._history.state_at(n), self._history.state_at(m))
