"""Clustering of prompts by the scores that each by itself gives the edges.

Prompts are rows of a matrix [pair, edge], reduced by a truncated SVD and then cut into clusters by
k-means or by average linkage. How many clusters there are is asked of three criteria, which need
not agree; all three answers are given, and which of them is used is said. The gap statistic's
references are drawn in the box of the very values that are clustered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import Work
from workbench.errors import WorkbenchError

Algorithm = Literal["k-means", "average-linkage"]
Criterion = Literal["silhouette", "elbow", "gap"]

Values = NDArray[np.float64]
"""What is clustered, [pair, dimension]."""

DIMENSIONS = 20
"""At most so many are kept of the scores."""
LARGEST = 10
"""As many clusters are tried, where nobody says how many."""
STARTS = 10
"""Of k-means; the best result counts."""
REFERENCES = 20
"""Draws of uniform values with which the gap statistic compares."""
LEAST_PAIRS = 4
"""With fewer, two clusters of two cannot be told from chance."""


@dataclass(frozen=True)
class Criteria:
    """What three criteria say about the number of clusters.

    Attributes:
        within: k -> sum of squared distances to the clusters' means, from k = 1.
        silhouettes: k -> mean silhouette (Rousseeuw 1987), from k = 2.
        gaps, gap_errors: k -> gap statistic and the error of its reference (Tibshirani et al.
            2001), from k = 1.
        silhouette: the k with the largest mean silhouette.
        elbow: the k whose point (k, within) is farthest from the line between the first and the
            last, both axes scaled to 1.
        gap: the smallest k with gap(k) >= gap(k + 1) - error(k + 1); the largest tried if none.
    """

    within: dict[int, float]
    silhouettes: dict[int, float]
    gaps: dict[int, float]
    gap_errors: dict[int, float]
    silhouette: int
    elbow: int
    gap: int

    def chosen(self, by: Criterion) -> int:
        """The number of clusters by one of the criteria."""
        k: int = getattr(self, by)
        return k

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return vars(self).copy()


def check_clustering(algorithm: str, by: str, k: int | None) -> None:
    """Whether these exist.

    Raises:
        WorkbenchError: there is no such algorithm or criterion, or k is below 1.
    """
    for value, known, what in (
        (algorithm, get_args(Algorithm), "way of clustering"),
        (by, get_args(Criterion), "criterion"),
    ):
        if value not in known:
            raise WorkbenchError(
                f"There is no {what} {value[:60]!r}; choose one of: {', '.join(known)}."
            )
    if k is not None and k < 1:
        raise WorkbenchError(f"The number of clusters has to be 1 or more, not {k}.")


def check_pairs(n: int, k: int | None = None) -> None:
    """Whether so many pairs can be clustered, and into k clusters.

    Raises:
        WorkbenchError: there are too few of them.
    """
    if n < LEAST_PAIRS:
        raise WorkbenchError(
            f"There are {n} pairs, too few to be clustered: take {LEAST_PAIRS} or more."
        )
    if k is not None and k > n:
        raise WorkbenchError(f"{n} pairs do not make {k} clusters: ask for fewer.")


def reduced(scores: NDArray[np.float32], *, normalise: bool = False, seed: int = 0) -> Values:
    """Scores in fewer dimensions, by a truncated SVD: no mean is taken off.

    Args:
        scores: [pair, edge].
        normalise: every pair's scores are first scaled to length 1, so that pairs are compared by
            which edges they need, not by how much.

    Raises:
        WorkbenchError: there are too few pairs, or some scores are not numbers.
    """
    from sklearn.decomposition import TruncatedSVD

    check_pairs(len(scores))
    if not np.isfinite(scores).all():
        raise WorkbenchError("Some edges' scores are not numbers, so pairs cannot be compared.")
    values = scores.astype(np.float64)
    if normalise:
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        values = values / np.where(lengths == 0, 1, lengths)
    dimensions = min(DIMENSIONS, *values.shape)
    svd = TruncatedSVD(dimensions, random_state=seed)
    return np.asarray(svd.fit_transform(values), dtype=np.float64)


def partition(values: Values, k: int, algorithm: Algorithm, seed: int = 0) -> NDArray[np.int64]:
    """Which of k clusters each pair is in, [pair]; clusters are numbered from the largest on.

    Of equally large ones the one with the first pair comes first.
    """
    from sklearn.cluster import AgglomerativeClustering, KMeans

    check_pairs(len(values), k)
    if k == 1:
        return np.zeros(len(values), dtype=np.int64)
    if algorithm == "k-means":
        labels = KMeans(k, n_init=STARTS, random_state=seed).fit_predict(values)
    else:
        labels = AgglomerativeClustering(k, linkage="average").fit_predict(values)
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    place = np.empty(int(names.max()) + 1, dtype=np.int64)
    place[names[order]] = np.arange(len(names))
    return place[labels]


def within_clusters(values: Values, labels: NDArray[np.int64]) -> float:
    """Sum of the squared distances to the clusters' means."""
    total = 0.0
    for label in np.unique(labels):
        own = values[labels == label]
        total += float(((own - own.mean(axis=0)) ** 2).sum())
    return total


