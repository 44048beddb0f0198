"""The command that keeps or drops all edges from some nodes to others."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.base.text import counted
from workbench.circuits.between import ANY_INPUT
from workbench.session.command import Command

KEEP, DROP = "keep", "drop"


@dataclass(frozen=True, kw_only=True)
class Between(Command):
    """All edges from some nodes to others were kept, or dropped.

    Attributes:
        sources, readers: nodes, or names of groups, as they were given.
        inputs: through which inputs heads are read; letters of "qkv".
        did: "keep" or "drop".
        setting: of the effects by which open destinations were closed.
        role: of the prompts, at which the edges alone were kept or dropped; empty for all.
    """

    kind = "between"
    sources: tuple[str, ...]
    readers: tuple[str, ...]
    inputs: str
    did: str
    setting: str
    role: str = ""

    def describe(self) -> str:
        """One line for the status and the history."""
        ends = " → ".join(_words(side) for side in (self.sources, self.readers))
        through = "" if self.inputs == ANY_INPUT else f"<{self.inputs}>"
        if self.role:
            done = "Dropped" if self.did == DROP else "Kept"
            return f"{done} all {ends}{through} at {self.role}."
        if self.did == DROP:
            return f"Dropped {counted(len(self.change.removed), 'edge')} {ends}{through}."
        return f"Kept all {ends}{through}: {counted(len(self.change.added), 'edge')} added."


def _words(side: tuple[str, ...]) -> str:
    return ", ".join(side) if len(side) < 4 else f"{side[0]} and {len(side) - 1} more"
