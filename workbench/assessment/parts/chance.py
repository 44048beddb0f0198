"""Chance: how faithful random circuits of this one's size or shape are.

Edges drawn from all edges without regard to paths are almost all dead, so that any circuit beats
them. Both kinds of random circuits here are alive to the last edge, as the circuit is whose dead
edges are left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.assessment.results.chance import (
    DEFINITIONS,
    DEFINITIONS_BY_ROLE,
    SIZE,
    Chance,
    RandomBaseline,
)
from workbench.base.work import Work, part

if TYPE_CHECKING:
    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment


def assess_part(
    experiment: Experiment, circuit: Circuit, settings: AssessmentSettings
) -> Work[Chance]:
    """Evaluate `settings.n_random` random circuits of each kind.

    Raises:
        WorkbenchError: the circuit is not closed.
    """
    from workbench.assessment.tools.variants import alive
    from workbench.engine.evaluator import Evaluator

    kept = alive(circuit, experiment.batch.roles)
    own = Evaluator(experiment, kept).value().metric
    baselines = []
    for number, kind in enumerate(DEFINITIONS):
        metrics, distinct = yield from part(
            random_metrics(experiment, kept, kind, settings),
            number / len(DEFINITIONS),
            (number + 1) / len(DEFINITIONS),
        )
        baselines.append(_baseline(experiment, kind, own, metrics, distinct))
        if kept.at:
            baselines[-1] = replace(baselines[-1], definition=DEFINITIONS_BY_ROLE[kind])
    return Chance(
        experiment.metric_name, own, experiment.faithfulness(own), kept.n_parts, tuple(baselines)
    )


def random_metrics(
    experiment: Experiment, circuit: Circuit, kind: str, settings: AssessmentSettings
) -> Work[tuple[list[float], int]]:
    """Mean metrics of `settings.n_random` random circuits, the same for the same seed.

    Args:
        circuit: without dead edges.
        kind: one of `DEFINITIONS`.

    Returns:
        The metrics, and how many of the circuits differ.
    """
    from workbench.assessment.tools.carrying import with_kept
    from workbench.assessment.tools.random_by_role import of_same_size, random_circuits
    from workbench.engine.evaluator import Evaluator
    from workbench.engine.kept_edges import kept_edges

    seed = (settings.seed, list(DEFINITIONS).index(kind))
    random = random_circuits(experiment, circuit, seed)
    own = kept_edges(circuit)
    evaluator = Evaluator(experiment, circuit)
    metrics: list[float] = []
    seen: set[bytes] = set()
    for i in range(settings.n_random):
        by_size = kind == SIZE
        kept = of_same_size(random, circuit) if by_size else random.of_shape(own)
        seen.add(kept.tobytes())
        metrics.append(evaluator.become(with_kept(circuit, kept)).metric)
        yield (i + 1) / settings.n_random
    return metrics, len(seen)


def _baseline(
    experiment: Experiment, kind: str, own: float, metrics: list[float], distinct: int
) -> RandomBaseline:
    n, model = len(metrics), experiment.clean.metric
    ours = experiment.faithfulness(own)
    theirs = [experiment.faithfulness(metric) for metric in metrics]
    faithfulness = tuple(value for value in theirs if value is not None)
    p = None if ours is None else (1 + sum(value >= ours for value in faithfulness)) / (1 + n)
    nearer = sum(abs(metric - model) <= abs(own - model) for metric in metrics)
    return RandomBaseline(
        kind=kind,
        definition=DEFINITIONS[kind],
        metrics=tuple(metrics),
        faithfulness=None if ours is None else faithfulness,
        distinct=distinct,
        p=p,
        p_nearer=(1 + nearer) / (1 + n),
    )
