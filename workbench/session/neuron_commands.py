"""The commands on the neurons that a circuit keeps of an MLP."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.base.text import counted
from workbench.session.command import Command

Kept = tuple[int, ...] | None
"""Which neurons are kept; None for all."""


def _change(command: Command) -> tuple[str, Kept, Kept]:
    """The MLP whose neurons the command changed, and which were kept before and after."""
    return command.change.neurons[0] if command.change.neurons else ("its MLP", None, None)


@dataclass(frozen=True, kw_only=True)
class ToggleNeuron(Command):
    """A neuron was dropped from its MLP, or kept again."""

    kind = "toggle-neuron"
    neuron: str

    def describe(self) -> str:
        mlp, before, after = _change(self)
        if after is None:
            return f"Kept {self.neuron}: {mlp} has all of its neurons."
        did = "Kept" if before is not None and len(after) > len(before) else "Dropped"
        return f"{did} {self.neuron}: {counted(len(after), 'neuron')} of {mlp} kept."


@dataclass(frozen=True, kw_only=True)
class NarrowMlp(Command):
    """An MLP was narrowed to some of its neurons, or given back all of them.

    Attributes:
        mlp: its name.
        chosen: by what they were chosen, in words: "the 12 largest by effect"; "" by hand.

    Glossary: docs/glossary.md#narrowed.
    """

    kind = "narrow"
    mlp: str
    chosen: str

    def describe(self) -> str:
        after = _change(self)[2]
        if after is None:
            return f"{self.mlp} has all of its neurons again."
        by = f" ({self.chosen})" if self.chosen else ""
        return f"Narrowed {self.mlp} to {counted(len(after), 'neuron')}{by}."
