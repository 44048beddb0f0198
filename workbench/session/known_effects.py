"""What is known of the edges' effects: EAP estimates, exact values, what dropping costs.

An exact value in the full model never goes stale; one along or within the circuit belongs to the
circuit in which it was computed. Every matrix is float32 [source, destination], NaN where nothing
is known, in units of the metric: the change of its mean over the pairs when the edge is corrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph
from workbench.engine.effect_settings import FULL, SETTINGS

LASTING = FULL
"""The setting whose values do not depend on the circuit."""

DROP = "drop"
"""Among the kinds of values, the cost of dropping a kept edge now."""

Matrix = NDArray[np.float32]


MOST_SETS = 8
"""Sets of pairs whose values are kept for when the session comes back to them."""


@dataclass(frozen=True)
class _Values:
    """What is known of one set of pairs; replaced as a whole when the session goes to another."""

    eap: Matrix
    old: bool
    known: dict[str, Matrix]


class KnownEffects:
    """The values known of every edge. Reading is safe while another thread adds values.

    When the session goes to other pairs, exact values are forgotten and the estimates are old
    until they are computed again; what is known of pairs that it comes back to is there again.

    Glossary: docs/glossary.md#known-effects.
    """

    def __init__(
        self, graph: Graph, eap: Matrix, pairs: str, estimate: Callable[[], Matrix]
    ) -> None:
        """Begin with the estimates.

        Args:
            eap: for all edges.
            pairs: by what their set is known.
            estimate: computes the estimates on the pairs that the session is at.
        """
        self.graph = graph
        self._pairs = pairs
        self._estimate = estimate
        # The kinds with values that the next edit makes stale.
        self._stale: set[str] = set()
        self._values = self._begin(eap)
        self._kept: dict[str, _Values] = {}

    def _begin(self, eap: Matrix, *, old: bool = False) -> _Values:
        known = {kind: np.full(eap.shape, np.nan, dtype=np.float32) for kind in (*SETTINGS, DROP)}
        return _Values(eap, old, known)

    @property
    def eap(self) -> Matrix:
        """The estimates for all edges."""
        return self._values.eap

    @property
    def old(self) -> bool:
        """The estimates are of other pairs than the session is at."""
        return self._values.old

    def pairs_changed(self, pairs: str) -> None:
        """The session is at other pairs."""
        if pairs == self._pairs:
            return
        self.circuit_changed()
        left = self._values
        if not left.old:
            self._kept[self._pairs] = left
            while len(self._kept) > MOST_SETS:
                del self._kept[next(iter(self._kept))]
        self._pairs = pairs
        known = self._kept.pop(pairs) if pairs in self._kept else None
        self._values = known or self._begin(left.eap, old=True)

    def estimate(self) -> None:
        """Have the estimates of the pairs that the session is at; in a turn of the caller's."""
        if self._values.old:
            self._values = replace(self._values, eap=self._estimate(), old=False)

    def exact(self, kind: str) -> Matrix:
        """Exact values of one of `SETTINGS`, or `DROP`."""
        return self._values.known[kind]

    def unknown(self, kind: str, edges: Sequence[str]) -> list[str]:
        """Those of the edges that have no exact value of this kind yet, in order."""
        matrix = self._values.known[kind]
        return [edge for edge in edges if np.isnan(matrix[self.graph.parse_edge(edge)])]

    def put(self, kind: str, edges: Sequence[str], values: Sequence[float]) -> None:
        """Enter values of one kind by the names of their edges."""
        matrix = self._values.known[kind]
        for edge, value in zip(edges, values, strict=True):
            matrix[self.graph.parse_edge(edge)] = value
        if kind != LASTING:
            self._stale.add(kind)

    def circuit_changed(self) -> None:
        """Forget what belongs to the circuit as it was.

        Whoever still reads keeps the old matrices.
        """
        if self._stale:
            nothing = self._begin(self._values.eap).known
            known = self._values.known | {kind: nothing[kind] for kind in self._stale}
            self._values = replace(self._values, known=known)
        self._stale.clear()

    def score(self, setting: str) -> Matrix:
        """Exact values in a setting where they are known, EAP elsewhere."""
        values = self._values
        exact = values.known[setting]
        return np.where(np.isnan(exact), values.eap, exact)

    def best(self) -> Matrix:
        """The most telling value of every edge.

        In the full model, else along, else within, else EAP.
        """
        values = self._values
        best = values.eap
        for setting in reversed(SETTINGS):
            exact = values.known[setting]
            best = np.where(np.isnan(exact), best, exact)
        return best
