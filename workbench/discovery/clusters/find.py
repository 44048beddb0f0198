"""Data-driven discovery: prompts in clusters, a circuit for each, and what chance gives.

Prompts that need the same edges are put together by their own edge scores (`clustering`). The mean
of a cluster's scores selects its circuit, which is then evaluated exactly on all pairs: on its own,
and on those of the other clusters. Whether the clusters mean anything is seen against random splits
into clusters of the same sizes, put through exactly the same. That control is needed most for the
score that takes, prompt by prompt, the best of all circuits: it rises with their number even when
they are random.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.base.ledger import recorded
from workbench.base.work import Work, part
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.comparison import compare, compare_at_roles
from workbench.discovery.clusters.clustering import (
    Algorithm,
    Criteria,
    criteria,
    medoid,
    partition,
    reduced,
)
from workbench.discovery.clusters.request import ClusterRequest
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import kept_edges
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment

Select: TypeAlias = Callable[[NDArray[np.float32]], Circuit]
"""From scores [source, destination], NaN where there is no edge, to a circuit.

Of edges at roles, [role, source, destination].
"""


@dataclass(frozen=True)
class Worth:
    """How well several circuits do together on all pairs, each pair being given one of them.

    Attributes:
        faithfulness: (mean m(circuit) - mean m(corrupted)) / (mean m(clean) - mean m(corrupted)),
            over all pairs, each with its own cluster's circuit; None where the model does not tell
            clean from corrupted prompts.
        distance: mean |m(circuit) - m(clean)| / |mean m(clean) - mean m(corrupted)|, likewise: 0
            where every pair's metric is the model's.
        oracle: the faithfulness if every pair is given the circuit that is the best for it (DCD's
            score); it rises with the number of circuits, whatever they are.
    """

    faithfulness: float | None
    distance: float | None
    oracle: float | None


@dataclass(frozen=True)
class Cluster:
    """Some pairs, and the circuit that their scores select.

    Attributes:
        pairs: which, in the task's order.
        medoid: the pair among them that is nearest to all others.
        circuit: of the mean of their scores.

    Glossary: docs/glossary.md#cluster.
    """

    pairs: tuple[int, ...]
    medoid: int
    circuit: Circuit


@dataclass(frozen=True)
class Clusters:
    """Clusters of prompts, their circuits, and the comparison with chance.

    Attributes:
        algorithm: how they were made.
        normalised: every pair's scores were scaled to length 1 before.
        by: the criterion that chose how many, or 'given'.
        criteria: what all three say; None if the number was given.
        clusters: the largest first.
        cross: [circuit][cluster], faithfulness of each cluster's circuit on each cluster's pairs, a
            ratio of means over these; None where the model does not tell them apart.
        others: faithfulness of each cluster's circuit on all pairs of the other clusters, likewise;
            None also where there is no other cluster.
        overlap: [circuit][circuit], Jaccard index of their edges, or of their edges at single roles
            where some are told apart; None of two empty circuits.
        worth: of the clusters' circuits.
        together: of the one circuit that the mean over all pairs selects.
        control: of random splits into clusters of the same sizes.
    """

    algorithm: Algorithm
    normalised: bool
    by: str
    criteria: Criteria | None
    clusters: tuple[Cluster, ...]
    cross: tuple[tuple[float | None, ...], ...]
    others: tuple[float | None, ...]
    overlap: tuple[tuple[float | None, ...], ...]
    worth: Worth
    together: Worth
    control: tuple[Worth, ...]

    @property
    def labels(self) -> list[int]:
        """The cluster of each pair."""
        of = {pair: i for i, cluster in enumerate(self.clusters) for pair in cluster.pairs}
        return [of[pair] for pair in range(len(of))]

    def chance(self, name: str) -> dict[str, float] | None:
        """Mean, least and largest of one of `Worth`'s numbers over the random splits.

        None if it is undefined or there are none.
        """
        values = [getattr(worth, name) for worth in self.control]
        if not values or None in values:
            return None
        return {"mean": float(np.mean(values)), "least": min(values), "largest": max(values)}

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names; circuits as `Circuit.parts` names them."""
        names = tuple(vars(self.worth))
        return {
            "algorithm": self.algorithm,
            "normalised": self.normalised,
            "k": len(self.clusters),
            "by": self.by,
            "criteria": None if self.criteria is None else self.criteria.to_json(),
            "labels": self.labels,
            "clusters": [
                {"pairs": list(c.pairs), "medoid": c.medoid, "edges": c.circuit.parts()}
                for c in self.clusters
            ],
            "cross": [list(row) for row in self.cross],
            "others": list(self.others),
            "overlap": [list(row) for row in self.overlap],
            "worth": vars(self.worth).copy(),
            "together": vars(self.together).copy(),
            "control": {
                "splits": [vars(worth).copy() for worth in self.control],
                "chance": {name: self.chance(name) for name in names},
            },
        }


