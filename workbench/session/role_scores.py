"""RoleScores: by what edges at roles are sorted, previewed and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph
from workbench.experiment.carrying import CarryingRoles

Matrix = NDArray[np.float32]


Scored: TypeAlias = "Matrix | RoleScores"
"""Scores of edges [source, destination], or of edges at roles."""

Scoring: TypeAlias = "Callable[[Sequence[str]], Scored]"
"""Gives the scores by which edges into these destinations are kept."""


@dataclass(frozen=True)
class RoleScores:
    """The effects of edges at roles: exact in one setting where that is known, else estimates.

    Attributes:
        graph: the model's.
        carrying: the roles by which edges are told apart.
        whole: [source, destination] of edges that are told apart by none; exact or estimates.
        eap: [role, source, destination] estimates.
        exact: exact effects by name.
    """

    graph: Graph
    carrying: CarryingRoles
    whole: Matrix
    eap: Matrix
    exact: Mapping[str, float]

    def into(self, destination: str) -> Iterator[tuple[str, float]]:
        """Every candidate into a destination, by name, with its score."""
        graph, names = self.graph, self.carrying.names
        d = graph.destination_index(destination)
        n, roles = graph.n_parents(d), self.carrying.into(graph, destination)
        if not roles:
            column = self.whole[:n, d].tolist()
            for s, estimate in enumerate(column):
                name = graph.edge_name(s, d)
                yield name, self.exact.get(name, estimate)
            return
        rows = self.eap[[names.index(role) for role in roles], :n, d].T.tolist()
        for s, row in enumerate(rows):
            edge = graph.edge_name(s, d)
            for role, estimate in zip(roles, row, strict=True):
                name = f"{edge}@{role}"
                yield name, self.exact.get(name, estimate)
