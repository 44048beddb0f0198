"""Clustering: three criteria on values whose clusters are known, against explicit sums."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.base.work import finish
from workbench.discovery.clusters.clustering import (
    REFERENCES,
    Algorithm,
    Values,
    check_clustering,
    criteria,
    elbow,
    first_gap,
    medoid,
    partition,
    reduced,
)
from workbench.errors import WorkbenchError

pytestmark = pytest.mark.dependencies

both = pytest.mark.parametrize("algorithm", ["k-means", "average-linkage"])


def blobs(sizes: tuple[int, ...], seed: int = 0, spread: float = 0.1) -> tuple[Values, list[int]]:
    """Points around corners that are 1 and more apart, in an order of their own."""
    random = np.random.default_rng(seed)
    corners = np.eye(len(sizes), 4) * 3
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return corners[labels] + random.normal(0, spread, (len(labels), 4)), labels.tolist()


def same_clusters(one: list[int], other: list[int]) -> bool:
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


@both
def test_clusters_that_lie_apart_are_found_and_numbered_by_size(algorithm: Algorithm) -> None:
    values, truth = blobs((4, 9, 6))
    labels = partition(values, 3, algorithm)
    assert same_clusters(labels.tolist(), truth)
    assert np.bincount(labels).tolist() == [9, 6, 4]
    assert np.array_equal(labels, partition(values, 3, algorithm))


@both
@pytest.mark.parametrize("sizes", [(8, 8), (5, 9, 6)])
def test_all_criteria_agree_where_the_clusters_lie_apart(
    algorithm: Algorithm, sizes: tuple[int, ...]
) -> None:
    values, _ = blobs(sizes)
    said = finish(criteria(values, algorithm, largest=6))
    k = len(sizes)
    assert (said.silhouette, said.elbow, said.gap) == (k, k, k)
    assert [said.chosen(by) for by in ("silhouette", "elbow", "gap")] == [k, k, k]


def test_the_gap_statistic_can_say_that_there_is_one_cluster() -> None:
    values = np.random.default_rng(1).uniform(0, 1, (30, 2))
    assert finish(criteria(values, "k-means", largest=5)).gap == 1


def test_the_numbers_are_those_of_their_definitions() -> None:
    values, _ = blobs((5, 7), seed=3, spread=1.0)
    said = finish(criteria(values, "average-linkage", largest=3))
    random = np.random.default_rng(0)
    low, high = values.min(0), values.max(0)
    references = [random.uniform(low, high, values.shape) for _ in range(REFERENCES)]
    for k in (1, 2, 3):
        labels = partition(values, k, "average-linkage")
        assert said.within[k] == pytest.approx(sum_of_squares(values, labels))
        logs = [np.log(sum_of_squares(r, partition(r, k, "average-linkage"))) for r in references]
        assert said.gaps[k] == pytest.approx(np.mean(logs) - np.log(said.within[k]))
        assert said.gap_errors[k] == pytest.approx(np.std(logs) * np.sqrt(1 + 1 / REFERENCES))
        if k > 1:
            assert said.silhouettes[k] == pytest.approx(silhouette(values, labels))


def sum_of_squares(values: Values, labels: np.ndarray) -> float:
    """Half the mean squared distance between the members of a cluster, times their number."""
    total = 0.0
    for label in set(labels.tolist()):
        own = [v for v, at in zip(values, labels, strict=True) if at == label]
        total += sum(float(((a - b) ** 2).sum()) for a in own for b in own) / (2 * len(own))
    return total


def silhouette(values: Values, labels: np.ndarray) -> float:
    out = []
    for i, here in enumerate(values):
        mean = {}
        for label in set(labels.tolist()):
            others = [j for j in range(len(values)) if labels[j] == label and j != i]
            if others:
                mean[label] = np.mean([np.linalg.norm(here - values[j]) for j in others])
        near = min(value for label, value in mean.items() if label != labels[i])
        own = mean.get(labels[i])
        out.append(0.0 if own is None else (near - own) / max(near, own))
    return float(np.mean(out))


def test_elbow_and_first_gap_by_hand() -> None:
    assert elbow({1: 10.0, 2: 9.0, 3: 2.0, 4: 1.0, 5: 0.0}) == 3
    assert first_gap(np.array([0.1, 0.9, 0.95, 0.2]), np.array([0, 0.01, 0.1, 0])) == 2
    assert first_gap(np.array([0.1, 0.9, 1.5]), np.array([0, 0.01, 0.1])) == 3


def test_the_svd_keeps_the_distances_where_it_can() -> None:
    random = np.random.default_rng(2)
    scores = (random.normal(size=(12, 3)) @ random.normal(size=(3, 50))).astype(np.float32)
    values = reduced(scores)
    assert values.shape[1] <= 12
    far = np.linalg.norm(scores[:, None] - scores[None], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(values[:, None] - values[None], axis=-1), far, 1e-4)
    # Scaled to length 1, how much a pair needs its edges does not matter.
    scaled = scores * random.uniform(0.1, 10, (12, 1)).astype(np.float32)
    one, other = (reduced(some, normalise=True) for some in (scores, scaled))
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-5)
    np.testing.assert_allclose(np.diag(one @ one.T), 1, atol=1e-5)


def test_the_medoid_is_nearest_to_the_others() -> None:
    values = np.array([[0.0], [9.0], [1.0], [5.0], [2.0]])
    assert medoid(values, np.array([0, 2, 4])) == 2
    assert medoid(values, np.array([3])) == 3


def test_what_cannot_be_clustered_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="too few"):
        reduced(np.zeros((3, 5), dtype=np.float32))
    with pytest.raises(WorkbenchError, match="not numbers"):
        reduced(np.full((6, 5), np.nan, dtype=np.float32))
    with pytest.raises(WorkbenchError, match="do not make 9"):
        partition(np.zeros((6, 2)), 9, "k-means")
    for algorithm, by, k in (("x", "gap", 1), ("k-means", "x", 1), ("k-means", "gap", 0)):
        with pytest.raises(WorkbenchError):
            check_clustering(algorithm, by, k)
