"""Clusters of prompts of two tasks: they are the tasks, and chance does worse."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tasks.task import Task
from workbench import load_model, load_task
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.parts import circuit_of_parts
from workbench.discovery.clusters.clustering import partition, reduced
from workbench.discovery.clusters.find import Clusters, find_clusters
from workbench.discovery.clusters.request import ClusterRequest
from workbench.discovery.clusters.run import PromptClusters, clusters_of
from workbench.discovery.estimates import eap, role_estimates
from workbench.engine.evaluator import Evaluator
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import make_batch

N, EDGES = 6, 40


@cache
def pocket() -> Model:
    return load_model("pocket", device="cpu", dtype="float32")


@cache
def mixed() -> Task:
    """Pairs of two tasks, one after the other in turn."""
    one, other = (load_task(name, pocket(), pairs=N) for name in ("greater-than", "ioi"))
    turns = [pair for both in zip(one.pairs, other.pairs, strict=True) for pair in both]
    return replace(one, name="mixed", pairs=tuple(turns), answer_space=())


@cache
def experiment() -> Experiment:
    return of_task(mixed())


def of_task(task: Task) -> Experiment:
    return Experiment(pocket(), make_batch(task, pocket().tokenizer), metric="logit_diff")


@cache
def scores() -> np.ndarray:
    """Each pair's own EAP scores, from an experiment of its own."""
    real = all_edges(pocket().graph)
    rows = [eap(of_task(replace(mixed(), pairs=(pair,))))[real] for pair in mixed().pairs]
    return np.stack(rows)


def top(mean: np.ndarray) -> Circuit:
    circuit = Circuit.empty(pocket().graph)
    size = np.nan_to_num(np.abs(mean)).reshape(-1)
    circuit.mask.reshape(-1)[np.argsort(-size, kind="stable")[:EDGES]] = True
    return circuit.pruned()


