"""The runs of the sets of pairs that a session comes to, kept for when it comes back.

As long as memory allows, going back to a set computes no run again; the model is never loaded
again. Importing this module loads no torch.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from tasks.pair import Pair
from tasks.task import Task
from workbench.base.failures import failures_as_sentences
from workbench.experiment.prepare import task_batch
from workbench.experiment.settings import ExperimentSettings
from workbench.session.pair_runs import PairRuns, described, run_pairs, task_of
from workbench.session.pair_set import PairSet
from workbench.session.session_engine import SessionEngine
from workbench.session.state import Interventions, State
from workbench.session.status import difference, on_other_pairs, updated
from workbench.session.views import Status

Key = tuple[tuple[Pair, ...], str, Interventions]

KEPT_BYTES = 2**29
"""What the runs of sets that the session is not at may take together, in bytes."""
MOST_KEPT = 8
"""How many such sets are kept at most."""


class RunSets:
    """The runs of the sets of pairs that a session comes to.

    Attributes:
        present: those of the set that the session is at.
    """

    def __init__(
        self, engine: SessionEngine, task: Task, settings: ExperimentSettings, runs: PairRuns
    ) -> None:
        """`task`: as it was loaded; `runs`: those that the engine is at."""
        self._engine = engine
        self._task = task
        self._settings = settings
        self._notes = runs.info.notes[len(runs.task.notes) :]
        self._kept: OrderedDict[Key, PairRuns] = OrderedDict()
        self.present = runs

    def evaluated(self, before: State, after: State, status: Status) -> tuple[Status, PairRuns]:
        """What the circuit does after a change of it, or of the pairs, and the pairs' runs.

        The engine is at these runs then: `go_to` them, or `stay` where one was.
        """
        runs = self.of(after.pairs, after.metric, after.interventions)
        if runs is self.present:
            scores = self._engine.move(before.circuit, after.circuit)
        else:
            self._engine.use(runs.batch, runs.experiment)
            status = on_other_pairs(status, runs.info)
            scores = self._engine.evaluate(after.circuit)
        now = updated(status, after.circuit, scores, after.pairs)
        change = None  # what it is on other pairs, is no change of the circuit's
        if runs is self.present:
            change = difference(now.faithfulness, status.faithfulness)
        return replace(now, change=change, revision=status.revision + 1), runs

    def stay(self) -> None:
        """The engine is at the present runs, and at no circuit."""
        self._engine.use(self.present.batch, self.present.experiment)

    def of(self, pairs: PairSet, metric: str = "", interventions: Interventions = ()) -> PairRuns:
        """The runs of a set: the present ones, those that are kept, or new ones.

        Args:
            metric: that they are scored by; "" for the one that the session began with.
            interventions: what is done to the model in them.

        Raises:
            WorkbenchError: all pairs are put aside, as of `make_batch`, or an intervention cannot
                be done.
        """
        task = task_of(self._task, pairs, metric)
        key = (task.pairs, task.metric, interventions)
        if key == _key(self.present):
            return self.present
        return self._kept.get(key) or self._run(task, metric, interventions)

    def _run(self, task: Task, metric: str, interventions: Interventions) -> PairRuns:
        experiment, batch = self.present.experiment, self.present.batch
        with failures_as_sentences():
            if interventions != self.present.interventions:
                batch, experiment = run_pairs(
                    experiment.model,
                    task,
                    self._settings,
                    means=experiment.means,
                    interventions=interventions,
                )
            elif task.pairs == self.present.task.pairs:  # nothing is run again
                experiment = experiment.with_metric(task.metric)
            elif experiment.means is not None:  # of other prompts: they stay as they are
                batch = task_batch(experiment.model, task, self._settings)
                experiment = experiment.beside(batch).with_metric(task.metric)
            else:
                how: dict[str, Any] = {"means": None, "interventions": interventions}
                batch, experiment = run_pairs(experiment.model, task, self._settings, **how)
        info = described(task, self._settings, experiment, self._notes)
        return PairRuns(task, batch, experiment, info, metric, interventions)

    def go_to(self, runs: PairRuns) -> None:
        """The session is at these from now on; those that it leaves are kept for a while."""
        if runs is self.present:
            return
        left, self.present = self.present, runs
        self._kept.pop(_key(runs), None)
        self._kept[_key(left)] = left
        while len(self._kept) > MOST_KEPT or sum(map(_bytes, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)


def _key(runs: PairRuns) -> Key:
    return runs.task.pairs, runs.task.metric, runs.interventions


def _bytes(runs: PairRuns) -> int:
    from workbench.experiment.room import Shape, runs_bytes

    experiment = runs.experiment
    shapes = (
        Shape(len(group.indices), group.length, recording.start)
        for group, recording in zip(experiment.batch.groups, experiment.recordings, strict=True)
    )
    return sum(runs_bytes(experiment.parts, shape) for shape in shapes)
