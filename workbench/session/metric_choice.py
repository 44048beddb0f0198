"""The metric that a session measures by, changed while it is open.

Nothing is run again: the recorded runs are scored by the other metric, and the circuit is evaluated
anew. It is a command, with undo. Effects are of the metric, so that those known are old until they
are computed again. Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from workbench.metrics.catalogue import NEGLIGIBLE, check_metric
from workbench.session.carry_out import CarryOut
from workbench.session.commands import SetMetric
from workbench.session.pair_set import PairSet
from workbench.session.read_only import Snapshot
from workbench.session.run_sets import RunSets
from workbench.session.state import Interventions, State
from workbench.session.views import Status, TaskInfo


class MetricChoice:
    """The session's metric; `set` changes it, from any thread."""

    def __init__(
        self, sets: RunSets, own: str, seen: Callable[[], Snapshot], *, carry_out: CarryOut
    ) -> None:
        """`own`: the metric that the session began with."""
        self._sets = sets
        self._own = own
        self._seen = seen
        self._carry_out = carry_out

    @property
    def name(self) -> str:
        """The present metric's."""
        return self._seen().runs.task.metric

    def set(self, name: str) -> Status:
        """Measure by another metric from now on.

        The threshold stays the same share of what corrupting the prompts does to the metric.

        Raises:
            WorkbenchError: there is no such metric.
        """
        name = check_metric(name)

        def edit(state: State) -> State:
            chosen = "" if name == self._own else name
            if chosen == state.metric:
                return state
            before, after = self._sets.present.info, self._sets.of(*_with(state, chosen)).info
            threshold = state.threshold * _ratio(before, after)
            return replace(state, metric=chosen, threshold=threshold)

        return self._carry_out(
            edit,
            lambda change: SetMetric(metric=name, change=change),
            f"The metric is {name} already.",
        )


def _with(state: State, metric: str) -> tuple[PairSet, str, Interventions]:
    """What the runs of a state by another metric are of."""
    return state.pairs, metric, state.interventions


def _ratio(before: TaskInfo, after: TaskInfo) -> float:
    """How much more the one metric changes when the prompts are corrupted than the other did."""
    was, now = (abs(info.model_metric - info.corrupted_metric) for info in (before, after))
    return now / was if min(was, now) > NEGLIGIBLE else 1.0
