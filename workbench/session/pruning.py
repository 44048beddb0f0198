"""Pruning: one cut through all kept edges by a score, tried exactly before it is made.

The cut is over every kept edge that has the score, those kept by hand too: undo brings them back.
Edges that the score knows nothing of stay. What is a dead end without the dropped edges goes with
them, as it cannot matter any more: the metric is the same, and the number of edges says what is
left. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.base.work import finish
from workbench.circuits.circuit import Circuit
from workbench.discovery.catalogue import METHODS
from workbench.errors import WorkbenchError
from workbench.session.carry_out import CarryOut
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
"""Scores of the session's own: the best effect known, the estimate, what dropping costs now."""


@dataclass(frozen=True)
class Cuts:
    """All cuts that can be made in a circuit by one score.

    Attributes:
        score: its name.
        circuit: what is cut; not to be altered.
        values: [source, destination], NaN where there is no score.
        revision: of the circuit.
        runs: the pairs that it is tried on.

    Glossary: docs/glossary.md#cut.
    """

    score: str
    circuit: Circuit
    values: Matrix
    revision: int
    runs: PairRuns

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """The least |score| that stays, by cut: the first keeps all edges, the last the strongest.

        Edges of the same |score| stay or go together.
        """
        sizes = np.abs(self.values[self.circuit.mask])
        return tuple(float(size) for size in np.unique(sizes[~np.isnan(sizes)]))

    @cached_property
    def unscored(self) -> int:
        """Kept edges that the score knows nothing of."""
        return int(np.isnan(self.values[self.circuit.mask]).sum())

    def after(self, cut: int) -> Circuit:
        """The circuit after one of the cuts, without dead ends."""
        circuit = self.circuit.copy()
        if self.levels:
            with np.errstate(invalid="ignore"):
                circuit.mask &= ~(np.abs(self.values) < np.float32(self.levels[cut]))
        return circuit.pruned()


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
    ) -> None:
        """For a session.

        Args:
            effects: of its edges.
            seen: what it shows now.
            shown: the result of a discovery that stands beside the candidates, if any.
            carry_out: carries out a command.
        """
        self._engine = engine
        self._lock = lock
        self._effects = effects
        self._seen = seen
        self._shown = shown
        self._carry_out = carry_out
        self._scratch: tuple[Circuit, Scratch] | None = None

    def _scores(self) -> dict[str, Matrix]:
        mask = self._seen().state.circuit.mask
        scores = {EFFECT: self._effects.best(), ESTIMATE: self._effects.eap}
        costs = self._effects.exact(DROP)
        if mask.any() and not np.isnan(costs[mask]).any():
            scores[COST] = costs
        result = self._shown()
        if result is not None and METHODS[result.method].kind == "edges":
            old = result.pairs not in ("", self._seen().runs.digest)
            name = f"{result.name}, on other pairs" if old else result.name
            scores[name] = result.found.edges
        return scores

    @property
    def scores(self) -> tuple[str, ...]:
        """Names of the scores to cut by, the best first; drop costs once all are known."""
        return tuple(self._scores())

    def cuts(self, score: str = EFFECT) -> Cuts:
        """All cuts of the circuit as it stands. Raises WorkbenchError for an unknown score."""
        if self._effects.old:
            with self._lock.background():
                self._effects.estimate()
        seen, scores = self._seen(), self._scores()
        if score not in scores:
            raise WorkbenchError(
                f"There is no score {score!r}; choose one of: {', '.join(scores)}."
            )
        return Cuts(score, seen.state.circuit, scores[score], seen.status.revision, seen.runs)

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
            after = cuts.after(cut)
            gone = np.argwhere(state.circuit.mask & ~after.mask)
            graph = state.circuit.graph
            return state.with_edges(drop=[graph.edge_name(int(s), int(d)) for s, d in gone])

        level = cuts.levels[cut] if cuts.levels else 0.0
        return self._carry_out(
            edit,
            lambda change: Prune(score=cuts.score, cut=level, change=change),
            "No edge is below this cut, and there are no dead ends.",
        )
