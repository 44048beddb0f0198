"""A reference: the circuit that a session compares its own with, and its file. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.circuits.circuit import Circuit


@dataclass(frozen=True)
class Reference:
    """A circuit that the session's own is compared with.

    Attributes:
        path: the file that it was read from, as it was given.
        circuit: what stood in it then.

    Glossary: docs/glossary.md#reference.
    """

    path: str
    circuit: Circuit

    @property
    def name(self) -> str:
        """The file's path as it may be shown."""
        return shown(self.path)


def shown(path: str) -> str:
    """A circuit file as it is called in a sentence: with its folder, as many are called alike."""
    return "/".join(Path(path).parts[-2:])
