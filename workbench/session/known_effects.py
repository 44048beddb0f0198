"""What is known of the edges' effects: EAP estimates, exact values, what dropping costs.

An exact value in the full model never goes stale; one along or within the circuit belongs to the
circuit in which it was computed. Every matrix is float32 [source, destination], NaN where nothing
is known, in units of the metric: the change of its mean over the pairs when the edge is corrupted.
Of edges at roles the estimates are such matrices by role; their exact values, and those of edges
into q, k and v of a head together, of which there are few, are kept by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph
from workbench.circuits.names import AT, HEAD_INPUTS, is_joined
from workbench.circuits.parts import members_of
from workbench.engine.effect_settings import DECIDING, EAP, FULL, SETTINGS
from workbench.errors import WorkbenchError
from workbench.experiment.carrying import CarryingRoles
from workbench.session.effect_values import EffectValues
from workbench.session.role_scores import Matrix, RoleScores

LASTING = FULL
"""The setting whose values do not depend on the circuit."""

DROP = "drop"
"""Among the kinds of values, the cost of dropping a kept edge now."""

NOT_BY_ROLE = "The effects of edges at roles are not estimated yet: do that first."

MOST_SETS = 8
"""Sets of pairs whose values are kept for when the session comes back to them."""


class KnownEffects:
    """The values known of every edge. Reading is safe while another thread adds values.

    When the session goes to other pairs, exact values are forgotten and the estimates are old
    until they are computed again; what is known of pairs that it comes back to is there again.

    Glossary: docs/glossary.md#known-effects.
    """

    def __init__(
        self,
        graph: Graph,
        eap: Matrix,
        pairs: str,
        estimate: Callable[[], Matrix],
        estimate_by_role: Callable[[], Matrix],
    ) -> None:
        """Begin with the estimates.

        Args:
            eap: for all edges.
            pairs: by what their set is known.
            estimate: computes the estimates on the pairs that the session is at.
            estimate_by_role: computes those of edges at roles, [role, source, destination].
        """
        self.graph = graph
        self._estimate_by_role = estimate_by_role
        self._pairs = pairs
        self._estimate = estimate
        # The kinds with values that the next edit makes stale.
        self._stale: set[str] = set()
        # The kinds with values that do not count for the order yet.
        self._unranked: set[str] = set()
        self._values = self._begin(eap)
        self._ranked = self._begin(eap)
        self._kept: dict[str, tuple[EffectValues, EffectValues]] = {}

    def _begin(self, eap: Matrix, *, old: bool = False) -> EffectValues:
        kinds = (*DECIDING, DROP)  # by estimates there is nothing exact, ever
        known = {kind: np.full(eap.shape, np.nan, dtype=np.float32) for kind in kinds}
        return EffectValues(eap, old, known, None, {kind: {} for kind in kinds})

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
        left, ranked = self._values, self._ranked
        if not left.old:
            self._kept[self._pairs] = left, ranked
            while len(self._kept) > MOST_SETS:
                del self._kept[next(iter(self._kept))]
        self._pairs = pairs
        nothing = self._begin(left.eap, old=True), self._begin(ranked.eap, old=True)
        self._values, self._ranked = self._kept.pop(pairs, nothing)
        self._unranked = set(self._values.known)

    def estimate(self) -> None:
        """Have the estimates of the pairs that the session is at; in a turn of the caller's."""
        if self._values.old:
            self._values = replace(self._values, eap=self._estimate(), old=False)

    @property
    def by_role(self) -> bool:
        """The estimates of edges at roles are known."""
        return self._values.by_role is not None

    def estimate_by_role(self) -> None:
        """Have the estimates of edges at roles too; in a turn of the caller's."""
        self.estimate()
        if self._values.by_role is None:
            found = self._estimate_by_role()
            self._values = replace(self._values, by_role=found)
            if self._ranked.by_role is None:  # there is no order yet that could change
                self._ranked = replace(self._ranked, by_role=found)

    def exact(self, kind: str) -> Matrix:
        """Exact values of one of `SETTINGS`, or `DROP`; of "eap" there is none."""
        return self._values.known[kind]

    @property
    def ranked(self) -> EffectValues:
        """Those of the values by which things are put in order; they change at `rank` alone.

        An order that changed with each value that comes would move what somebody reaches for.
        """
        return self._ranked

    def rank(self) -> bool:
        """Let all that is known by now count for the order; whether anything is new to it."""
        now, before, unranked = self._values, self._ranked, self._unranked
        self._unranked = set()
        new = now.eap is not before.eap or now.by_role is not before.by_role
        if new or unranked:
            self._ranked = before.with_all_of(now, unranked)
        return new or any(
            self._ranked.parts[kind] != before.parts[kind]
            or not np.array_equal(self._ranked.known[kind], before.known[kind], equal_nan=True)
            for kind in unranked
        )

    def rank_edges(self, kind: str, edges: Sequence[str]) -> None:
        """Let what is known of these edges count for the order: something is decided by it."""
        if kind == EAP:
            return
        matrix, parts = self._values.known[kind], self._values.parts[kind]
        places = [self.graph.parse_edge(name) for name in edges if not by_name(name)]
        named = {name: parts[name] for name in edges if name in parts}
        at = tuple(np.array(places, dtype=np.intp).reshape(-1, 2).T)
        ranked = self._ranked
        if not np.array_equal(ranked.known[kind][at], matrix[at], equal_nan=True):
            ranked = ranked.with_all_of(ranked, {kind})
            ranked.known[kind][at] = matrix[at]
        if not named.items() <= ranked.parts[kind].items():
            ranked = ranked.with_all_of(ranked, {kind})
            ranked.parts[kind].update(named)
        self._ranked = ranked

    def unknown(self, kind: str, edges: Sequence[str]) -> list[str]:
        """Those of the edges that have no exact value of this kind yet, in order.

        None of the kind "eap", which stands for the estimates.
        """
        if kind == EAP:
            return []
        matrix, parts = self._values.known[kind], self._values.parts[kind]
        return [
            name
            for name in edges
            if (
                name not in parts
                if by_name(name)
                else np.isnan(matrix[self.graph.parse_edge(name)])
            )
        ]

    def put(self, kind: str, edges: Sequence[str], values: Sequence[float]) -> None:
        """Enter values of one kind by the names of their edges, or edges at roles."""
        matrix, parts = self._values.known[kind], self._values.parts[kind]
        for name, value in zip(edges, values, strict=True):
            if by_name(name):
                parts[name] = value
            else:
                matrix[self.graph.parse_edge(name)] = value
        self._unranked.add(kind)
        if kind != LASTING:
            self._stale.add(kind)

    def take_exact(self, where: NDArray[np.uint32], values: Matrix) -> None:
        """Enter exact values in the full model, by their places in the flattened matrix."""
        self._values.known[LASTING].ravel()[where] = values
        self._unranked.add(LASTING)
        self.rank()

    def circuit_changed(self) -> None:
        """Forget what belongs to the circuit as it was.

        Whoever still reads keeps the old matrices.
        """
        if self._stale:
            self._values = self._values.without(self._stale)
            self._ranked = self._ranked.without(self._stale)
        self._stale.clear()

    def score(self, setting: str) -> Matrix:
        """Exact values in a setting where they are known, EAP elsewhere.

        To decide by them have all of them known before, see `deciding`.
        """
        values = self._values
        exact = values.known[setting]
        return np.where(np.isnan(exact), values.eap, exact)

    def score_together(self, setting: str) -> Matrix:
        """As `score`, but of each edge into a head that of those into its q, k and v together."""
        graph, score = self.graph, self.score(setting)
        eap, exact = self._values.eap, self._values.parts[setting]
        for layer in range(graph.n_layers):
            columns = [graph.head_inputs(layer, which) for which in range(len(HEAD_INPUTS))]
            estimates = sum(eap[:, own] for own in columns)
            for own in columns:
                score[:, own] = estimates
        for name, value in exact.items():
            if is_joined(name) and AT not in name:
                for edge in members_of(graph, name):
                    score[graph.parse_edge(edge)] = value
        return score

    def best(self) -> Matrix:
        """The most telling value of every edge.

        In the full model, else along, else within, else EAP.
        """
        return self._values.best()

    def estimated(self) -> NDArray[np.bool_]:
        """[source, destination]: of which edges `best` is the estimate, nothing exact being known.

        An estimate of zero where nothing is carried is counted among them.
        """
        known = self._values.known
        return np.all([np.isnan(known[setting]) for setting in SETTINGS], axis=0)

    def is_estimated(self, name: str) -> bool:
        """As `estimated`, of an edge at a role."""
        return not any(name in self._values.parts[setting] for setting in SETTINGS)

    def score_by_role(self, setting: str, carrying: CarryingRoles) -> RoleScores:
        """As `score`, of edges at roles; `carrying`: the roles by which they are told apart.

        Raises:
            WorkbenchError: their estimates are not known yet.
        """
        known = self.estimates_by_role(carrying, self._values.parts[setting])
        return replace(known, whole=self.score(setting))

    def estimates_by_role(self, carrying: CarryingRoles, exact: Mapping[str, float]) -> RoleScores:
        """Estimates of edges at roles, and what is given: exact values by name.

        Among them may be whole edges, where these are told apart by no role.

        Raises:
            WorkbenchError: the estimates are not known yet.
        """
        known = self.eap_by_role(carrying)
        if known is None:
            raise WorkbenchError(NOT_BY_ROLE)
        return RoleScores(self.graph, carrying, self._values.eap, known, exact)

    def eap_by_role(self, carrying: CarryingRoles) -> Matrix | None:
        """As `EffectValues.eap_by_role`."""
        return self._values.eap_by_role(carrying)

    def exact_parts(self, kind: str) -> Mapping[str, float]:
        """Exact values kept by name, of one of `SETTINGS` or `DROP`.

        They are of edges at roles, and of edges into q, k and v together.
        """
        return self._values.parts[kind]

    def best_of(self, name: str, carrying: CarryingRoles) -> float | None:
        """As `best`, of an edge at a role; NaN where nothing is known, None where it has none."""
        return self._values.best_of(self.graph, name, carrying)

    def best_of_all(self, names: Sequence[str], carrying: CarryingRoles) -> list[float]:
        """As `best`, of edges and edges at roles; zero where nothing is carried."""
        best = self.best()
        return [
            self.best_of(name, carrying) or 0.0
            if AT in name
            else float(best[self.graph.parse_edge(name)])
            for name in names
        ]


def not_by_role(by_role: bool) -> None:
    """Refuse edges at roles where q, k and v are one."""
    if by_role:
        raise WorkbenchError("q, k and v together are not told apart by role: leave out one.")


def by_name(candidate: str) -> bool:
    """Whether a candidate's exact values are kept by its name: it is no whole edge by itself."""
    return AT in candidate or is_joined(candidate)
