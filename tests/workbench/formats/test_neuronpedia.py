"""Neuronpedia's graph JSON: what its published schema asks for, and what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import convert_circuit, load_circuit, losses, save_circuit

# The schema's required keys with the types it names; `feature` and the like may be null there.
METADATA: dict[str, Any] = {"slug": str, "scan": str, "prompt_tokens": list, "prompt": str}
NODE: dict[str, Any] = {
    "node_id": str, "feature": (int, type(None)), "layer": (str, int), "ctx_idx": int,
    "feature_type": str, "jsNodeId": str, "clerp": str,
}  # fmt: skip
LINK: dict[str, Any] = {"source": str, "target": str, "weight": (int, float)}


@pytest.fixture
def circuit() -> Circuit:
    edges = ["input->a0.h1<q>", "input->a0.h1<v>", "a0.h1->m1", "m1->logits"]
    made = Circuit.from_edges(Graph(2, 2), edges)
    made.scores = np.full(made.mask.shape, np.nan, dtype=np.float32)
    for edge, score in zip(edges, (0.5, 0.25, -1.5), strict=False):
        made.scores[made.graph.parse_edge(edge)] = score
    made.groups = (RoleGroup("movers", "move it", ("a0.h1",)),)
    made.notes = {"a0.h1": "copies", "": "of the test"}
    made.provenance = {"model": {"name": "gpt2"}, "task": {"name": "ioi"}}
    return made


def test_it_has_what_the_schema_asks_for(circuit: Circuit, tmp_path: Path) -> None:
    save_circuit(circuit, tmp_path / "g.json", "neuronpedia")
    graph = json.loads((tmp_path / "g.json").read_text())
    assert list(graph) == ["metadata", "qParams", "nodes", "links"]
    for held, asked in ((graph["metadata"], METADATA), *((n, NODE) for n in graph["nodes"])):
        assert all(isinstance(held[name], kind) for name, kind in asked.items())
    # `node_threshold` is a number in the schema, and may be missing but not null.
    assert "node_threshold" not in graph["metadata"] and graph["metadata"]["scan"] == "gpt2"
    ids = [node["node_id"] for node in graph["nodes"]]
    assert len(set(ids)) == len(ids) == 4
    for link in graph["links"]:
        assert all(isinstance(link[name], kind) for name, kind in LINK.items())
        assert link["source"] in ids and link["target"] in ids
    assert graph["qParams"]["supernodes"] == [["movers", "0_1_0"]]
    assert set(graph["qParams"]["pinnedIds"]) == set(ids)


def test_what_is_in_it(circuit: Circuit, tmp_path: Path) -> None:
    save_circuit(circuit, tmp_path / "g.json", "neuronpedia")
    graph = json.loads((tmp_path / "g.json").read_text())
    kinds = {node["node_id"]: (node["feature_type"], node["clerp"]) for node in graph["nodes"]}
    assert kinds == {
        "E_0_0": ("embedding", "input"),
        "0_1_0": ("cross layer transcoder", "a0.h1: copies"),
        "1_2_0": ("cross layer transcoder", "m1"),
        "3_0_0": ("logit", "logits"),
    }
    # Cantor's pairing of layer 1 and number 2: (1 + 2)(1 + 2 + 1) / 2 + 2.
    assert next(n["feature"] for n in graph["nodes"] if n["clerp"] == "m1") == 8
    weights = {(link["source"], link["target"]): link["weight"] for link in graph["links"]}
    assert weights == {("E_0_0", "0_1_0"): 0.75, ("0_1_0", "1_2_0"): -1.5, ("1_2_0", "3_0_0"): 1.0}
    assert any("transcoders" in sentence for sentence in losses(circuit, "neuronpedia"))


def test_it_is_named_and_not_read(circuit: Circuit, tmp_path: Path) -> None:
    save_circuit(circuit, tmp_path / "c.json")
    convert_circuit(tmp_path / "c.json", tmp_path / "g.json", "neuronpedia")
    with pytest.raises(WorkbenchError, match=r"attribution graph.*Neuronpedia"):
        load_circuit(tmp_path / "g.json")