def find_clusters(
    experiment: Experiment,
    scores: NDArray[np.float32],
    select: Select,
    request: ClusterRequest,
    *,
    seed: int = 0,
) -> Work[Clusters]:
    """Cluster an experiment's pairs, find each cluster's circuit, and do the same by chance.

    Args:
        scores: of each pair by itself, [pair, edge], edges in the order of
            `np.flatnonzero(all_edges(graph))`; or of edges at roles, [pair, role, edge], 0 where a
            pair has no such role.
        select: from the mean scores of some pairs to a circuit.
        request: how they are clustered, checked; where it names no number of clusters, as many are
            made as its criterion says of 1 to `LARGEST`.
        seed: of k-means, the SVD, the gap statistic and the splits.

    Raises:
        WorkbenchError: there are too few pairs, or the scores are of others.
    """
    if (len(scores), scores.shape[-1]) != (experiment.n_pairs, experiment.graph.n_edges):
        raise WorkbenchError(
            f"The scores are of {scores.shape[0]} pairs and {scores.shape[-1]} edges, the task has "
            f"{experiment.n_pairs} pairs and the model {experiment.graph.n_edges} edges."
        )
    values = reduced(scores.reshape(len(scores), -1), normalise=request.normalise, seed=seed)
    said, k = None, request.k
    if k is None:
        asking = criteria(values, request.algorithm, seed=seed)
        said = yield from part(asking, 0.0, 0.4)
        k = said.chosen(request.by)
    labels = partition(values, k, request.algorithm, seed)
    n_circuits = 1 + int(labels.max() + 1) * (1 + request.splits)
    evaluation = _Evaluation(experiment, scores, select, n_circuits, 0.0 if said is None else 0.4)
    circuits, metric = yield from evaluation.of(labels)
    together = yield from evaluation.of(np.zeros_like(labels))
    random = np.random.default_rng(seed)
    control = []
    for _ in range(request.splits):
        split = random.permutation(labels)
        by_chance = yield from evaluation.of(split)
        control.append(evaluation.worth(split, by_chance[1]))
    members = [np.flatnonzero(labels == i) for i in range(len(circuits))]
    outside = [np.flatnonzero(labels != i) for i in range(len(circuits))]
    return Clusters(
        algorithm=request.algorithm,
        normalised=request.normalise,
        by="given" if said is None else request.by,
        criteria=said,
        clusters=tuple(
            Cluster(tuple(pairs.tolist()), medoid(values, pairs), circuit)
            for pairs, circuit in zip(members, circuits, strict=True)
        ),
        cross=tuple(
            tuple(evaluation.faithfulness(row[pairs], pairs) for pairs in members) for row in metric
        ),
        others=tuple(
            evaluation.faithfulness(row[pairs], pairs)
            for row, pairs in zip(metric, outside, strict=True)
        ),
        overlap=tuple(tuple(_overlap(a, b) for b in circuits) for a in circuits),
        worth=evaluation.worth(labels, metric),
        together=evaluation.worth(np.zeros_like(labels), together[1]),
        control=tuple(control),
    )


