"""Scores of every edge for each pair by itself: which pairs the model solves alike."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from workbench.base.ledger import recorded_work
from workbench.base.transfers import array_of
from workbench.base.work import Work
from workbench.circuits.circuit import all_edges
from workbench.discovery.catalogue import find_method, methods_per_pair
from workbench.discovery.gradients.scoring import Scorer, each_slice
from workbench.discovery.gradients.slices import Grouping, Slice, slices
from workbench.discovery.options import Options
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.plugins import resolve


def pair_scores(experiment: Experiment, method: str, options: Options) -> Work[NDArray[np.float32]]:
    """Scores of every edge for each pair; their mean over the pairs is the method's score.

    Returns:
        float32 [pair, edge], pairs in the task's order, edges in that of
        `np.flatnonzero(all_edges(graph))`.

    Raises:
        WorkbenchError: the method does not score pairs by themselves, or is not defined here.
    """
    scorer = scorer_per_pair(experiment, method, options)
    edges = np.flatnonzero(all_edges(experiment.graph))
    out = np.empty((experiment.n_pairs, len(edges)), dtype=np.float32)

    def seen(piece: Slice, scores: NDArray[np.float32]) -> None:
        out[list(piece.indices)] = scores

    pieces = slices(experiment, anew=scorer.anew, grouping=Grouping.PAIRS)
    yield from each_slice(pieces, experiment.n_pairs, partial(_scores, scorer, edges), seen)
    return out


def pair_scores_by_role(
    experiment: Experiment, method: str, options: Options
) -> Work[NDArray[np.float32]]:
    """The same of every edge at every role, one pair after the other.

    Returns:
        float32 [pair, role, edge], 0 where a pair has no such role.

    Raises:
        WorkbenchError: as `pair_scores`, or the method does not score edges by role.
    """
    scorer = scorer_per_pair(experiment, method, options)
    if not find_method(method).by_role:
        raise WorkbenchError(f"{method} does not score edges by role; choose eap, for one.")
    names = experiment.batch.roles.names
    edges = np.flatnonzero(all_edges(experiment.graph))
    out = np.zeros((experiment.n_pairs, len(names), len(edges)), dtype=np.float32)

    def seen(piece: Slice, scores: NDArray[np.float32]) -> None:
        out[piece.indices[0]] = scores

    pieces = slices(experiment, anew=scorer.anew, grouping=Grouping.ROLES, most=1)
    yield from each_slice(pieces, experiment.n_pairs, partial(_scores, scorer, edges), seen)
    return out


def _scores(scorer: Scorer, edges: NDArray[np.intp], piece: Slice) -> Work[NDArray[np.float32]]:
    """A slice's scores of these edges, [group, edge]."""

    def work() -> Work[NDArray[np.float32]]:
        scores = yield from scorer.score(piece)
        return array_of(scores.flatten(1))[:, edges]

    return recorded_work("scores of single pairs", lambda: repr(piece.indices).encode(), work)


def scorer_per_pair(experiment: Experiment, method: str, options: Options) -> Scorer:
    """How a method scores pairs by themselves.

    Raises:
        WorkbenchError: it does not, or is not defined on this metric and ablation.
    """
    entry = find_method(method)
    if entry.per_pair is None:
        raise WorkbenchError(
            f"{entry.name} does not score single pairs; choose one of: "
            f"{', '.join(methods_per_pair())}."
        )
    scorer: Scorer = resolve(entry.per_pair)(options)
    scorer.check(experiment.parts, experiment.metric_name, experiment.ablation)
    return scorer
