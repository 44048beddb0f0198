"""EAP-IG's files: byte for byte through us, and written so that their loader takes them."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.support import paths
from tests.support.circuits import deviant_eap_ig_files, eap_ig_edges, eap_ig_files
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.edge_arrays import eap_ig_order, edge_names
from workbench.circuits.graph import Graph
from workbench.formats import (
    circuit_json,
    convert_circuit,
    eap_ig,
    load_circuit,
    losses,
    save_circuit,
)

pytestmark = pytest.mark.dependencies

# Written by EAP-IG 2.0.0 itself: random scores, the best edges, dead ends pruned by its own code.
THEIRS = paths.GOLDEN / "formats"
GOLDEN = [THEIRS / "eap_ig.json", THEIRS / "eap_ig_parallel.json"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_file_of_theirs_is_unchanged(path: Path, tmp_path: Path) -> None:
    ours, direct, indirect = (tmp_path / name for name in ("ours", "direct", "indirect"))
    convert_circuit(path, direct, "eap-ig")
    convert_circuit(path, ours, "circuit")
    convert_circuit(ours, indirect, "eap-ig")
    assert direct.read_bytes() == path.read_bytes()
    assert indirect.read_bytes() == path.read_bytes()


def through(text: str) -> tuple[str, str]:
    """The text read and written again: directly, and by way of a file of our own."""
    circuit = eap_ig.from_json(json.loads(text))
    ours = circuit_json.from_json(json.loads(circuit_json.to_text(circuit)))
    return eap_ig.to_text(circuit), eap_ig.to_text(ours)


@given(text=eap_ig_files())
@settings(max_examples=60, deadline=None)
def test_any_file_of_theirs_is_unchanged(text: str) -> None:
    assert through(text) == (text, text)


@given(text=deviant_eap_ig_files())
@settings(max_examples=150, deadline=None)
def test_a_file_that_deviates_is_unchanged(text: str) -> None:
    assert through(text) == (text, text)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_is_read(path: Path) -> None:
    value = json.loads(path.read_text())
    circuit = load_circuit(path)
    assert circuit.graph == Graph(2, 2, "parallel" in path.stem)
    assert circuit.is_closed and not circuit.open
    in_graph = {name for name, edge in value["edges"].items() if edge["in_graph"]}
    assert set(circuit.edges()) == in_graph and in_graph
    assert circuit.scores is not None
    for name, edge in value["edges"].items():
        assert circuit.scores[circuit.graph.parse_edge(name)] == edge["score"]
    assert circuit.provenance["eap_ig"]["cfg"]["d_model"] == 8


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_node_flags_are_derived_as_theirs_are(path: Path, tmp_path: Path) -> None:
    """A circuit of ours with the same edges and scores gives the very file that EAP-IG wrote."""
    circuit = load_circuit(path)
    circuit.provenance = {"model": {"name": "tiny", "d_model": 8}}
    save_circuit(circuit, tmp_path / "out.json", "eap-ig")
    assert (tmp_path / "out.json").read_bytes() == path.read_bytes()


def test_a_circuit_of_ours_has_no_scores_there(tmp_path: Path) -> None:
    circuit = Circuit.from_edges(Graph(1, 1), ["input->m0", "a0.h0->logits", "m0->logits"])
    save_circuit(circuit, tmp_path / "out.json", "eap-ig")
    value = json.loads((tmp_path / "out.json").read_text())
    assert value["cfg"] == {"n_layers": 1, "n_heads": 1, "parallel_attn_mlp": False, "d_model": 0}
    # The head writes, but nothing feeds it.
    assert {name: node["in_graph"] for name, node in value["nodes"].items()} == {
        "input": True,
        "a0.h0": False,
        "m0": True,
        "logits": True,
    }
    assert list(value["edges"]) == list(circuit.graph.edges())
    assert {edge["score"] for edge in value["edges"].values()} == {0.0}
    assert load_circuit(tmp_path / "out.json") == circuit


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_edit_changes_its_edge_and_the_node_flags_only(path: Path, tmp_path: Path) -> None:
    original = json.loads(path.read_text())
    circuit = load_circuit(path)
    dropped = circuit.edges()[-1]
    circuit.mask[circuit.graph.parse_edge(dropped)] = False
    save_circuit(circuit, tmp_path / "out.json", "eap-ig")
    edited = json.loads((tmp_path / "out.json").read_text())
    original["edges"][dropped]["in_graph"] = False
    assert edited["edges"] == original["edges"] and edited["cfg"] == original["cfg"]
    writers = {name.partition("->")[0] for name in circuit.edges()}
    for name, node in edited["nodes"].items():
        assert name in writers or name == "logits" or not node["in_graph"]


def test_flags_of_the_file_stand_until_an_edge_changes(tmp_path: Path) -> None:
    value = json.loads(GOLDEN[0].read_text())
    value["nodes"]["m1"]["in_graph"] = not value["nodes"]["m1"]["in_graph"]
    value["nodes"]["m1"]["score"] = 0.25
    (tmp_path / "in.json").write_text(json.dumps(value))
    circuit = load_circuit(tmp_path / "in.json")
    flags = []
    for _ in range(3):
        save_circuit(circuit, tmp_path / "out.json", "eap-ig")
        node = json.loads((tmp_path / "out.json").read_text())["nodes"]["m1"]
        assert node["score"] == 0.25
        flags.append(node["in_graph"])
        circuit.mask[0, 0] = not circuit.mask[0, 0]
    stated = value["nodes"]["m1"]["in_graph"]
    assert flags == [stated, not stated, stated]


def test_an_edit_to_a_file_that_lists_some_edges_adds_its_edge_at_the_end(tmp_path: Path) -> None:
    value = json.loads(GOLDEN[0].read_text())
    value["edges"] = {"m0->logits": {"score": 0.1, "in_graph": True, "note": "x"}}
    (tmp_path / "in.json").write_text(json.dumps(value))
    circuit = load_circuit(tmp_path / "in.json")
    circuit.mask[circuit.graph.parse_edge("m0->logits")] = False
    circuit.mask[circuit.graph.parse_edge("input->m0")] = True
    save_circuit(circuit, tmp_path / "out.json", "eap-ig")
    edges = json.loads((tmp_path / "out.json").read_text())["edges"]
    assert list(edges) == ["m0->logits", "input->m0"]
    # The double of the file and not its float32: the score is unchanged.
    assert edges["m0->logits"] == {"score": 0.1, "in_graph": False, "note": "x"}
    assert edges["input->m0"] == {"score": 0.0, "in_graph": True}


def test_changed_scores_are_written(tmp_path: Path) -> None:
    value = json.loads(GOLDEN[0].read_text())
    value["edges"]["m0->logits"] = {"score": 0.1, "in_graph": False, "note": "x"}
    (tmp_path / "in.json").write_text(json.dumps(value))
    circuit = load_circuit(tmp_path / "in.json")
    assert circuit.scores is not None
    circuit.scores[circuit.graph.parse_edge("m0->logits")] = 2.5
    circuit.scores[circuit.graph.parse_edge("m1->logits")] = np.nan
    save_circuit(circuit, tmp_path / "out.json", "eap-ig")
    edges = json.loads((tmp_path / "out.json").read_text())["edges"]
    assert edges["m0->logits"] == {"score": 2.5, "in_graph": False, "note": "x"}
    assert edges["m1->logits"]["score"] == 0.0


def test_numbers_that_json_lacks_are_read(tmp_path: Path) -> None:
    value = json.loads(GOLDEN[0].read_text())
    value["edges"]["input->m0"]["score"] = math.nan
    value["edges"]["m0->m1"]["score"] = -math.inf
    (tmp_path / "in.json").write_text(json.dumps(value))
    circuit = load_circuit(tmp_path / "in.json")
    assert circuit.scores is not None
    assert np.isnan(circuit.scores[circuit.graph.parse_edge("input->m0")])
    assert circuit.scores[circuit.graph.parse_edge("m0->m1")] == -np.inf


def test_what_the_format_cannot_hold_is_said() -> None:
    circuit = Circuit.start(Graph(2, 2))
    assert losses(circuit, "circuit") == ()
    [sentence] = losses(circuit, "eap-ig")
    assert "1 of this circuit" in sentence and "open" in sentence
    closed = Circuit.empty(Graph(2, 2))
    assert losses(closed, "eap-ig") == ()
    closed.groups = (RoleGroup("movers", nodes=("m0",)),)
    assert "groups" in losses(closed, "eap-ig")[0]


@pytest.mark.parametrize("shape", [(1, 1, False), (3, 2, False), (3, 2, True), (12, 12, False)])
def test_the_order_of_edges_is_theirs(shape: tuple[int, int, bool]) -> None:
    graph = Graph(*shape)
    expected = eap_ig_edges(*shape)
    assert edge_names(graph, *eap_ig_order(graph)) == expected == list(graph.edges())


def test_a_file_of_gpt2s_size_is_read_and_written_at_once(tmp_path: Path) -> None:
    graph = Graph(12, 12)
    rng = np.random.default_rng(0)
    scores = rng.standard_normal(graph.n_edges).astype(np.float32).tolist()
    value: dict[str, Any] = {
        "cfg": {"n_layers": 12, "n_heads": 12, "parallel_attn_mlp": False, "d_model": 768},
        "nodes": {node: {"in_graph": True} for node in graph.nodes},
        "edges": {
            name: {"score": score, "in_graph": score > 3}
            for name, score in zip(eap_ig_edges(12, 12, False), scores, strict=True)
        },
    }
    assert len(value["edges"]) == 32_491
    text = json.dumps(value)
    (tmp_path / "in.json").write_text(text)
    started = time.process_time()
    circuit = load_circuit(tmp_path / "in.json", graph)
    loaded = time.process_time()
    save_circuit(circuit, tmp_path / "out.json", "eap-ig")
    assert time.process_time() - loaded < 1 and loaded - started < 1
    assert (tmp_path / "out.json").read_text() == text
    # What we know of such a file besides its edges is little.
    assert circuit.provenance["eap_ig"].keys() == {"cfg", "nodes", "kept"}


@pytest.mark.parametrize("keys", [["in_graph", "score"], ["in_graph"]])
def test_what_all_entries_have_in_common_is_kept_once(keys: list[str]) -> None:
    value = json.loads(GOLDEN[0].read_text())
    for name, entry in value["edges"].items():
        value["edges"][name] = {key: entry[key] for key in keys}
    circuit = eap_ig.from_json(value)
    assert circuit.provenance["eap_ig"]["edge_keys"] == keys
    assert "entries" not in circuit.provenance["eap_ig"]
    assert (circuit.scores is None) == ("score" not in keys)
    assert eap_ig.to_text(circuit) == json.dumps(value)


def test_a_node_with_an_open_input_counts_as_fed() -> None:
    circuit = Circuit.from_edges(Graph(1, 2), ["a0.h0->logits", "a0.h1->logits"])
    circuit.open = frozenset({"a0.h1<k>"})
    nodes = json.loads(eap_ig.to_text(circuit))["nodes"]
    assert not nodes["a0.h0"]["in_graph"] and nodes["a0.h1"]["in_graph"]
