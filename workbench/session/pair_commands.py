"""The commands on the set of pairs; the change of each says which pairs became which."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.base.text import counted
from workbench.session.command import Command


@dataclass(frozen=True, kw_only=True)
class AddPairs(Command):
    """Pairs were added.

    Attributes:
        origin: where they come from, in words: "typed", "copied from pair 3", "template", a file.
    """

    kind = "add-pairs"
    origin: str

    def describe(self) -> str:
        n = len(self.change.pairs.after) if self.change.pairs else 0
        return f"Added {counted(n, 'pair')} ({self.origin})."


@dataclass(frozen=True, kw_only=True)
class ChangePair(Command):
    """A pair was changed; `number` counts from 1."""

    kind = "change-pair"
    number: int

    def describe(self) -> str:
        return f"Changed pair {self.number}."


@dataclass(frozen=True, kw_only=True)
class PutAside(Command):
    """Pairs were put aside, or taken back; what is not aside is what means go over.

    Attributes:
        did: which, in words: "put aside pair 3".
    """

    kind = "put-aside"
    did: str

    def describe(self) -> str:
        return f"{self.did[:1].upper()}{self.did[1:]}."


@dataclass(frozen=True, kw_only=True)
class RemovePairs(Command):
    """Pairs were removed from the set."""

    kind = "remove-pairs"
    numbers: str

    def describe(self) -> str:
        return f"Removed {self.numbers}."