def medoid(values: Values, pairs: NDArray[np.intp]) -> int:
    """The pair among these whose summed distance to the others is least."""
    own = values[pairs]
    distances = np.linalg.norm(own[:, None] - own[None], axis=-1).sum(axis=1)
    return int(pairs[int(distances.argmin())])


def criteria(
    values: Values, algorithm: Algorithm, *, largest: int = LARGEST, seed: int = 0
) -> Work[Criteria]:
    """Ask all three criteria about 1 to `largest` clusters; one piece of work is one k-means."""
    from sklearn.metrics import silhouette_score

    numbers = range(1, min(largest, len(values) - 1) + 1)
    n_pieces = len(numbers) * (1 + REFERENCES)
    done = 0
    within: dict[int, float] = {}
    silhouettes: dict[int, float] = {}
    for k in numbers:
        labels = partition(values, k, algorithm, seed)
        within[k] = within_clusters(values, labels)
        n_found = len(np.unique(labels))
        # With fewer different pairs than clusters, k-means finds fewer.
        silhouettes[k] = float(silhouette_score(values, labels)) if n_found > 1 else -1.0
        done += 1
        yield done / n_pieces
    del silhouettes[1]
    logs = np.empty((REFERENCES, len(numbers)))
    random = np.random.default_rng(seed)
    low, high = values.min(axis=0), values.max(axis=0)
    for row in logs:
        reference = random.uniform(low, high, values.shape)
        for i, k in enumerate(numbers):
            row[i] = _log(within_clusters(reference, partition(reference, k, algorithm, seed)))
            done += 1
            yield done / n_pieces
    gap = logs.mean(axis=0) - [_log(within[k]) for k in numbers]
    error = logs.std(axis=0) * np.sqrt(1 + 1 / REFERENCES)
    return Criteria(
        within,
        silhouettes,
        dict(zip(numbers, gap.tolist(), strict=True)),
        dict(zip(numbers, error.tolist(), strict=True)),
        silhouette=max(silhouettes, key=lambda k: silhouettes[k]),
        elbow=elbow(within),
        gap=first_gap(gap, error),
    )


def elbow(within: dict[int, float]) -> int:
    """The number of clusters at the bend of a falling curve: farthest from its chord."""
    numbers = list(within)
    x = np.linspace(0, 1, len(numbers))
    y = np.array([within[k] for k in numbers])
    span = y[0] - y[-1]
    height = (y - y[-1]) / span if span > 0 else 1 - x
    # The chord goes from (0, 1) to (1, 0).
    return numbers[int(np.argmax(1 - x - height))]


def first_gap(gap: NDArray[np.float64], error: NDArray[np.float64]) -> int:
    """The smallest number of clusters, from 1, whose gap is within one error of the next's."""
    enough = np.flatnonzero(gap[:-1] >= gap[1:] - error[1:])
    return int(enough[0]) + 1 if len(enough) else len(gap)


def _log(within: float) -> float:
    # Pairs that are all the same leave nothing within their cluster.
    return float(np.log(max(within, np.finfo(np.float64).tiny)))
