"""The command on what is done to the model; its change says what became what."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.session.command import Command


@dataclass(frozen=True, kw_only=True)
class SetInterventions(Command):
    """Something else is done to components of the model.

    Attributes:
        did: what changed, in words: "a5.h1 * 2".
    """

    kind = "set-interventions"
    did: str

    def describe(self) -> str:
        """One line: what changed."""
        n = len(self.change.interventions[1]) if self.change.interventions else 0
        if not n:
            return f"{self.did}: nothing is done to the model any more."
        return f"{self.did}."
