"""Stability: whether the same edges are found again on resampled and on other prompts.

A method scores every edge on every pair; a resample's scores are means over its pairs. What is
found is the n edges of the largest |score|, n being the circuit's number of edges; dead ends are
not pruned.

Of a circuit that keeps edges at some roles, edges at roles are scored and found: the n best of all
that can carry something, a whole edge counting once for each of its roles that does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from workbench.assessment.results.stability import (
    BOOTSTRAP,
    DEFINITIONS,
    REPHRASED,
    Frequency,
    Interval,
    Resampling,
    Stability,
)
from workbench.base.ledger import recorded_work
from workbench.base.work import Work, part
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits.circuit import Circuit
    from workbench.discovery.options import Options
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import Batch

    Mask = NDArray[np.bool_]
    PairScores: TypeAlias = Callable[[Experiment, str, Options], Work[NDArray[np.float32]]]

OFTEN = 0.5
"""An edge outside the circuit is named if it is found in this share of the resamples."""

_AT_ONCE = 20
"""Resamples to a piece of work."""


def assess_part(
    experiment: Experiment,
    circuit: Circuit,
    settings: AssessmentSettings,
    pair_scores: PairScores | None = None,
) -> Work[Stability]:
    """Find the circuit again by `settings.method` on other prompts.

    `settings.resamples` times on the task's pairs drawn with replacement, for which they are scored
    but once; and `settings.n_repeats` times on pairs made anew, where the task is built in.

    Args:
        pair_scores: scores of every edge [pair, edge] by a method; None for those of
            `discovery.per_pair`.

    Raises:
        WorkbenchError: the circuit is not closed, or the method does not score single pairs.
    """
    import numpy as np

    from workbench.assessment.tools.variants import alive, on_roles
    from workbench.discovery.options import Options

    alive(circuit, experiment.batch.roles)
    circuit = on_roles(circuit, experiment.batch.roles)
    counted = _ByRole(experiment, circuit) if circuit.at else _Whole(circuit)
    score = pair_scores or counted.scores
    options = Options(seed=settings.seed)
    kept: Mask = counted.kept
    size = int(kept.sum())
    if not size:
        return Stability(settings.method, 0, (), ("The circuit has no edges to be found again.",))
    scores = yield from part(score(experiment, settings.method, options), 0.0, 0.1)
    own = _largest(scores.mean(axis=0), size)
    resamplings: list[Resampling] = []
    remarks: list[str] = []
    if experiment.n_pairs == 1:
        remarks.append("A single pair cannot be resampled.")
    else:
        random = np.random.default_rng(settings.seed)
        found = _Tally(counted, own)
        for start in range(0, settings.resamples, _AT_ONCE):
            n = min(_AT_ONCE, settings.resamples - start)
            drawn = random.integers(0, len(scores), (n, len(scores)))
            # How often each pair was drawn, times its scores.
            times = (drawn[:, :, None] == np.arange(len(scores))).sum(axis=1)
            means = (times / len(scores)).astype(np.float32) @ scores
            for of_draw in means:
                found.add(_largest(of_draw, size))
            yield 0.1 + 0.2 * (start + n) / settings.resamples
        resamplings.append(found.resampling(BOOTSTRAP))
    try:
        found = _Tally(counted, own)
        for i in range(settings.n_repeats):

            def again(number: int = i + 1) -> Work[NDArray[np.float32]]:
                if not circuit.at and pair_scores is None and _streams(experiment):
                    batch = other_pairs(experiment, number)
                    return _streamed(experiment, batch, settings.method, options)
                return _means(score(rephrased(experiment, number), settings.method, options))

            work = recorded_work("scores of other pairs", str(i).encode, again)
            others = yield from part(
                work, 0.3 + 0.7 * i / settings.n_repeats, 0.3 + 0.7 * (i + 1) / settings.n_repeats
            )
            found.add(_largest(others, size))
        resamplings.append(found.resampling(REPHRASED))
    except WorkbenchError as error:
        remarks.append(str(error))
    return Stability(settings.method, size, tuple(resamplings), tuple(remarks))


def other_pairs(experiment: Experiment, number: int) -> Batch:
    """As many other pairs of the same task.

    Args:
        number: which of them, from 1; it is added to the task's seed.

    Raises:
        WorkbenchError: the task is a file's, which has no other pairs, or has too few.
    """
    from workbench.prompts.batch import make_batch
    from workbench.prompts.task_file import resolve_task

    batch, model = experiment.batch, experiment.model
    if batch.task.seed is None:
        raise WorkbenchError(
            f"The task {batch.task.name} is not built in, so that no other pairs of it can be made."
        )
    task = resolve_task(
        batch.task.name,
        model.tokenizer,
        pairs=batch.n_pairs,
        seed=batch.task.seed + number,
    )
    return make_batch(
        task, model.tokenizer, prepend_bos=batch.prepend_bos, device=model.device, mismatch="drop"
    )


def rephrased(experiment: Experiment, number: int) -> Experiment:
    """The same experiment on other pairs; arguments and errors as of `other_pairs`."""
    from workbench.experiment.experiment import Experiment

    return Experiment(
        experiment.model,
        other_pairs(experiment, number),
        metric=experiment.metric_name,
        ablation=experiment.ablation,
        means=experiment.means,
        interventions=experiment.interventions,
    )


def _streams(experiment: Experiment) -> bool:
    """Whether other pairs can be scored without an experiment of them."""
    from workbench.experiment.ablations import PATCHING

    return experiment.ablation == PATCHING and not experiment.interventions


def _streamed(
    experiment: Experiment, batch: Batch, method: str, options: Options
) -> Work[NDArray[np.float32]]:
    """Mean scores [edge] of other pairs, of whose runs no more is kept than they take."""
    from workbench.circuits.circuit import all_edges
    from workbench.discovery.gradients.pair_scores import scorer_per_pair
    from workbench.discovery.gradients.scoring import streamed_scores

    scorer = scorer_per_pair(experiment, method, options)
    scores = yield from streamed_scores(experiment.model, batch, scorer, experiment.metric_name)
    return scores[all_edges(experiment.graph)]


def _means(scoring: Work[NDArray[np.float32]]) -> Work[NDArray[np.float32]]:
    """Of scores [pair, edge] the means over the pairs."""
    import numpy as np

    scores = yield from scoring
    return np.asarray(scores.mean(axis=0))


def _largest(scores: NDArray[np.float32], n: int) -> Mask:
    """The n edges of the largest |score|, of equal ones the first; bool [edge]."""
    import numpy as np

    size = np.abs(scores)
    least = np.partition(size, len(size) - n)[len(size) - n]
    chosen: Mask = size > least
    chosen[np.flatnonzero(size == least)[: n - int(chosen.sum())]] = True
    return chosen


class _Whole:
    """The edges of a circuit among all, [edge].

    Attributes:
        kept: bool, those of the circuit.
        circuit: itself.
    """

    def __init__(self, circuit: Circuit) -> None:
        import numpy as np

        from workbench.circuits.circuit import all_edges

        self.circuit = circuit
        self.kept: Mask = circuit.mask[all_edges(circuit.graph)]
        self._edges = np.argwhere(all_edges(circuit.graph))

    def scores(
        self, experiment: Experiment, method: str, options: Options
    ) -> Work[NDArray[np.float32]]:
        """Of each for each pair, [pair, edge]."""
        from workbench.discovery.gradients.pair_scores import pair_scores

        return (yield from pair_scores(experiment, method, options))

    def name(self, place: int) -> str:
        """Name of the edge at a place."""
        source, destination = self._edges[place]
        return self.circuit.graph.edge_name(int(source), int(destination))

    def order(self) -> list[int]:
        """The places of the circuit's own, in its order."""
        import numpy as np

        places = {self.name(int(place)): int(place) for place in np.flatnonzero(self.kept)}
        return [places[edge] for edge in self.circuit.edges()]


