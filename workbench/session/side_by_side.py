"""Circuits side by side: up to four, each evaluated on the session's task, edge by edge.

The first place is that of the session's own circuit, as it stands; the others are put there from
files or from what discoveries found. Nothing here changes the session's circuit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.base.failures import failures_as_sentences
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import at_role
from workbench.errors import WorkbenchError
from workbench.session.priority_lock import PriorityLock
from workbench.session.scores import Scores
from workbench.session.session_engine import SessionEngine

if TYPE_CHECKING:
    from workbench.assessment.results.overlap import Overlap

MOST = 4
"""Circuits that stand side by side, the session's own among them."""

OWN = "this circuit"


@dataclass(frozen=True)
class Entry:
    """One circuit.

    Attributes:
        name: its file's, its method's, or `OWN`.
        circuit: with the scores that it brought, if any.
        nodes: from which kept edges lead to the logits, the logits included.
        scores: of it on the session's pairs; None until they are computed.
    """

    name: str
    circuit: Circuit
    nodes: int
    scores: Scores | None = None


@dataclass(frozen=True)
class EdgeRow:
    """One edge of any of the circuits; where one of them tells it apart by roles, at one role.

    Attributes:
        edge: its name.
        kept: by which of them.
        scores: its score in each, None where there is none.
        difference: score in the first minus that in the second, where both have one.
    """

    edge: str
    kept: tuple[bool, ...]
    scores: tuple[float | None, ...]
    difference: float | None

    @property
    def differs(self) -> bool:
        """Whether some of the circuits keep it and some do not."""
        return any(self.kept) and not all(self.kept)


class SideBySide:
    """The circuits. All public methods may be called from any thread; `evaluate` computes.

    Glossary: docs/glossary.md#side-by-side.
    """

    def __init__(
        self, engine: SessionEngine, lock: PriorityLock, circuit: Callable[[], tuple[Circuit, int]]
    ) -> None:
        self._engine = engine
        self._lock = lock
        self._own = circuit
        self._revision = -1
        self._scored_on = engine.experiment
        self.places: tuple[Entry, ...] = ()
        self.renew()

    def renew(self) -> None:
        """Put the session's own circuit, as it stands now, in the first place."""
        circuit, revision = self._own()
        if revision != self._revision:
            self._revision = revision
            self.places = (_place(OWN, circuit), *self.places[1:])
        if self._engine.experiment is not self._scored_on:  # the session went to other pairs
            self._scored_on = self._engine.experiment
            self.places = tuple(replace(place, scores=None) for place in self.places)

    def put(self, name: str, circuit: Circuit) -> None:
        """Put one more circuit there.

        Raises:
            WorkbenchError: there are four, or it is another model's.
        """
        if len(self.places) == MOST:
            raise WorkbenchError(f"There are {MOST} circuits already: take one away first.")
        if circuit.graph != self.places[0].circuit.graph:
            raise WorkbenchError(
                f"The circuit {name} belongs to a model of another shape; compare like with like."
            )
        taken = {place.name for place in self.places}
        number, unique = 2, name
        while unique in taken:
            unique, number = f"{name} ({number})", number + 1
        self.places = (*self.places, _place(unique, circuit.copy()))

    def put_file(self, path: Path) -> None:
        """Put the circuit of a file there; errors as `put` and `load_chosen`."""
        from workbench.formats.chosen import load_chosen

        self.put(path.name, load_chosen(path, self.places[0].circuit.graph))

    def take_away(self, index: int) -> None:
        """Take a circuit away again; the session's own stays."""
        if index > 0:
            self.places = self.places[:index] + self.places[index + 1 :]

    def evaluate(self) -> None:
        """Compute what is not known yet of how the circuits score."""
        for place in self.places:
            if place.scores is not None:
                continue
            with self._lock.background():
                scores = self._engine.score(place.circuit, self._scored_on)
            self.places = tuple(replace(p, scores=scores) if p is place else p for p in self.places)

    def overlap(self) -> Overlap | None:
        """What every two of the circuits share; None if there is one alone.

        Raises:
            WorkbenchError: one of them is open.
        """
        if len(self.places) == 1:
            return None
        from workbench.assessment.parts.overlap import overlap

        with failures_as_sentences():
            return overlap([place.circuit for place in self.places])

    def rows(self) -> list[EdgeRow]:
        """Every edge of any circuit, from the logits backward; at roles where any has it there."""
        graph = self.places[0].circuit.graph
        kept = np.stack([place.circuit.mask for place in self.places])
        found = []
        for d in range(graph.n_destinations - 1, -1, -1):
            for s in np.flatnonzero(kept[:, :, d].any(axis=0)):
                scores = tuple(_score(place.circuit, int(s), d) for place in self.places)
                both = scores[:2]
                difference = None
                if len(both) == 2 and both[0] is not None and both[1] is not None:
                    difference = both[0] - both[1]
                edge = graph.edge_name(int(s), d)
                for name in self._parts(edge):
                    keeping = tuple(place.circuit.has(name) for place in self.places)
                    found.append(EdgeRow(name, keeping, scores, difference))
        return found

    def _parts(self, edge: str) -> list[str]:
        """An edge, or every role at which a circuit keeps it if one keeps it at some only."""
        if not any(edge in place.circuit.at.kept for place in self.places):
            return [edge]
        names = dict.fromkeys(name for place in self.places for name in place.circuit.at.names)
        parts = [at_role(edge, role) for role in names]
        return [part for part in parts if any(p.circuit.has(part) for p in self.places)]


def _place(name: str, circuit: Circuit) -> Entry:
    return Entry(name, circuit, len(circuit.reached()))


def _score(circuit: Circuit, source: int, destination: int) -> float | None:
    if circuit.scores is None:
        return None
    value = float(circuit.scores[source, destination])
    return None if value != value else value
