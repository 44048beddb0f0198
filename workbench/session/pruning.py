"""Pruning: one cut through all kept edges by a score, tried exactly before it is made.

The cut is over every kept edge that has the score, those kept by hand too: undo brings them back.
An edge kept at some roles goes role by role, by its scores there; so does a whole one where edges
are told apart by role. Edges that the score knows nothing of stay. What is a dead end without the
dropped edges goes with them, as it cannot matter any more: the metric is the same, and the number
of edges says what is left. Importing this module loads no torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import at_role, edge_ends, split_role
from workbench.circuits.parts import drop_parts, edge_of
from workbench.discovery.catalogue import METHODS
from workbench.engine.effect_settings import EAP, FULL
from workbench.errors import WorkbenchError
from workbench.experiment.carrying import CarryingRoles
from workbench.session.carry_out import CarryOut
from workbench.session.deciding import Decider
from workbench.session.known_effects import DROP, KnownEffects, Matrix
from workbench.session.pair_runs import PairRuns
from workbench.session.priority_lock import PriorityLock
from workbench.session.read_only import Snapshot
from workbench.session.results import DiscoveryResult
from workbench.session.rule_commands import Prune
from workbench.session.scratch import Scratch
from workbench.session.session_engine import SessionEngine
from workbench.session.state import State
from workbench.session.views import Status

EFFECT, ESTIMATE, COST = "effect", "EAP", "drop cost"
"""Scores of the session's own: the exact effect in the full model, the estimate, what dropping
costs now."""
EXACT = {EFFECT: FULL, COST: DROP}
"""Those that are exact, and computed first where they are not known."""

PartScore = Callable[[str], float]
"""The score of an edge at a role that can carry something, by its name; NaN for none."""


@dataclass(frozen=True)
class Cuts:
    """All cuts that can be made in a circuit by one score.

    Attributes:
        score: its name.
        circuit: what is cut; not to be altered.
        values: [source, destination], NaN where there is no score.
        revision: of the circuit.
        runs: the pairs that it is tried on.
        parts: edges at roles that stay or go alone, with their scores, NaN where there is none;
            all other edges stay or go whole.
        by_role: whole edges were to be told apart by role too.

    Glossary: docs/glossary.md#cut.
    """

    score: str
    circuit: Circuit
    values: Matrix
    revision: int
    runs: PairRuns
    parts: Mapping[str, float] = field(default_factory=dict)
    by_role: bool = False

    @cached_property
    def _whole(self) -> NDArray[np.bool_]:
        """[source, destination]: the kept edges that stay or go whole."""
        return _whole(self.circuit, self.parts)

    @cached_property
    def _of_parts(self) -> Matrix:
        return np.fromiter(self.parts.values(), np.float32, len(self.parts))

    @cached_property
    def _sizes(self) -> Matrix:
        """|score| of all that stays or goes: whole edges, then edges at roles."""
        return np.abs(np.concatenate([self.values[self._whole], self._of_parts]))

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """The least |score| that stays, by cut: the first keeps all edges, the last the strongest.

        Edges of the same |score| stay or go together.
        """
        sizes = self._sizes
        return tuple(float(size) for size in np.unique(sizes[~np.isnan(sizes)]))

    @property
    def n_kept(self) -> int:
        """How many stay or go by themselves: kept edges, those in `parts` at each role there."""
        return len(self._sizes)

    @cached_property
    def unscored(self) -> int:
        """Of `n_kept` those that the score knows nothing of."""
        return int(np.isnan(self._sizes).sum())

    def after(self, cut: int) -> Circuit:
        """The circuit after one of the cuts, without dead ends."""
        circuit = self.circuit.copy()
        if self.levels:
            least = np.float32(self.levels[cut])
            with np.errstate(invalid="ignore"):
                circuit.mask &= ~(self._whole & (np.abs(self.values) < least))
            drop_parts(circuit, self._weaker(least))
        return circuit.pruned()

    def _weaker(self, least: np.float32) -> Iterator[str]:
        """What goes of `parts`; with the last role of an edge those at which it carries nothing."""
        stays = {
            n: not abs(value) < least for n, value in zip(self.parts, self._of_parts, strict=True)
        }
        staying = {edge_of(name) for name, here in stays.items() if here}
        for name, here in stays.items():
            edge = edge_of(name)
            if edge in staying:
                yield from () if here else (name,)
            elif edge in self.circuit.at.kept:
                # Roles that the prompts lack stay, for when pairs come back that have them.
                yield from (at_role(edge, role) for role in self.runs.carrying.names)
            else:
                yield edge

    def left(self, circuit: Circuit) -> int:
        """How many of `n_kept` are in a circuit."""
        whole = int((self._whole & circuit.mask).sum())
        return whole + sum(circuit.has(name) for name in self.parts)


class Pruner:
    """Offers cuts, tries them, makes one. `faithfulness` computes: call it from a worker."""

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        effects: KnownEffects,
        seen: Callable[[], Snapshot],
        *,
        shown: Callable[[], DiscoveryResult | None],
        carry_out: CarryOut,
        decider: Decider,
    ) -> None:
        """For a session.

        Args:
            effects: of its edges.
            seen: what it shows now.
            shown: the result of a discovery that stands beside the candidates, if any.
            carry_out: carries out a command.
            decider: has exact scores computed first.
        """
        self._decider = decider
        self._engine = engine
        self._lock = lock
        self._effects = effects
        self._seen = seen
        self._shown = shown
        self._carry_out = carry_out
        self._scratch: tuple[Circuit, Scratch] | None = None

    def _scores(self, parts: Sequence[str]) -> dict[str, tuple[Matrix, PartScore | None]]:
        """By name, the scores of whole edges and of edges at roles; None: it has none of these."""
        seen, effects = self._seen(), self._effects
        circuit, carrying = seen.state.circuit, seen.runs.carrying
        estimates = effects.eap_by_role(carrying)
        parts_of = {score: effects.exact_parts(kind) for score, kind in EXACT.items()}
        scores: dict[str, tuple[Matrix, PartScore | None]] = {
            EFFECT: (effects.exact(FULL), lambda name: parts_of[EFFECT].get(name, math.nan)),
            ESTIMATE: (effects.eap, _at_roles(circuit, carrying.names, estimates)),
            COST: (effects.exact(DROP), lambda name: parts_of[COST].get(name, math.nan)),
        }
        result = self._shown()
        if result is not None and METHODS[result.method].kind == "edges":
            found = result.found
            old = result.pairs not in ("", seen.runs.digest)
            name = f"{result.name}, on other pairs" if old else result.name
            by_role = found.at_roles is not None
            at_roles = _at_roles(circuit, found.roles, found.at_roles) if by_role else None
            scores[name] = found.edges, at_roles
        return scores

    def _parts(self, by_role: bool) -> list[str]:
        """Edges at roles that are to stay or go alone, those of whole edges too (`by_role`)."""
        seen = self._seen()
        circuit, carrying = seen.state.circuit, seen.runs.carrying
        names = []
        for edge in circuit.edges() if by_role else circuit.at.kept:
            roles = carrying.into(circuit.graph, edge_ends(edge)[1])
            kept = circuit.at.kept.get(edge, roles) if roles else ()
            # Kept where it carries nothing alone, it is there all the same.
            names += [at_role(edge, r) for r in kept if r in roles or not {*kept} & {*roles}]
        return names

    @property
    def scores(self) -> tuple[str, ...]:
        """As `offered`, of edges as they are kept."""
        return self.offered()

    def offered(self, *, by_role: bool = False) -> tuple[str, ...]:
        """Names of the scores to cut by, whatever is known of them yet."""
        return tuple(self._scores(self._parts(by_role)))

    def ready(self, score: str = EFFECT, *, by_role: bool = False) -> bool:
        """All that `cuts` needs is there: it computes nothing."""
        if self._effects.old or not (self._effects.by_role or not self._parts(by_role)):
            return False
        return not self._effects.unknown(*self._needed(score, by_role))

    def _needed(self, score: str, by_role: bool) -> tuple[str, list[str]]:
        """Exact values that a cut by the score goes by: their kind, and of which edges."""
        if score not in EXACT:
            return EAP, []
        seen, parts = self._seen(), self._parts(by_role)
        circuit, carrying = seen.state.circuit, seen.runs.carrying
        graph = circuit.graph
        whole = [graph.edge_name(int(s), int(d)) for s, d in np.argwhere(_whole(circuit, parts))]
        return EXACT[score], [*whole, *(n for n in parts if _carries(circuit, carrying, n))]

    def cuts(self, score: str = EFFECT, *, by_role: bool = False) -> Cuts:
        """All cuts of the circuit as it stands; what is missing of the scores is computed first.

        Args:
            by_role: whole edges go role by role too, where edges are told apart by role. Those
                kept at some roles always do, if the score is known of edges at roles.

        Raises:
            WorkbenchError: for an unknown score.
            Cancelled: whoever watches it stopped it.
        """
        if not self.ready(score, by_role=by_role):
            with self._lock.background():
                self._effects.estimate()
                if self._parts(by_role):
                    self._effects.estimate_by_role()
            self._decider.decided(lambda: self._decider.need(*self._needed(score, by_role)))
        seen, parts = self._seen(), self._parts(by_role)
        scores = self._scores(parts)
        if score not in scores:
            raise WorkbenchError(
                f"There is no score {score!r}; choose one of: {', '.join(scores)}."
            )
        circuit, carrying = seen.state.circuit, seen.runs.carrying
        values, of_part = scores[score]
        sizes: dict[str, float] = {}
        if of_part is not None:
            for name in parts:
                if _carries(circuit, carrying, name):
                    sizes[name] = of_part(name)
                else:  # nothing is carried there; of a role that the prompts lack nothing is known
                    sizes[name] = 0.0 if split_role(name)[1] in carrying.names else math.nan
        revision = seen.status.revision
        return Cuts(score, circuit, values, revision, seen.runs, sizes, by_role)

    def faithfulness(self, cuts: Cuts, cut: int) -> float | None:
        """The exact faithfulness after one of the cuts; only what differs is computed."""
        with self._lock.background():
            self._check(cuts)
            if self._scratch is None or self._scratch[0] is not cuts.circuit:
                self._scratch = cuts.circuit, self._engine.scratch(cuts.circuit)
            return finish(self._scratch[1].become(cuts.after(cut)))

    def _check(self, cuts: Cuts) -> None:
        if self._seen().runs is not cuts.runs:
            raise WorkbenchError("The pairs were changed meanwhile; choose the cut again.")

    def forget(self) -> None:
        """Free what trying cuts has left in memory."""
        self._scratch = None

    def prune(self, cuts: Cuts, cut: int) -> Status:
        """Make one of the cuts; one step of undo."""

        def edit(state: State) -> State:
            self._check(cuts)
            if state.circuit is not cuts.circuit and state.circuit != cuts.circuit:
                raise WorkbenchError("The circuit was changed meanwhile; choose the cut again.")
            return state.with_edges(drop=_dropped(state.circuit, cuts.after(cut)))

        level = cuts.levels[cut] if cuts.levels else 0.0
        return self._carry_out(
            edit,
            lambda change: Prune(score=cuts.score, cut=level, change=change),
            "No edge is below this cut, and there are no dead ends.",
        )


def _whole(circuit: Circuit, parts: Iterable[str]) -> NDArray[np.bool_]:
    """[source, destination]: the kept edges of which none is among these edges at roles."""
    mask = circuit.mask.copy()
    for edge in {edge_of(name) for name in parts}:
        mask[circuit.graph.parse_edge(edge)] = False
    return mask


def _carries(circuit: Circuit, carrying: CarryingRoles, name: str) -> bool:
    """Whether an edge at a role is one of those that are told apart."""
    edge, role = split_role(name)
    return role in carrying.into(circuit.graph, edge_ends(edge)[1])


def _at_roles(circuit: Circuit, roles: Sequence[str], values: Matrix | None) -> PartScore:
    """Reads [role, source, destination] by name; NaN where it has no such role, or is None."""

    def score(name: str) -> float:
        edge, role = split_role(name)
        if values is None or role not in roles:
            return math.nan
        return float(values[roles.index(role)][circuit.graph.parse_edge(edge)])

    return score


def _dropped(before: Circuit, after: Circuit) -> list[str]:
    """What of a circuit is no more in a smaller one: edges, and edges at roles."""
    graph, names = before.graph, before.at.names
    gone = np.argwhere(before.mask & ~after.mask)
    return [graph.edge_name(int(s), int(d)) for s, d in gone] + [
        at_role(edge, role)
        for edge, roles in after.at.kept.items()
        for role in before.at.kept.get(edge, names)
        if role not in roles
    ]
