"""Settling: a circuit is scored on all pairs, after a sample of them was asked first.

The pairs outside of the sample are run some at a time; of as many as there is room for the runs and
the circuit's cells are kept, so that the next edit costs of them what it costs of the sample.
Importing this module loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from workbench.base.failures import failures_as_sentences, is_memory_error
from workbench.base.work import Stop
from workbench.circuits.circuit import Circuit
from workbench.circuits.parts import on_prompts
from workbench.errors import Cancelled
from workbench.experiment.ablations import ABLATIONS
from workbench.experiment.faithfulness import faithfulness
from workbench.experiment.prepare import task_batch
from workbench.experiment.room import needed_bytes
from workbench.session.open import Opened
from workbench.session.pair_runs import PairRuns, task_of
from workbench.session.pair_set import PairSet, only_unsampled, with_unsampled
from workbench.session.priority_lock import PriorityLock
from workbench.session.read_only import Snapshot
from workbench.session.sampling import WholeScores
from workbench.session.views import Status

if TYPE_CHECKING:
    from workbench.engine.evaluator import Evaluator
    from workbench.experiment.experiment import Evaluation, Experiment
    from workbench.experiment.pieces import Pieces, Values

PIECE_BYTES = 2**28
"""What the pairs that are run at once take: so little that no edit waits for them long."""

KEPT_SHARE = 0.3
"""Of the memory that is free at first, what pieces may take that are kept from edit to edit."""


@dataclass
class _Values:
    """The values of some pairs after others, each with its pairs' numbers."""

    circuit: list[tuple[Sequence[int], Values]] = field(default_factory=list)
    clean: list[tuple[Sequence[int], Values]] = field(default_factory=list)
    corrupted: list[tuple[Sequence[int], Values]] = field(default_factory=list)

    def add(self, indices: Sequence[int], experiment: Experiment, value: Evaluation) -> None:
        from workbench.experiment.pieces import Values

        self.circuit.append((indices, Values.of(value)))
        self.clean.append((indices, Values.of(experiment.clean)))
        self.corrupted.append((indices, Values.of(experiment.corrupted)))

    def scores(self) -> WholeScores:
        from workbench.experiment.pieces import Values

        value, clean, corrupted = map(Values.joined, (self.circuit, self.clean, self.corrupted))
        share = faithfulness(value.metric, clean.metric, corrupted.metric)
        metrics = clean.metric, corrupted.metric, value.metric
        return WholeScores(len(value.per_pair), *metrics, share, value.accuracy, value.kl)


@dataclass
class _Others:
    """The pairs that are scored beside the sample, and what is kept of them.

    Attributes:
        runs, pairs: of which state of the session.
        pieces: how they are run.
        beside: the sample's pairs are not among them.
        cuts: the pairs of each piece.
        room: bytes that may still be kept.
        kept: evaluators of pieces, by their pairs.
    """

    runs: PairRuns
    pairs: PairSet
    pieces: Pieces
    beside: bool
    cuts: list[tuple[int, ...]]
    room: float
    kept: dict[tuple[int, ...], Evaluator] = field(default_factory=dict)

    def at(
        self, place: int, circuit: Circuit, tick: Callable[[float], None]
    ) -> tuple[Experiment, Evaluation]:
        """A piece's runs, and what the circuit does on them; kept if there is room."""
        from workbench.engine.evaluator import Evaluator

        cut = self.cuts[place]
        evaluator = self.kept.get(cut)
        if evaluator is not None:
            here = on_prompts(circuit, evaluator.experiment.batch.roles.names)
            return evaluator.experiment, evaluator.become(here)
        experiment = self.pieces.run(cut, tick)
        tick(1.0)
        here = on_prompts(circuit, experiment.batch.roles.names)
        evaluator = Evaluator(experiment, here)
        value = evaluator.value()
        takes = needed_bytes(self.pieces.parts, experiment.batch, experiment.ablation)
        if takes <= self.room:
            self.room -= takes
            self.kept[cut] = evaluator
        return experiment, value

    def split(self, place: int) -> None:
        """Memory ran out over a piece: keep nothing any more, and take it in two."""
        cut = self.cuts[place]
        half = len(cut) // 2
        self.cuts[place : place + 1] = [cut[:half], cut[half:]]
        self.kept.clear()
        self.room = 0


