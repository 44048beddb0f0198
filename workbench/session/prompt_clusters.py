"""Clusters of a session's prompts by the edges that they need, found in the background.

They depend on the task and on no circuit, so that what was found last is held whatever is edited.
Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from workbench.base.failures import failures_as_sentences
from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.discovery.catalogue import METHODS, Method
from workbench.discovery.clusters.clustering import check_pairs
from workbench.discovery.clusters.request import ClusterRequest
from workbench.errors import WorkbenchError
from workbench.experiment.interventions import Intervention
from workbench.prompts.preview import PromptView
from workbench.session import edits
from workbench.session.carry_out import CarryOut
from workbench.session.commands import Take
from workbench.session.pair_runs import prompt_view
from workbench.session.priority_lock import PriorityLock, finish_in_background
from workbench.session.session_engine import SessionEngine
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.discovery.clusters.find import Clusters
    from workbench.discovery.clusters.run import PromptClusters
    from workbench.prompts.batch import Batch


@dataclass(frozen=True)
class ClusterResult:
    """What was found.

    Attributes:
        request: what was asked for.
        result: the clusters, and how they were found.
        seconds: what it took, waiting included.
        batch: the pairs that they are clusters of.
    """

    request: ClusterRequest
    result: PromptClusters
    seconds: float
    batch: Batch = field(repr=False)

    @property
    def clusters(self) -> Clusters:
        """The clusters, without how they were found."""
        return self.result.clusters

    def prompts(self, index: int) -> PromptView:
        """A pair that was clustered, token by token, whatever pairs the session is at now."""
        return prompt_view(self.batch, index)

    def name(self, number: int) -> str:
        """What a cluster's circuit is called; the first cluster has number 1."""
        return f"cluster {number} of {len(self.clusters.clusters)}"

    def circuit(self, number: int) -> Circuit:
        """A cluster's circuit with its scores and provenance.

        Raises:
            WorkbenchError: there is none of this number.
        """
        return self.result.circuit(number)

    def as_near_by_chance(self) -> int | None:
        """How many random splits come at least as near to the model, pair by pair.

        None if that is undefined.
        """
        own = self.clusters.worth.distance
        if own is None:
            return None
        return sum(w.distance is not None and w.distance <= own for w in self.clusters.control)


class PromptClusterer:
    """Finds clusters of the task's prompts. All public methods may be called from any thread.

    Attributes:
        held: what was found last; None if nothing was yet.
    """

    def __init__(
        self,
        engine: SessionEngine,
        lock: PriorityLock,
        seed: int,
        *,
        carry_out: CarryOut,
        exported: Callable[[Path], None],
    ) -> None:
        """Begin with none.

        Args:
            seed: of the clustering and of the random splits.
            carry_out: carries out a command.
            exported: told each file that was written.
        """
        self._engine = engine
        self._lock = lock
        self._seed = max(0, seed)
        self._carry_out = carry_out
        self._exported = exported
        self._metric = ""  # that they were found by
        self._done: tuple[Intervention, ...] = ()  # to the model in which they were found
        self.held: ClusterResult | None = None

    def methods(self) -> list[Method]:
        """What can score the edges of single pairs under the session's ablation."""
        ablation = self._engine.experiment.ablation
        scoring = [method for method in METHODS.values() if method.per_pair is not None]
        return [method for method in scoring if ablation in method.ablations]

    def found(self) -> ClusterResult:
        """What is held. Raises WorkbenchError if that is nothing."""
        if self.held is None:
            raise WorkbenchError("No clusters were found yet: find some first.")
        return self.held

    @property
    def is_old(self) -> bool:
        """What is held are clusters of other pairs, by another metric, or of another model."""
        if self.held is None:
            return False
        other_pairs = self.held.batch.task.pairs != self._engine.batch.task.pairs
        now = self._engine.experiment
        other_run = (self._metric, self._done) != (now.metric_name, now.interventions)
        return other_pairs or other_run

    def take(self, number: int) -> Status:
        """Replace the circuit by that of a cluster. It is closed; groups and notes stay.

        Raises:
            WorkbenchError: no clusters are held, or there is none of this number.
        """
        held = self.found()
        circuit = held.circuit(number)
        name = held.name(number)
        return self._carry_out(
            lambda state: edits.load(state, circuit),
            lambda change: Take(result=name, change=change),
            f"The circuit of {name} is this one.",
        )

    def export(self, number: int, path: Path, format: str = "circuit") -> None:
        """Write a cluster's circuit with its scores and how it was found.

        Formats as `Session.export`.
        """
        from workbench.formats import save_circuit

        save_circuit(self.found().circuit(number), path, format=format)
        self._exported(path)

    def take_over(
        self, request: ClusterRequest, clusters: Clusters, seconds: float
    ) -> ClusterResult:
        """Hold clusters that a job of this session found on the pairs that it is at now."""
        from workbench.discovery.clusters.run import PromptClusters

        experiment, scoring = self._engine.experiment, request.scoring(self._seed)
        assert scoring.selection is not None, "the method scores edges"
        how = scoring.entry, scoring.options, scoring.selection
        found = PromptClusters(experiment, *how, clusters)
        self._metric, self._done = experiment.metric_name, experiment.interventions
        self.held = ClusterResult(request, found, seconds, experiment.batch)
        return self.held

    def run(
        self,
        request: ClusterRequest,
        *,
        cancel: Stop | None = None,
        on_piece: Callable[[float], None] | None = None,
    ) -> ClusterResult:
        """Find clusters, a circuit for each, and what chance would give, and hold them.

        Between two pieces the session's commands are carried out.

        Args:
            cancel: stops it when set; what was held before stays.
            on_piece: told the fraction done, from this thread.

        Raises:
            Cancelled: it was stopped.
            WorkbenchError: there are too few pairs, this cannot be asked for, or it failed.
        """
        started = perf_counter()
        with self._lock.background(), failures_as_sentences():
            from workbench.discovery.clusters.run import clusters_of

            experiment = self._engine.experiment
            checked = request.checked(metric=experiment.metric_name, ablation=experiment.ablation)
            check_pairs(experiment.n_pairs, request.k)
            work = clusters_of(experiment, checked, self._seed)
        result = finish_in_background(self._lock, work, cancel, on_piece)
        self._metric, self._done = experiment.metric_name, experiment.interventions
        self.held = ClusterResult(request, result, perf_counter() - started, experiment.batch)
        return self.held
