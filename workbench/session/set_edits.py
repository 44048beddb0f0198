"""SetEdits: commands of a session that take several nodes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.session import edits
from workbench.session.commands import Command, DropTogether
from workbench.session.deciding import Decider
from workbench.session.state import Change, State
from workbench.session.views import Status


class SetEdits:
    """A part of the session."""

    decider: Decider

    def _carry_out(
        self,
        edit: Callable[[State], State],
        command: Callable[[Change], Command],
        idle: str = "Nothing to change.",
    ) -> Status:
        raise NotImplementedError

    def drop_together(
        self, nodes: Sequence[str], into: str = "logits", *, setting: str = "full"
    ) -> Status:
        """Drop nodes with all their edges, as one command: those that stand in for one another.

        Args:
            into: a node whose inputs are closed first where they are open, with all previewed
                edges but those of the nodes; what is open reads the clean residual, nodes and all.
            setting: of the effects by which edges are previewed.

        Raises:
            WorkbenchError: there is no such node, or the logits are among them.
        """
        chosen = tuple(dict.fromkeys(nodes))
        words = f"{', '.join(chosen)} have no edges in the circuit, and nothing is left to close."
        return self._carry_out(
            lambda state: edits.drop_together(state, chosen, into, self.decider.by(setting)),
            lambda change: DropTogether(nodes=chosen, into=into, setting=setting, change=change),
            words,
        )