class Settler:
    """Brings the scores of all pairs after those of the sample. From any thread.

    Glossary: docs/glossary.md#settling.
    """

    def __init__(
        self,
        opened: Opened,
        lock: PriorityLock,
        seen: Callable[[], Snapshot],
        show: Callable[[Status], Status],
    ) -> None:
        """For a session: `seen` is what it shows now, `show` makes it show another status."""
        self._opened = opened
        self._lock = lock
        self._seen = seen
        self._show = show
        self._held: _Others | None = None

    @property
    def wanted(self) -> bool:
        """The status is of a sample alone so far."""
        sample = self._seen().status.sample
        return sample is not None and sample.whole is None

    def run(
        self, progress: Callable[[float], None] | None = None, cancel: Stop | None = None
    ) -> Status:
        """Score the present circuit on all pairs, in the background of any command.

        Returns:
            The status, which shows it from now on; as it is, if it is of all pairs already.

        Raises:
            Cancelled: `cancel` was set, or the circuit or the pairs changed meanwhile.
            WorkbenchError: it failed; the status is as before.
        """

        def tick(fraction: float) -> None:
            self._lock.give_way()
            if (cancel is not None and cancel.is_set()) or self._stale(seen):
                raise Cancelled
            if progress is not None:
                progress(fraction)

        with self._lock.background(), failures_as_sentences():
            seen = self._seen()
            if not self.wanted:
                return seen.status
            whole = self._scores(seen, tick)
            status = self._seen().status
            assert status.sample is not None  # nothing has changed: it was said in the same turn
            return self._show(replace(status, sample=replace(status.sample, whole=whole)))

    def _stale(self, seen: Snapshot) -> bool:
        now = self._seen()
        return now.status.revision != seen.status.revision or now.runs is not seen.runs

    def _scores(self, seen: Snapshot, tick: Callable[[float], None]) -> WholeScores:
        """What a state's circuit scores on all pairs; `tick` is told the fraction done."""
        others, circuit = self._others_of(seen), seen.state.circuit
        values, place, done = _Values(), 0, 0
        n_own = seen.runs.batch.n_pairs if others.beside else 0
        if others.beside:
            values.add(range(n_own), seen.runs.experiment, self._opened.engine.value(circuit))
        while place < len(others.cuts):
            cut = others.cuts[place]

            def within(fraction: float, done: int = done, size: int = len(cut)) -> None:
                tick((done + fraction * size) / others.pieces.batch.n_pairs)

            within(0.0)
            try:
                experiment, value = others.at(place, circuit, within)
                values.add([n_own + index for index in cut], experiment, value)
            except Exception as error:
                if len(cut) == 1 or not is_memory_error(error):
                    raise
                others.split(place)
                continue
            place, done = place + 1, done + len(cut)
        return values.scores()

    def _others_of(self, seen: Snapshot) -> _Others:
        """The other pairs of a state; what is kept of them, if it was looked at before."""
        held = self._held
        if held is not None and held.runs is seen.runs and held.pairs == seen.state.pairs:
            return held
        self._held = None
        from workbench.experiment.pieces import Pieces
        from workbench.models.device import free_memory

        experiment, state = seen.runs.experiment, seen.state
        # What is taken over the pairs themselves is taken over all of them.
        means = experiment.means is None and ABLATIONS[experiment.ablation].takes_means
        beside = not (means or experiment.interventions)
        which = (only_unsampled if beside else with_unsampled)(state.pairs)
        task = task_of(self._opened.task, which, state.metric)
        pieces = Pieces.of(
            experiment.model,
            task_batch(experiment.model, task, self._opened.settings),
            experiment.metric_name,
            experiment.ablation,
            experiment.means,
            experiment.interventions,
            PIECE_BYTES,
        )
        room = KEPT_SHARE * free_memory(experiment.model.device)
        self._held = _Others(seen.runs, state.pairs, pieces, beside, pieces.cuts(), room)
        return self._held
