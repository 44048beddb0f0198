"""EffectValues: what is known of edges' effects at one moment, on one set of pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from workbench.circuits.graph import Graph
from workbench.circuits.names import edge_ends, split_role
from workbench.engine.effect_settings import SETTINGS
from workbench.experiment.carrying import CarryingRoles
from workbench.session.role_scores import Matrix


@dataclass(frozen=True)
class EffectValues:
    """Estimates and exact values, in units of the metric.

    Attributes:
        eap: the estimates.
        old: they are of other pairs.
        known: exact values by kind: a setting, or the cost of dropping.
        by_role: estimates of edges at roles, [role, source, destination]; None: not known.
        parts: exact values by kind of what is known by name: edges at roles, and q, k and v of a
            head together.
    """

    eap: Matrix
    old: bool
    known: dict[str, Matrix]
    by_role: Matrix | None
    parts: dict[str, dict[str, float]]

    def exact(self, kind: str) -> Matrix:
        """Exact values of a kind."""
        return self.known[kind]

    def exact_parts(self, kind: str) -> Mapping[str, float]:
        """Exact values of a kind that are kept by name."""
        return self.parts[kind]

    def best(self) -> Matrix:
        """The most telling value of every edge.

        In the full model, else along, else within, else EAP.
        """
        best = self.eap
        for setting in reversed(SETTINGS):
            exact = self.known[setting]
            best = np.where(np.isnan(exact), best, exact)
        return best

    def eap_by_role(self, carrying: CarryingRoles) -> Matrix | None:
        """Estimates [role, source, destination] on prompts of these roles; None if not known.

        While the session goes to other pairs they may be of other roles, and are not known then.
        """
        known = self.by_role
        return None if known is None or len(known) != len(carrying.names) else known

    def best_of(self, graph: Graph, name: str, carrying: CarryingRoles) -> float | None:
        """As `best`, of an edge at a role; NaN where nothing is known, None where it has none."""
        for setting in SETTINGS:
            if name in self.parts[setting]:
                return self.parts[setting][name]
        edge, role = split_role(name)
        if role not in carrying.into(graph, edge_ends(edge)[1]):
            return None
        known = self.eap_by_role(carrying)
        if known is None:
            return math.nan
        return float(known[carrying.names.index(role)][graph.parse_edge(edge)])

    def without(self, kinds: set[str]) -> EffectValues:
        """The same, nothing exact of these kinds being known."""
        nothing = np.full(self.eap.shape, np.nan, dtype=np.float32)
        known = self.known | {kind: nothing.copy() for kind in kinds}
        return replace(self, known=known, parts=self.parts | {kind: {} for kind in kinds})

    def with_all_of(self, other: EffectValues, kinds: set[str]) -> EffectValues:
        """As `other`, which may go on to change in these kinds only: they are copied."""
        known = other.known | {kind: self.known[kind] for kind in other.known}
        known |= {kind: other.known[kind].copy() for kind in kinds}
        parts = {kind: self.parts[kind] for kind in other.parts}
        parts |= {kind: dict(other.parts[kind]) for kind in kinds}
        return replace(other, known=known, parts=parts)
