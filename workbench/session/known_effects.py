"""What is known of the edges' effects: EAP estimates, exact values, what dropping costs.

An exact value in the full model never goes stale; one along or within the circuit belongs to the
circuit in which it was computed. Every matrix is float32 [source, destination], NaN where nothing
is known, in units of the metric: the change of its mean over the pairs when the edge is corrupted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph
from workbench.engine.effect_settings import FULL, SETTINGS

LASTING = FULL
"""The setting whose values do not depend on the circuit."""

DROP = "drop"
"""Among the kinds of values, the cost of dropping a kept edge now."""

Matrix = NDArray[np.float32]


class KnownEffects:
    """The values known of every edge. Reading is safe while another thread adds values.

    Attributes:
        eap: the estimates for all edges.

    Glossary: docs/glossary.md#known-effects.
    """

    def __init__(self, graph: Graph, eap: Matrix) -> None:
        self.graph = graph
        self.eap = eap
        # The kinds with values that the next edit makes stale.
        self._stale: set[str] = set()
        self._known: dict[str, Matrix] = {kind: self._nothing() for kind in (*SETTINGS, DROP)}

    def _nothing(self) -> Matrix:
        return np.full(self.eap.shape, np.nan, dtype=np.float32)

    def exact(self, kind: str) -> Matrix:
        """Exact values of one of `SETTINGS`, or `DROP`."""
        return self._known[kind]

    def unknown(self, kind: str, edges: Sequence[str]) -> list[str]:
        """Those of the edges that have no exact value of this kind yet, in order."""
        matrix = self._known[kind]
        return [edge for edge in edges if np.isnan(matrix[self.graph.parse_edge(edge)])]

    def put(self, kind: str, edges: Sequence[str], values: Sequence[float]) -> None:
        """Enter values of one kind by the names of their edges."""
        matrix = self._known[kind]
        for edge, value in zip(edges, values, strict=True):
            matrix[self.graph.parse_edge(edge)] = value
        if kind != LASTING:
            self._stale.add(kind)

    def circuit_changed(self) -> None:
        """Forget what belongs to the circuit as it was.

        Whoever still reads keeps the old matrices.
        """
        for kind in self._stale:
            self._known[kind] = self._nothing()
        self._stale.clear()

    def score(self, setting: str) -> Matrix:
        """Exact values in a setting where they are known, EAP elsewhere."""
        exact = self._known[setting]
        return np.where(np.isnan(exact), self.eap, exact)

    def best(self) -> Matrix:
        """The most telling value of every edge.

        In the full model, else along, else within, else EAP.
        """
        best = self.eap
        for setting in reversed(SETTINGS):
            exact = self._known[setting]
            best = np.where(np.isnan(exact), best, exact)
        return best
