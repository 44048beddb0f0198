"""Effects of nodes in a session: maps, direct against total, who makes up for what.

They are of the model on the pairs in use and of no circuit, and each has an ablation of its own.
What was computed is kept until pairs or metric change. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop
from workbench.circuits.names import LOGITS
from workbench.effects.map_results import NodeMap
from workbench.effects.repair_results import SelfRepair
from workbench.effects.requests import MapRequest, RepairRequest, RoleRequest
from workbench.effects.role_map_results import RoleMap
from workbench.errors import Cancelled, WorkbenchError
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.session_engine import SessionEngine

if TYPE_CHECKING:
    from workbench.effects.joint import Joint
    from workbench.experiment.experiment import Experiment

Map = TypeVar("Map", NodeMap, RoleMap)

DIRECT = "direct"
PIECE = 0.4
"""Seconds for which a command waits at most, about."""
MOST = 64
"""Results that are kept."""


@dataclass(frozen=True, eq=False)
class DirectChanges:
    """The direct effect of ablating each node, on the logit difference.

    Attributes:
        values: [source].
        noticed: the least that is worth a word.
    """

    values: NDArray[np.float64]
    noticed: float


class NodeEffects:
    """Computes and keeps effects of nodes. From any thread; what computes is for a worker."""

    def __init__(self, engine: SessionEngine, lock: PriorityLock) -> None:
        self._engine = engine
        self._lock = lock
        self._kept: tuple[Experiment, dict[Any, Any]] = (engine.experiment, {})

    def _of(self, experiment: Experiment) -> dict[Any, Any]:
        """What is kept of an experiment, by what was asked for."""
        if self._kept[0] is not experiment:
            self._kept = (experiment, {})
        return self._kept[1]

    def _put(self, experiment: Experiment, request: Any, found: Any) -> None:
        kept = self._of(experiment) if experiment is self._engine.experiment else {}
        kept.pop(request, None)
        kept[request] = found
        while len(kept) > MOST:
            del kept[next(iter(kept))]

    @property
    def ablation(self) -> str:
        """The session's own, which is taken where none is named."""
        return self._engine.experiment.ablation

    # Maps.

    def known_map(self, request: MapRequest) -> NodeMap | None:
        """What is known of a map, which may lack exact values; without computing."""
        found: NodeMap | None = self._of(self._engine.experiment).get(request)
        return found

    def map(
        self,
        request: MapRequest,
        *,
        cancel: Stop | None = None,
        on_map: Callable[[NodeMap], None] | None = None,
    ) -> NodeMap:
        """Estimates, then exact values piece by piece; goes on where it was stopped.

        Args:
            cancel: stops it between pieces; what is known by then is kept.
            on_map: told the map after each piece, outside of any turn.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: there is no such destination, ablation, run or pair.
        """
        experiment = self._engine.experiment
        known = self.known_map(request)
        if known is not None and known.complete:
            return known
        with self._lock.background(), failures_as_sentences():
            from workbench.effects.node_map import maps

            made = maps(experiment, request, known)
        return self._go_on(experiment, request, known, made, cancel, on_map)

    def _go_on(
        self,
        experiment: Experiment,
        request: Any,
        known: Map | None,
        made: Generator[Map, None, None],
        cancel: Stop | None,
        on_map: Callable[[Map], None] | None,
    ) -> Map:
        """Piece by piece, each in a turn of its own; what is known is kept."""
        while True:
            if cancel is not None and cancel.is_set():
                made.close()
                raise Cancelled
            with self._lock.background(), failures_as_sentences():
                now = next(made, None)
            if now is None:
                assert known is not None
                return known
            known = now
            self._put(experiment, request, now)
            if on_map is not None:
                on_map(now)

    # Maps by role.

    def known_roles(self, request: RoleRequest) -> RoleMap | None:
        """What is known of a map by role, which may lack values; without computing."""
        found: RoleMap | None = self._of(self._engine.experiment).get(request)
        return found

    def roles(
        self,
        request: RoleRequest,
        *,
        cancel: Stop | None = None,
        on_map: Callable[[RoleMap], None] | None = None,
    ) -> RoleMap:
        """What patching at each role does, from the last layer backward; goes on as `map` does.

        Args:
            cancel: stops it between pieces; what is known by then is kept.
            on_map: told the map after each piece, outside of any turn.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: there is no such kind, ablation, run or pair.
        """
        experiment = self._engine.experiment
        known = self.known_roles(request)
        if known is not None and known.complete:
            return known
        with self._lock.background(), failures_as_sentences():
            from workbench.effects.role_map import role_maps

            made = role_maps(
                experiment,
                request.kind,
                ablation=request.ablation,
                run=request.run,
                pair=request.pair,
                known=known,
                seconds=PIECE,
            )
        return self._go_on(experiment, request, known, made, cancel, on_map)

    # Direct against total.

    def known_repair(self, request: RepairRequest) -> SelfRepair | None:
        """What was computed for this request; None if it was not."""
        found: SelfRepair | None = self._of(self._engine.experiment).get(request)
        return found

    def repair(
        self,
        request: RepairRequest,
        *,
        cancel: Stop | None = None,
        on_piece: Callable[[float], None] | None = None,
    ) -> SelfRepair:
        """Direct and total effects, of all nodes or of those asked for.

        Args:
            cancel: stops it between pieces.
            on_piece: told the fraction done, outside of any turn.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: as of `effects.self_repair.self_repair`.
        """
        experiment = self._engine.experiment
        known = self.known_repair(request)
        if known is not None:
            return known
        with self._lock.background(), failures_as_sentences():
            from workbench.effects.self_repair import repair_work

            work = repair_work(experiment, request, seconds=PIECE)
        found = finish_in_background(self._lock, work, cancel, on_piece)
        self._put(experiment, request, found)
        return found

    def known_direct(self) -> DirectChanges | None:
        """What `direct` gives, if it was computed; without computing."""
        found: DirectChanges | None = self._of(self._engine.experiment).get(DIRECT)
        return found

    def direct(self) -> DirectChanges | None:
        """Direct effects of all nodes, in a turn of the caller's; None where there are no answers.

        They take no run.
        """
        experiment = self._engine.experiment
        known = self._of(experiment)
        if DIRECT not in known:
            found = self._engine.direct_changes()
            known[DIRECT] = None if found is None else DirectChanges(*found)
        return self.known_direct()

    def known_of(self, node: str) -> SelfRepair | None:
        """A table with this node's row, by the first definition, if one was computed."""
        for request in (RepairRequest(), RepairRequest(nodes=(node,))):
            found = self.known_repair(request)
            if found is not None and any(row.node == node for row in found.rows):
                return found
        return None

    def repair_of(self, node: str, *, cancel: Stop | None = None) -> SelfRepair:
        """The row of one node alone, which takes a small part of what the table takes.

        Raises:
            WorkbenchError: there is no such node, or it writes nothing.
        """
        if node == LOGITS:
            raise WorkbenchError("The logits write nothing that others could make up for.")
        known = self.known_of(node)
        if known is not None:
            return known
        return self.repair(RepairRequest(nodes=(node,)), cancel=cancel)

    def joint(
        self,
        nodes: Sequence[str],
        *,
        ablation: str | None = None,
        run: str = "clean",
        cancel: Stop | None = None,
    ) -> Joint:
        """What nodes do when they are ablated together, see `effects.joint.joint_effects`."""
        from workbench.effects.joint import joint_work

        work = joint_work(self._engine.experiment, nodes, ablation=ablation, run=run)
        return finish_in_background(self._lock, work, cancel)