def found(**options: object) -> Clusters:
    request = ClusterRequest(**options)  # type: ignore[arg-type]
    work = find_clusters(experiment(), scores(), top, request)
    fractions: list[float] = []
    made = finish(work, fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    return made


@cache
def usual() -> Clusters:
    return found(normalise=True, k=2)


def test_the_clusters_are_the_tasks() -> None:
    clusters = usual()
    assert (clusters.by, clusters.criteria) == ("given", None)
    assert clusters.labels == [0, 1] * N
    by_linkage = found(normalise=True, algorithm="average-linkage", k=2, splits=1)
    assert by_linkage.labels == clusters.labels
    for i, cluster in enumerate(clusters.clusters):
        assert cluster.pairs == tuple(range(i, 2 * N, 2))
        assert cluster.medoid in cluster.pairs


def test_a_criterion_may_find_kinds_of_prompts_within_a_task_but_mixes_no_tasks() -> None:
    clusters = found(normalise=True, by="silhouette", splits=1)
    said = clusters.criteria
    assert said is not None
    assert clusters.by == "silhouette"
    assert len(clusters.clusters) == said.silhouette >= 2
    for cluster in clusters.clusters:
        assert len({pair % 2 for pair in cluster.pairs}) == 1


def test_a_clusters_circuit_is_selected_by_the_mean_of_its_own_scores() -> None:
    real = all_edges(pocket().graph)
    for cluster in usual().clusters:
        mean = np.full(real.shape, np.nan)
        mean[real] = np.mean([scores()[pair] for pair in cluster.pairs], axis=0)
        assert cluster.circuit == top(mean)


def test_the_cross_matrix_is_that_of_workspaces_of_their_own() -> None:
    clusters = usual()
    for j, cluster in enumerate(clusters.clusters):
        own = of_task(replace(mixed(), pairs=tuple(mixed().pairs[i] for i in cluster.pairs)))
        for i, other in enumerate(clusters.clusters):
            value = Evaluator(own, other.circuit).value()
            expected = own.faithfulness(value.metric)
            assert clusters.cross[i][j] == pytest.approx(expected, abs=1e-4)
    assert clusters.cross[0][0] > clusters.cross[1][0]  # type: ignore[operator]
    assert clusters.cross[1][1] > clusters.cross[0][1]  # type: ignore[operator]


def test_on_the_others_is_that_of_a_workspace_of_the_others() -> None:
    clusters = found(normalise=True, k=3, splits=0)
    for cluster, value in zip(clusters.clusters, clusters.others, strict=True):
        rest = tuple(p for i, p in enumerate(mixed().pairs) if i not in cluster.pairs)
        on = of_task(replace(mixed(), pairs=rest))
        expected = on.faithfulness(Evaluator(on, cluster.circuit).value().metric)
        assert value == pytest.approx(expected, abs=1e-4)
    assert found(k=1, splits=0).others == (None,)


def test_what_the_circuits_are_worth_by_hand() -> None:
    clusters, on = usual(), experiment()
    clean, corrupted = on.clean.per_pair, on.corrupted.per_pair
    by_circuit = [Evaluator(on, c.circuit).value().per_pair for c in clusters.clusters]
    own = [by_circuit[label][pair] for pair, label in enumerate(clusters.labels)]
    span = np.mean(clean) - np.mean(corrupted)
    worth = clusters.worth
    assert worth.faithfulness == pytest.approx((np.mean(own) - np.mean(corrupted)) / span)
    away = np.mean([abs(a - b) for a, b in zip(own, clean, strict=True)])
    assert worth.distance == pytest.approx(away / abs(span))
    best = []
    for pair, (c, k) in enumerate(zip(clean, corrupted, strict=True)):
        best.append(max((values[pair] for values in by_circuit), key=lambda m: (m - k) / (c - k)))
    assert worth.oracle == pytest.approx((np.mean(best) - np.mean(corrupted)) / span)
    assert worth.oracle >= worth.faithfulness  # type: ignore[operator]
    one = Evaluator(on, top_of_all()).value()
    assert clusters.together.faithfulness == pytest.approx(on.faithfulness(one.metric), abs=1e-6)


def top_of_all() -> Circuit:
    real = all_edges(pocket().graph)
    mean = np.full(real.shape, np.nan)
    mean[real] = scores().mean(axis=0)
    return top(mean)


def test_chance_does_worse_and_its_oracle_does_better_than_its_own_score() -> None:
    clusters = usual()
    assert len(clusters.control) == 5
    chance = clusters.chance("distance")
    assert chance is not None
    assert chance["least"] <= chance["mean"] <= chance["largest"]
    assert clusters.worth.distance < chance["least"]  # type: ignore[operator]
    for worth in clusters.control:
        assert worth.oracle >= worth.faithfulness  # type: ignore[operator]


def test_overlap_counts_shared_edges() -> None:
    clusters = usual()
    one, other = (set(c.circuit.edges()) for c in clusters.clusters)
    expected = len(one & other) / len(one | other)
    assert clusters.overlap[0][1] == clusters.overlap[1][0] == pytest.approx(expected)
    assert clusters.overlap[0][0] == 1
    assert expected < 1


def test_the_json_is_plain_and_a_seed_gives_the_same() -> None:
    clusters = usual()
    value = clusters.to_json()
    assert json.loads(json.dumps(value))["labels"] == clusters.labels
    assert value["clusters"][0]["edges"] == clusters.clusters[0].circuit.edges()
    assert set(value["control"]["chance"]) == {"faithfulness", "distance", "oracle"}
    assert found(normalise=True, k=2).to_json() == value


def test_one_cluster_is_all_pairs_together() -> None:
    one = found(k=1, splits=2)
    assert one.worth == one.together == one.control[0]
    assert one.clusters[0].circuit == top_of_all()
    assert found(k=1, splits=0).chance("distance") is None


def test_scores_of_another_batch_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="pairs"):
        finish(find_clusters(experiment(), scores()[:-1], top, ClusterRequest()))


