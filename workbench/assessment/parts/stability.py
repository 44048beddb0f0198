"""Stability: whether the same edges are found again on resampled and on other prompts.

A method scores every edge on every pair; a resample's scores are means over its pairs. What is
found is the n edges of the largest |score|, n being the circuit's number of edges; dead ends are
not pruned.
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
from workbench.base.work import Work, part
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits.circuit import Circuit
    from workbench.discovery.options import Options
    from workbench.experiment.experiment import Experiment

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

    from workbench.assessment.tools.variants import alive
    from workbench.circuits.circuit import all_edges
    from workbench.discovery.gradients import pair_scores as per_pair
    from workbench.discovery.options import Options

    alive(circuit)
    score = pair_scores or per_pair.pair_scores
    options = Options(seed=settings.seed)
    kept: Mask = circuit.mask[all_edges(circuit.graph)]
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
        found = _Tally(circuit, kept, own)
        for start in range(0, settings.resamples, _AT_ONCE):
            n = min(_AT_ONCE, settings.resamples - start)
            drawn = random.integers(0, len(scores), (n, len(scores)))
            for pairs in drawn:
                found.add(_largest(scores[pairs].mean(axis=0), size))
            yield 0.1 + 0.2 * (start + n) / settings.resamples
        resamplings.append(found.resampling(BOOTSTRAP))
    try:
        found = _Tally(circuit, kept, own)
        for i in range(settings.n_repeats):
            other = rephrased(experiment, i + 1)
            work = score(other, settings.method, options)
            others = yield from part(
                work, 0.3 + 0.7 * i / settings.n_repeats, 0.3 + 0.7 * (i + 1) / settings.n_repeats
            )
            found.add(_largest(others.mean(axis=0), size))
        resamplings.append(found.resampling(REPHRASED))
    except WorkbenchError as error:
        remarks.append(str(error))
    return Stability(settings.method, size, tuple(resamplings), tuple(remarks))


def rephrased(experiment: Experiment, number: int) -> Experiment:
    """As many other pairs of the same task.

    Args:
        number: which of them, from 1; it is added to the task's seed.

    Raises:
        WorkbenchError: the task is a file's, which has no other pairs, or has too few.
    """
    from workbench.experiment.experiment import Experiment
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
    made = make_batch(
        task, model.tokenizer, prepend_bos=batch.prepend_bos, device=model.device, mismatch="drop"
    )
    return Experiment(
        model,
        made,
        metric=experiment.metric_name,
        ablation=experiment.ablation,
        means=experiment.means,
        interventions=experiment.interventions,
    )


def _largest(scores: NDArray[np.float32], n: int) -> Mask:
    """The n edges of the largest |score|, of equal ones the first; bool [edge]."""
    import numpy as np

    size = np.abs(scores)
    least = np.partition(size, len(size) - n)[len(size) - n]
    chosen: Mask = size > least
    chosen[np.flatnonzero(size == least)[: n - int(chosen.sum())]] = True
    return chosen


class _Tally:
    """How often each edge was found.

    Args:
        kept: bool [edge], the circuit.
        own: bool [edge], what is found on the task's own pairs.
    """

    def __init__(self, circuit: Circuit, kept: Mask, own: Mask) -> None:
        self._circuit, self._kept, self._own = circuit, kept, own
        self._count = kept.astype(int) * 0
        self._jaccards: list[tuple[float, float]] = []

    def add(self, found: Mask) -> None:
        self._count += found
        self._jaccards.append((_jaccard(found, self._kept), _jaccard(found, self._own)))

    def resampling(self, kind: str) -> Resampling:
        import numpy as np

        from workbench.circuits.circuit import all_edges

        graph = self._circuit.graph
        share = np.zeros(self._circuit.mask.shape)
        share[all_edges(graph)] = self._count / len(self._jaccards)
        outside = np.argwhere((share >= OFTEN) & ~self._circuit.mask)
        others = [
            Frequency(graph.edge_name(int(s), int(d)), float(share[s, d])) for s, d in outside
        ]
        jaccards = np.array(self._jaccards)
        return Resampling(
            kind=kind,
            definition=DEFINITIONS[kind],
            n=len(self._jaccards),
            edges=tuple(
                Frequency(edge, float(share[graph.parse_edge(edge)]))
                for edge in self._circuit.edges()
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
