"""Clusters in a session: found in pieces between commands, held, taken, written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.cluster_cases import mixed_session, pocket
from workbench.circuits.circuit import Circuit, all_edges
from workbench.discovery.clusters.request import ClusterRequest
from workbench.discovery.estimates import eap
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.formats import load_circuit
from workbench.prompts.batch import make_batch
from workbench.session.session import Session

N, EDGES = 4, 40
TWO = ClusterRequest("eap", edges=EDGES, k=2, normalise=True)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with mixed_session(tmp_path, N) as made:
        yield made


def by_hand(session: Session, pairs: tuple[int, ...]) -> Circuit:
    """The circuit of the largest |mean EAP score|, each pair scored in an experiment of its own."""
    task, graph = session._engine.batch.task, session.graph
    rows = []
    for pair in pairs:
        batch = make_batch(replace(task, pairs=(task.pairs[pair],)), pocket().tokenizer)
        rows.append(eap(Experiment(pocket(), batch, metric="logit_diff")))
    mean = np.abs(np.mean(rows, axis=0)) * all_edges(graph)
    circuit = Circuit.empty(graph)
    circuit.mask.reshape(-1)[np.argsort(-mean.reshape(-1), kind="stable")[:EDGES]] = True
    return circuit.pruned()


def test_the_clusters_are_the_tasks_and_are_held(session: Session) -> None:
    before, status = session.circuit, session.status()
    fractions: list[float] = []
    made = session.clusterer.run(TWO, on_piece=fractions.append)
    assert session.clusterer.held is made and made.request == TWO
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1)
    assert made.clusters.labels == [0] * N + [1] * N
    for cluster in made.clusters.clusters:
        assert set(cluster.circuit.edges()) == set(by_hand(session, cluster.pairs).edges())
    assert session.circuit == before and session.status() == status, "nothing is changed by it"


def test_what_chance_reaches_is_counted(session: Session) -> None:
    made = session.clusterer.run(TWO)
    own = made.clusters.worth
    splits = made.clusters.control
    distances = [w.distance for w in splits if w.distance is not None]
    assert own.distance is not None and len(distances) == len(splits)
    assert made.as_near_by_chance() == sum(distance <= own.distance for distance in distances)
    worse = replace(made.clusters, worth=splits[0])
    least = sorted(distances)
    made = replace(made, result=replace(made.result, clusters=worse))
    assert made.as_near_by_chance() == 1 + least.index(distances[0])
    undefined = replace(made.clusters, worth=replace(own, distance=None))
    made = replace(made, result=replace(made.result, clusters=undefined))
    assert made.as_near_by_chance() is None


def test_a_clusters_circuit_is_taken_undone_and_written(session: Session, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="find some first"):
        session.clusterer.take(1)
    made = session.clusterer.run(TWO)
    status = session.clusterer.take(2)
    circuit = made.clusters.clusters[1].circuit
    assert set(session.circuit.edges()) == set(circuit.edges()) and status.closed
    assert "cluster 2 of 2" in session.commands()[-1]
    assert "is this one" in session.clusterer.take(2).message
    session.undo()
    assert session.circuit.n_edges == 0
    path = tmp_path / "one.json"
    session.clusterer.export(1, path)
    read = load_circuit(path, session.graph)
    assert read.edges() == made.clusters.clusters[0].circuit.edges()
    assert read.provenance["cluster"]["pairs"] == list(range(N)) and path in session.exported
    with pytest.raises(WorkbenchError, match="counted 1 to 2"):
        session.clusterer.export(3, path)


def test_a_command_is_carried_out_between_two_pieces_and_cancelling_keeps_what_was_held(
    session: Session,
) -> None:
    held = session.clusterer.run(TWO)
    stop = threading.Event()
    done: list[int] = []

    def piece(fraction: float) -> None:
        done.append(session.toggle("m3->logits").edges)
        if len(done) == 3:
            stop.set()

    with pytest.raises(Cancelled):
        session.clusterer.run(replace(TWO, k=3), cancel=stop, on_piece=piece)
    assert len(done) == 3 and done[0] == done[2] != done[1]
    assert session.clusterer.held is held


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (replace(TWO, method="acdc"), "acdc does not score the edges"),
        (replace(TWO, method="exact"), "exact does not score the edges of single"),
        (replace(TWO, edges=0), "1 or more"),
        (replace(TWO, k=99), "do not make 99 clusters"),
        (replace(TWO, k=0), "1 or more, not 0"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_at_once(
    session: Session, request_: ClusterRequest, sentence: str
) -> None:
    pieces: list[float] = []
    with pytest.raises(WorkbenchError, match=sentence):
        session.clusterer.run(request_, on_piece=pieces.append)
    assert not pieces and session.clusterer.held is None


def test_too_few_pairs_and_methods_by_ablation(tmp_path: Path) -> None:
    few = pytest.raises(WorkbenchError, match="too few to be clustered")
    with mixed_session(tmp_path, 1) as small, few:
        small.clusterer.run(ClusterRequest("eap"))
    other = tmp_path / "other"
    other.mkdir()
    with mixed_session(other, 2, ablation="zero") as session:
        names = [method.name for method in session.clusterer.methods()]
        assert "eap" in names and "eap-ig" not in names and "acdc" not in names
        with pytest.raises(WorkbenchError, match="patching alone"):
            session.clusterer.run(ClusterRequest("eap-ig", edges=EDGES))
        assert session.clusterer.run(ClusterRequest("eap", edges=EDGES, k=2)).clusters
