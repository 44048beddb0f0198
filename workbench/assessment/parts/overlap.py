"""Overlap of two to four circuits: what they share, and how each does on the other's task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from workbench.assessment.results.overlap import Cross, Difference, Overlap, PairOverlap, Shared
from workbench.base.work import Work
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.assessment.settings import AssessmentSettings
    from workbench.circuits import comparison
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.experiment import Experiment

MOST = 4
"""Circuits that are compared at once."""


def compare_circuits(
    experiments: Sequence[Experiment], circuits: Sequence[Circuit], settings: AssessmentSettings
) -> Work[Overlap]:
    """What two to four circuits share, and how each does on every task.

    Args:
        experiments: of the tasks, on the model whose circuits they are.

    Raises:
        WorkbenchError: fewer than two circuits or more than four, of models of different shape, or
            one that is not closed.
    """
    found = overlap(circuits)
    matrix = yield from cross(experiments, circuits)
    return Overlap(found.names, found.pairs, matrix)


def compare_named(
    experiments: Sequence[Experiment],
    named: Sequence[tuple[str, Circuit]],
    settings: AssessmentSettings,
) -> Work[Overlap]:
    """As `compare_circuits`, with names for the circuits."""
    names, circuits = zip(*named, strict=True)
    found = yield from compare_circuits(experiments, circuits, settings)
    assert found.cross is not None
    return replace(found, names=names, cross=replace(found.cross, circuits=names))


def overlap(circuits: Sequence[Circuit]) -> Overlap:
    """What two to four circuits share; no engine.

    Raises:
        WorkbenchError: as `compare_circuits`.
    """
    from workbench.assessment.tools.variants import alive

    if not 2 <= len(circuits) <= MOST:
        raise WorkbenchError(f"Give two to {MOST} circuits to compare, not {len(circuits)}.")
    for circuit in circuits:
        alive(circuit)
    pairs = tuple(
        _pair(i, j, circuits[i], circuits[j]) for i, j in combinations(range(len(circuits)), 2)
    )
    return Overlap(_names(circuits), pairs)


def cross(experiments: Sequence[Experiment], circuits: Sequence[Circuit]) -> Work[Cross]:
    """Every circuit on every task, with all else ablated as the task's experiment has it.

    Raises:
        WorkbenchError: a circuit is of a model of another shape, or not closed.
    """
    from workbench.assessment.tools.variants import alive
    from workbench.engine.evaluator import Evaluator

    kept = [alive(circuit) for circuit in circuits]
    metric, faithfulness = [], []
    for number, experiment in enumerate(experiments):
        scores = []
        for at, circuit in enumerate(kept):
            scores.append(Evaluator(experiment, circuit).value().metric)
            yield (number + (at + 1) / len(kept)) / len(experiments)
        metric.append(tuple(scores))
        faithfulness.append(tuple(experiment.faithfulness(score) for score in scores))
    tasks = tuple(experiment.batch.task.name for experiment in experiments)
    return Cross(tasks, _names(circuits), tuple(metric), tuple(faithfulness))


def _names(circuits: Sequence[Circuit]) -> tuple[str, ...]:
    return tuple(f"circuit {i + 1}" for i in range(len(circuits)))


def _pair(i: int, j: int, first: Circuit, second: Circuit) -> PairOverlap:
    from workbench.circuits.comparison import compare, compare_at_roles

    both = compare(first, second)
    graph = first.graph
    edges = _shared(both.edges, graph.n_edges, everywhere=0)
    nodes = _shared(both.nodes, len(graph.nodes), everywhere=1)
    by_role = compare_at_roles(first, second, both.edges)
    n_roles = len(first.at.together(second.at))
    at_roles = None
    if by_role is not None:
        at_roles = _shared(by_role, n_roles * graph.n_edges, everywhere=0)
    elsewhere = len(both.at_other_roles)
    return PairOverlap(i, j, edges, nodes, _differences(first, second), elsewhere, at_roles)


def _shared(found: comparison.Agreement, population: int, everywhere: int) -> Shared:
    """The counts, less those that are in every circuit and so say nothing."""
    from scipy.stats import hypergeom

    first, second = found.n_circuit - everywhere, found.n_reference - everywhere
    both, population = len(found.both) - everywhere, population - everywhere
    union = first + second - both
    return Shared(
        first=first,
        second=second,
        both=both,
        population=population,
        jaccard=both / union if union else None,
        recall_first=both / first if first else None,
        recall_second=both / second if second else None,
        p=float(hypergeom.sf(both - 1, population, first, second)),
    )


def _differences(first: Circuit, second: Circuit) -> tuple[Difference, ...]:
    import numpy as np

    if first.scores is None or second.scores is None:
        return ()
    known = ~np.isnan(first.scores) & ~np.isnan(second.scores)
    found = [
        Difference(
            edge=first.graph.edge_name(int(s), int(d)),
            first=float(first.scores[s, d]),
            second=float(second.scores[s, d]),
            difference=float(first.scores[s, d]) - float(second.scores[s, d]),
            in_first=bool(first.mask[s, d]),
            in_second=bool(second.mask[s, d]),
        )
        for s, d in zip(*np.nonzero((first.mask | second.mask) & known), strict=True)
    ]
    return tuple(sorted(found, key=lambda difference: -abs(difference.difference)))
