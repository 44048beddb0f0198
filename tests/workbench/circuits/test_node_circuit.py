"""From scores of nodes to circuits, and which nodes the methods find in the model `known`."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from workbench import load_model, load_task
from workbench.base.progress import silent
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.node_circuit import best_nodes, node_circuit
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.settings import ExperimentSettings
from workbench.session.open import open_engine

GRAPH = Graph(2, 2)  # input a0.h0 a0.h1 m0 a1.h0 a1.h1 m1
TRUE_NODES = {edge.partition("->")[0] for edge in TRUE_EDGES} - {"input"}
SCORES = np.array([9.0, -3.0, 2.0, np.nan, -1.0, 2.0, 0.5], dtype=np.float32)


def test_the_best_by_magnitude_or_by_sign() -> None:
    assert best_nodes(GRAPH, SCORES, 3) == ("a0.h0", "a0.h1", "a1.h1")
    assert best_nodes(GRAPH, SCORES, 2, needed=1) == ("a0.h1", "a1.h1")
    assert best_nodes(GRAPH, SCORES, 3, needed=-1) == ("a0.h0", "a1.h0", "m1")
    everything = best_nodes(GRAPH, SCORES, 100)
    assert len(everything) == 5 and "m0" not in everything and "input" not in everything
    with pytest.raises(WorkbenchError, match="at least one node, not 0"):
        best_nodes(GRAPH, SCORES, 0)


def test_every_edge_among_the_nodes_without_dead_ends() -> None:
    circuit = node_circuit(GRAPH, ["a0.h1", "m1"])
    edges = {
        *(f"input->{d}" for d in ("a0.h1<q>", "a0.h1<k>", "a0.h1<v>", "m1", "logits")),
        *("a0.h1->m1", "a0.h1->logits", "m1->logits"),
    }
    assert set(circuit.edges()) == edges and circuit.is_closed
    assert node_circuit(GRAPH, []).edges() == ["input->logits"]
    every = node_circuit(GRAPH, GRAPH.sources)
    assert every == Circuit.full(GRAPH)
    with pytest.raises(WorkbenchError, match=r"a7\.h0"):
        node_circuit(GRAPH, ["a7.h0"])


def test_a_parallel_block_has_no_edge_from_its_heads_to_its_mlp() -> None:
    graph = Graph(2, 2, parallel=True)
    edges = node_circuit(graph, ["a1.h0", "m1"]).edges()
    assert "a1.h0->m1" not in edges and "a1.h0->logits" in edges and "m1->logits" in edges


@cache
def known() -> Experiment:
    model = load_model("known", device="cpu", dtype="float32")
    task = load_task("induction", model, pairs=24)
    return open_engine(
        model, task, ExperimentSettings("known", task.name), silent
    ).engine.experiment


def found(method: str) -> Findings:
    experiment = known()
    findings = Findings.of(experiment.graph, method, experiment.metric_name)
    finish(find_method(method).load()(experiment, findings, Options()))
    return findings


def split(findings: Findings, true: set[str]) -> tuple[float, float]:
    """The least magnitude of the true nodes and the largest of the others; the input apart."""
    assert findings.nodes is not None
    scores = dict(zip(findings.graph.sources, np.abs(findings.nodes), strict=True))
    others = set(scores) - true - {"input"}
    return min(scores[node] for node in true), max(scores[node] for node in others)


@pytest.mark.parametrize("method", ["activation-patching", "atp"])
def test_the_true_nodes_of_known_come_out_on_top(method: str) -> None:
    findings = found(method)
    least, most = split(findings, TRUE_NODES)
    assert least > 50 * most
    assert findings.nodes is not None
    best = best_nodes(findings.graph, findings.nodes, len(TRUE_NODES), needed=findings.needed)
    assert set(best) == TRUE_NODES
    circuit = node_circuit(findings.graph, best)
    assert all(circuit.has(edge) for edge in TRUE_EDGES)


def test_dropping_layers_hides_nodes_that_act_through_all_later_ones() -> None:
    """What the first layer of `known` writes acts through both others only, and says so."""
    findings = found("atp-star")
    later = {node for node in TRUE_NODES if not node.startswith("a0")}
    least, most = split(findings, later)
    assert least > 50 * most
    assert any("3 layers" in remark for remark in findings.remarks)
