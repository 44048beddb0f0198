"""Held: the result of a discovery, kept beside the circuit at work.

Frozen: another selection, or a refused edge, makes another value of the same number.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.circuits.circuit import Circuit
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.selection import Selected, Selection


@dataclass(frozen=True, eq=False)
class DiscoveryResult:
    """What a method found, and the circuit that was chosen from it.

    Attributes:
        number: it is known by this; no two have the same.
        name: the method's, with the number if it is not the first of it.
        options: what the method was told, defaults filled in.
        selection: how the circuit is chosen from the scores; None where the method gives a circuit
            itself.
        found: the scores; not to be altered.
        fraction: of the work that was done; less than 1 for a partial result.
        seconds: that the method took.
        failure: a sentence, if the method failed in the middle.
        selected: the circuit, closed and without dead ends, and how many edges were asked for.
        metric, faithfulness: of this circuit; None if they could not be computed, the second also
            where it is undefined.
        refused: edges of the proposal that the user does not want.
        pairs: the digest of the set of pairs that it was found on; "" in files that do not say.

    Glossary: docs/glossary.md#result.
    """

    number: int
    name: str
    options: Options
    selection: Selection | None
    found: Findings
    fraction: float
    seconds: float
    failure: str
    selected: Selected
    metric: float | None = None
    faithfulness: float | None = None
    refused: frozenset[str] = frozenset()
    pairs: str = ""

    @property
    def method(self) -> str:
        """The name of the method that found it."""
        return self.found.method

    @property
    def complete(self) -> bool:
        """Whether the method came to its end."""
        return self.found.complete

    @property
    def circuit(self) -> Circuit:
        """The circuit that was chosen."""
        return self.selected.circuit