def test_purity_is_the_share_of_the_most_frequent_task_of_each_cluster() -> None:
    def pure(tasks: str, *clusters: tuple[int, ...]) -> float | None:
        pairs = [SimpleNamespace(task=task.strip()) for task in tasks]
        batch = SimpleNamespace(task=SimpleNamespace(pairs=pairs))
        experiment: Any = SimpleNamespace(batch=batch, n_pairs=len(pairs))
        found: Any = SimpleNamespace(clusters=[SimpleNamespace(pairs=one) for one in clusters])
        unused: Any = None
        return PromptClusters(experiment, unused, unused, unused, found).purity

    assert pure("aabbb", (0, 1, 2), (3, 4)) == pytest.approx(4 / 5)
    assert pure("abab", (0, 1), (2, 3)) == pytest.approx(1 / 2)
    assert pure("aa", (0,), (1,)) is None, "one task"
    assert pure("a b", (0, 1), (2,)) is None, "not all are known"


def scores_by_role() -> np.ndarray:
    """[pair, role, edge]: each pair's own EAP scores at the roles that it has, by itself."""
    real, names = all_edges(pocket().graph), experiment().batch.roles.names
    rows = np.zeros((2 * N, len(names), int(real.sum())), dtype=np.float32)
    for row, pair in zip(rows, mixed().pairs, strict=True):
        alone = of_task(replace(mixed(), pairs=(pair,)))
        for role, own in zip(alone.batch.roles.names, role_estimates(alone), strict=True):
            row[names.index(role)] = own[real]
    return rows


def test_clusters_by_role_go_by_edges_at_roles() -> None:
    request = ClusterRequest("eap", edges=EDGES, k=2, splits=1, by_role=True)
    made = finish(clusters_of(experiment(), request, 0))
    alone, real = scores_by_role(), np.flatnonzero(all_edges(pocket().graph))
    names, graph = experiment().batch.roles.names, pocket().graph
    flat = alone.reshape(len(alone), -1)
    assert made.clusters.labels == partition(reduced(flat, normalise=True), 2, "k-means").tolist()
    for i, cluster in enumerate(made.clusters.clusters):
        pairs = list(cluster.pairs)
        mean = flat[pairs].mean(axis=0)
        best = set()
        for place in np.argsort(-np.abs(mean), kind="stable")[:EDGES]:
            role, edge = divmod(int(place), len(real))
            source, destination = divmod(int(real[edge]), graph.n_destinations)
            best.add(f"{graph.edge_name(source, destination)}@{names[role]}")
        kept = {part for part in best if cluster.circuit.has(part)}
        assert cluster.circuit.at and circuit_of_parts(graph, kept, names) == cluster.circuit
        # What was chosen and is not kept are dead ends: with them the metric is the same.
        circuit = circuit_of_parts(graph, best, names)
        metric = np.array(Evaluator(experiment(), circuit).value().per_pair)[pairs].mean()
        clean, corrupted = (
            np.array(run.per_pair)[pairs].mean()
            for run in (experiment().clean, experiment().corrupted)
        )
        share = (metric - corrupted) / (clean - corrupted)
        assert made.clusters.cross[i][i] == pytest.approx(share, abs=1e-4)
        told = made.to_json()["clusters"][i]
        assert set(told["edges"]) == set(cluster.circuit.parts())
    one, other = (set(c.circuit.parts()) for c in made.clusters.clusters)
    assert made.clusters.overlap[0][1] == pytest.approx(len(one & other) / len(one | other))
    assert made.to_json()["selection"]["by_role"] is True


def test_by_role_needs_an_input_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Experiment, "same_input", property(lambda _: True))
    with pytest.raises(WorkbenchError, match="choose another ablation, or whole edges"):
        next(clusters_of(experiment(), ClusterRequest("eap", by_role=True, k=2), 0))