def _overlap(one: Circuit, other: Circuit) -> float | None:
    edges = compare(one, other).edges
    return (compare_at_roles(one, other, edges) or edges).jaccard


class _Evaluation:
    """Circuits of groups of pairs and their exact metric on all pairs.

    Args:
        n_circuits: how many will be evaluated in all.
        begin: the fraction of the work that is done before the first.
    """

    def __init__(
        self,
        experiment: Experiment,
        scores: NDArray[np.float32],
        select: Select,
        n_circuits: int,
        begin: float,
    ) -> None:
        self._experiment = experiment
        self._scores = scores
        self._select = select
        self._places = np.flatnonzero(all_edges(experiment.graph))
        self._clean = np.array(experiment.clean.per_pair)
        self._corrupted = np.array(experiment.corrupted.per_pair)
        self._n, self._done, self._begin = n_circuits, 0, begin

    def of(self, labels: NDArray[np.int64]) -> Work[tuple[list[Circuit], NDArray[np.float64]]]:
        """Each cluster's circuit, and its metric on every pair of the task, [circuit, pair]."""
        circuits = []
        metric = np.empty((int(labels.max()) + 1, len(labels)))
        for i, row in enumerate(metric):
            circuit = self._circuit(labels == i)
            # All pairs at once: every cluster's value is a mean over some of them.
            row[:] = recorded(
                "circuits on all pairs",
                kept_edges(circuit).tobytes,
                partial(self._per_pair, circuit),
            )
            circuits.append(circuit)
            self._done += 1
            yield self._begin + (1 - self._begin) * self._done / self._n
        return circuits, metric

    def _per_pair(self, circuit: Circuit) -> NDArray[np.float64]:
        return np.array(Evaluator(self._experiment, circuit).value().per_pair)

    def _circuit(self, pairs: NDArray[np.bool_]) -> Circuit:
        graph = self._experiment.graph
        roles, matrix = self._scores.shape[1:-1], (graph.n_sources, graph.n_destinations)
        mean = np.full((*roles, matrix[0] * matrix[1]), np.nan, dtype=np.float32)
        mean[..., self._places] = self._scores[pairs].mean(axis=0, dtype=np.float64)
        return self._select(mean.reshape(*roles, *matrix))

    def worth(self, labels: NDArray[np.int64], metric: NDArray[np.float64]) -> Worth:
        """What the circuits are worth together; `metric` is [circuit, pair]."""
        everywhere = np.arange(len(labels))
        own = metric[labels, everywhere]
        span = self._span(everywhere)
        away = np.abs(own - self._clean).mean()
        # The best for a pair is what moves it farthest from the corrupted run to the clean one.
        side = np.sign(self._clean - self._corrupted)
        best = metric[(metric * side).argmax(axis=0), everywhere]
        return Worth(
            self.faithfulness(own, everywhere),
            None if span is None else float(away / abs(span)),
            self.faithfulness(best, everywhere),
        )

    def faithfulness(self, metric: NDArray[np.float64], pairs: NDArray[np.intp]) -> float | None:
        """Of some pairs' metric [pair], as a ratio of means over these."""
        span = self._span(pairs)
        if span is None:
            return None
        return float((metric.mean() - self._corrupted[pairs].mean()) / span)

    def _span(self, pairs: NDArray[np.intp]) -> float | None:
        """m(clean) - m(corrupted) of some pairs; None if next to nothing, or of no pairs."""
        if not len(pairs):
            return None
        clean, corrupted = self._clean[pairs].mean(), self._corrupted[pairs].mean()
        span = float(clean - corrupted)
        return None if abs(span) < 1e-5 * max(abs(clean), abs(corrupted), 1e-6) else span