class _ByRole(_Whole):
    """The same of edges at roles, those that can carry something, role by role."""

    def __init__(self, experiment: Experiment, circuit: Circuit) -> None:
        import numpy as np

        from workbench.assessment.tools.carrying import carried, carrying_parts
        from workbench.circuits.circuit import all_edges
        from workbench.engine.kept_edges import role_arrays

        super().__init__(circuit)
        real = all_edges(circuit.graph)
        self._names = circuit.at.names
        can = carrying_parts(experiment)
        carries = role_arrays(can[real], len(self._names))
        self._places = np.argwhere(carries)
        self.kept = role_arrays(carried(circuit, can)[real], len(self._names))[carries]

    def scores(
        self, experiment: Experiment, method: str, options: Options
    ) -> Work[NDArray[np.float32]]:
        """Of each for each pair, [pair, edge at a role]."""
        import numpy as np

        from workbench.discovery.gradients.pair_scores import pair_scores_by_role

        scores = yield from pair_scores_by_role(experiment, method, options)
        theirs = experiment.batch.roles.names
        at = [theirs.index(name) if name in theirs else len(theirs) for name in self._names]
        nowhere = np.zeros_like(scores[:, :1])
        with_nowhere = np.concatenate((scores, nowhere), axis=1)
        roles, edges = self._places.T
        return np.asarray(with_nowhere[:, np.array(at)[roles], edges])

    def name(self, place: int) -> str:
        """Name of the edge at a role."""
        from workbench.circuits.names import at_role

        role, edge = self._places[place]
        return at_role(super().name(int(edge)), self._names[role])

    def order(self) -> list[int]:
        """The places of the circuit's own, edge by edge."""
        import numpy as np

        own = np.flatnonzero(self.kept)
        return sorted(own.tolist(), key=lambda place: tuple(self._places[place][::-1].tolist()))


class _Tally:
    """How often each edge was found.

    Args:
        counted: the edges, and which are the circuit's.
        own: bool [edge], what is found on the task's own pairs.
    """

    def __init__(self, counted: _Whole, own: Mask) -> None:
        self._counted, self._kept, self._own = counted, counted.kept, own
        self._count = counted.kept.astype(int) * 0
        self._jaccards: list[tuple[float, float]] = []

    def add(self, found: Mask) -> None:
        self._count += found
        self._jaccards.append((_jaccard(found, self._kept), _jaccard(found, self._own)))

    def resampling(self, kind: str) -> Resampling:
        import numpy as np

        share, name = self._count / len(self._jaccards), self._counted.name
        outside = np.flatnonzero((share >= OFTEN) & ~self._kept)
        others = [Frequency(name(int(place)), float(share[place])) for place in outside]
        jaccards = np.array(self._jaccards)
        return Resampling(
            kind=kind,
            definition=DEFINITIONS[kind],
            n=len(self._jaccards),
            edges=tuple(
                Frequency(name(place), float(share[place])) for place in self._counted.order()
            ),
            others=tuple(sorted(others, key=lambda edge: -edge.share)),
            jaccard=_interval(jaccards[:, 0]),
            jaccard_own=_interval(jaccards[:, 1]),
        )


def _jaccard(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def _interval(values: NDArray[np.float64]) -> Interval:
    import numpy as np

    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))
