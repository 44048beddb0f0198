"""Sight: how candidate edges look from where a session stands, whole or at roles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.comparison import Comparison, Standing
from workbench.circuits.names import ARROW
from workbench.circuits.tree import roles
from workbench.experiment.carrying import CarryingRoles
from workbench.session.effect_values import EffectValues
from workbench.session.known_effects import DROP, KnownEffects, Matrix
from workbench.session.proposal import differing, differing_roles
from workbench.session.results import DiscoveryResult
from workbench.session.state import State
from workbench.session.views import Candidate

if TYPE_CHECKING:
    from workbench.session.node_effects import DirectChanges


@dataclass(frozen=True)
class Sight:
    """Everything that candidates are told by, of one moment.

    Attributes:
        setting: of the exact effects.
        comparison: with the reference, if there is one.
        shown: the result of a discovery that stands beside them, if one does.
        direct: direct effects of the sources, where they are known and wanted.
    """

    state: State
    effects: KnownEffects | EffectValues
    setting: str
    comparison: Comparison | None
    shown: DiscoveryResult | None
    direct: DirectChanges | None

    @cached_property
    def _role_of(self) -> dict[str, str]:
        return roles(self.state.circuit.groups)

    @cached_property
    def _standing(self) -> dict[str, Standing]:
        return {} if self.comparison is None else self.comparison.edges.standing

    @cached_property
    def _proposing(self) -> NDArray[np.bool_] | None:
        if self.shown is None:
            return None
        return differing(self.state.circuit, self.shown.circuit, self.shown.refused)

    @cached_property
    def _proposing_roles(self) -> dict[str, tuple[str, ...]]:
        if self.shown is None:
            return {}
        return differing_roles(self.state.circuit, self.shown.circuit, self.shown.refused)

    def edges(self, into: Iterable[str]) -> Iterator[Candidate]:
        """All edges into these destinations."""
        circuit, graph, effects = self.state.circuit, self.state.circuit.graph, self.effects
        exact, drop, eap = effects.exact(self.setting), effects.exact(DROP), effects.eap
        proposing = self._proposing
        for destination in into:
            d = graph.destination_index(destination)
            columns = (matrix[: graph.n_parents(d), d].tolist() for matrix in (eap, exact, drop))
            for s, values in enumerate(zip(*columns, strict=True)):
                edge = graph.edge_name(s, d)
                found = math.nan if self.shown is None else self.shown.found.of_edge(s, d)
                yield self._row(
                    edge,
                    (s, d),
                    (*values, found),
                    kept=bool(circuit.mask[s, d]),
                    at=circuit.at.kept.get(edge, ()),
                    reference=self._standing.get(edge),
                    proposed=proposing is not None and bool(proposing[s, d]),
                )

    def together(self, node: str) -> Iterator[Candidate]:
        """The edges from each source into q, k and v of a head as one candidate."""
        graph = self.state.circuit.graph
        exact, drop = self.effects.exact_parts(self.setting), self.effects.exact_parts(DROP)
        into = graph.destinations_of(node)
        by_source = zip(*(list(self.edges([destination])) for destination in into), strict=True)
        for members in by_source:
            first = members[0]
            name = f"{first.source}{ARROW}{node}"
            eap = sum(one.eap for one in members)
            known, cost = exact.get(name), drop.get(name)
            score = eap if known is None else known
            standing = {one.reference for one in members}
            yield replace(
                first,
                edge=name,
                destination=node,
                kept=all(one.kept for one in members),
                preview=abs(score) >= self.state.threshold,
                open=any(one.open for one in members),
                eap=eap,
                exact=known,
                score=score,
                drop_cost=cost,
                reference=first.reference if len(standing) == 1 else None,
                found=None if first.found is None else sum(one.found or 0.0 for one in members),
                proposed=any(one.proposed for one in members),
                at=first.at if len({one.at for one in members}) == 1 else (),
            )

    def parts(
        self, into: Iterable[str], carrying: CarryingRoles, estimates: Matrix
    ) -> Iterator[Candidate]:
        """All edges into these destinations at every role by which they are told apart.

        `estimates`: [role, source, destination].
        """
        circuit, graph, effects = self.state.circuit, self.state.circuit.graph, self.effects
        exact, drop = effects.exact_parts(self.setting), effects.exact_parts(DROP)
        proposing = self._proposing
        for destination in into:
            names = carrying.into(graph, destination)
            if not names:
                yield from self.edges([destination])
                continue
            d = graph.destination_index(destination)
            places = [carrying.names.index(role) for role in names]
            for s, row in enumerate(estimates[places, : graph.n_parents(d), d].T.tolist()):
                edge = graph.edge_name(s, d)
                kept = circuit.at.kept.get(edge, names) if circuit.mask[s, d] else ()
                standing = self._standing_of(edge, names)
                proposed = proposing is not None and bool(proposing[s, d])
                there = self._proposing_roles.get(edge, names) if proposed else ()
                for role, eap in zip(names, row, strict=True):
                    name = f"{edge}@{role}"
                    found = self._found_at(role, s, d)
                    yield self._row(
                        name,
                        (s, d),
                        (eap, exact.get(name, math.nan), drop.get(name, math.nan), found),
                        kept=role in kept,
                        at=(role,),
                        reference=standing.get(role),
                        proposed=role in there,
                    )

    def _found_at(self, role: str, s: int, d: int) -> float:
        """The score at a role by the shown result; NaN where it scores whole edges."""
        found = None if self.shown is None else self.shown.found
        if found is None or found.at_roles is None or role not in found.roles:
            return math.nan
        return float(found.at_roles[found.roles.index(role), s, d])

    def _standing_of(self, edge: str, names: tuple[str, ...]) -> dict[str, Standing]:
        """Where an edge stands beside the reference's, role by role."""
        standing = self._standing.get(edge)
        if self.comparison is None or standing is None:
            return {}
        mine, others = self.comparison.roles.get(edge, (None, None))
        found: dict[str, Standing] = {}
        for role in names:
            here, there = mine is None or role in mine, others is None or role in others
            if standing != "both":
                own = {"missing": there, "extra": here, "undecided": here and there}[standing]
                found |= {role: standing} if own else {}
            elif here or there:
                found[role] = "both" if here and there else "extra" if here else "missing"
        return found

    def _row(
        self,
        name: str,
        where: tuple[int, int],
        values: tuple[float, float, float, float],
        *,
        kept: bool,
        at: tuple[str, ...],
        reference: Standing | None,
        proposed: bool,
    ) -> Candidate:
        """One candidate.

        Args:
            name: the edge's, or that of the edge at a role.
            where: row of the source and column of the destination.
            values: estimate, exact effect, drop cost and score of the result shown, NaN for none.
            kept, at, reference, proposed: as `Candidate` has them.
        """
        graph, state = self.state.circuit.graph, self.state
        (s, d), (eap, exact, cost, found) = where, values
        score = eap if exact != exact else exact
        source, destination = graph.sources[s], graph.destinations[d]
        return Candidate(
            edge=name,
            source=source,
            destination=destination,
            kept=kept,
            preview=abs(score) >= state.threshold,
            open=destination in state.circuit.open,
            eap=eap,
            exact=None if exact != exact else exact,
            score=score,
            drop_cost=None if cost != cost else cost,
            role=self._role_of.get(source),
            reference=reference,
            found=None if found != found else found,
            direct=None if self.direct is None else float(self.direct.values[s]),
            proposed=proposed,
            at=at,
        )
