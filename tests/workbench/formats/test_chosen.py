"""A file with scores and no choice: a selection from its scores, or a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import load_circuit, save_circuit
from workbench.formats.chosen import FileSelection, asked_for, load_chosen

SCORES = {
    "input->a0.h0<q>": 0.1, "input->a0.h0<k>": 0.2, "input->a0.h0<v>": 0.3,
    "input->m0": -0.4, "a0.h0->m0": 0.5,
    "input->logits": 0.6, "a0.h0->logits": 0.7, "m0->logits": 0.8,
}  # fmt: skip


def importances(nodes: dict[str, Any] | None = None, edges: dict[str, float] = SCORES) -> str:
    """As MIB's runs write them: scores, and every flag but the logits' false."""
    flags = {name: {"in_graph": name == "logits"} for name in ("input", "a0.h0", "m0", "logits")}
    for name, entry in (nodes or {}).items():
        flags[name] |= entry
    return json.dumps(
        {
            "cfg": {"n_layers": 1, "n_heads": 1, "parallel_attn_mlp": False, "d_model": 8},
            "nodes": flags,
            "edges": {name: {"score": s, "in_graph": False} for name, s in edges.items()},
        }
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "importances.json").write_text(importances())
    return tmp_path / "importances.json"


def test_it_is_never_empty_without_a_word(path: Path) -> None:
    with pytest.raises(
        WorkbenchError, match=r"has scores and chooses no edge.*--edges N"
    ) as caught:
        load_chosen(path)
    assert "--nodes" not in str(caught.value) and "greedy" in str(caught.value)
    assert load_circuit(path).n_edges == 0, "what the file says, for scripts and conversion"


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (FileSelection(edges=3), {"input->logits"}),
        (FileSelection(edges=5), {"input->logits", "input->m0", "m0->logits"}),
        (FileSelection(edges=3, select="greedy"), {"input->logits"}),
        (FileSelection(edges=8), set(SCORES)),
        (FileSelection(edges=7, signed=True), set(SCORES) - {"input->m0"}),
    ],
)
def test_the_best_by_the_files_own_scores(
    path: Path, selection: FileSelection, kept: set[str]
) -> None:
    said: list[str] = []
    circuit = load_chosen(path, Graph(1, 1), selection, said.append)
    assert set(circuit.edges()) == kept
    assert f"{selection.edges} edges asked for" in said[0] and f"{len(kept)} kept" in said[0]
    assert circuit.provenance["selection"]["kept"] == len(kept)


def test_it_can_be_written_and_is_then_chosen(path: Path, tmp_path: Path) -> None:
    circuit = load_chosen(path, None, FileSelection(edges=8))
    for name, form in (("a.json", "circuit"), ("b.json", "eap-ig"), ("c.pt", "eap-ig-pt")):
        save_circuit(circuit, tmp_path / name, form)
        again = load_chosen(tmp_path / name)
        assert again == circuit and again.scores is not None
        assert np.nanmax(again.scores) == np.float32(0.8)


NODES = {
    "a0.h0": {"score": 0.1},
    "m0": {"score": -0.9},
    "input": {"score": 0.5},
}


def test_scores_of_nodes(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(importances(NODES, dict.fromkeys(SCORES, 0.0)))
    with pytest.raises(WorkbenchError, match=r"--nodes N") as caught:
        load_chosen(path)
    assert "--edges" not in str(caught.value)
    circuit = load_chosen(path, None, FileSelection(nodes=1))
    assert set(circuit.edges()) == {"input->m0", "input->logits", "m0->logits"}
    circuit = load_chosen(path, None, FileSelection(nodes=1, signed=True))
    assert "a0.h0" in circuit.nodes() and "m0" not in circuit.nodes()
    with pytest.raises(WorkbenchError, match=r"no scores of edges.*give --nodes"):
        load_chosen(path, None, FileSelection(edges=2))


def test_marked_nodes_mean_all_edges_among_them(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(importances({"m0": {"in_graph": True}, "input": {"in_graph": True}}))
    circuit = load_chosen(path)
    assert set(circuit.edges()) == {"input->m0", "input->logits", "m0->logits"}


def test_nothing_to_select_by(tmp_path: Path) -> None:
    save_circuit(Circuit.full(Graph(1, 1)), tmp_path / "c.json")
    assert load_chosen(tmp_path / "c.json").n_edges == 8
    with pytest.raises(WorkbenchError, match="no scores of edges to select by"):
        load_chosen(tmp_path / "c.json", None, FileSelection(edges=2))
    with pytest.raises(WorkbenchError, match="no scores of nodes"):
        load_chosen(tmp_path / "c.json", None, FileSelection(nodes=2))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "--edges N"),
        ({"edges": 1, "nodes": 1}, "--edges N"),
        ({"edges": 0}, "1 or more"),
        ({"nodes": 3, "select": "greedy"}, "not selected greedily"),
    ],
)
def test_what_cannot_be_selected(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        FileSelection(**asked)


def test_a_path_with_a_selection_behind_it() -> None:
    assert asked_for(" my file.json ") == (Path("my file.json"), None)
    path, selection = asked_for("my file.json --edges 200 --select greedy --signed")
    assert path == Path("my file.json")
    assert selection == FileSelection(edges=200, select="greedy", signed=True)
    assert asked_for("a --nodes 3")[1] == FileSelection(nodes=3)
    assert asked_for("a --edge 3") == (Path("a --edge 3"), None)
    with pytest.raises(WorkbenchError, match="top or greedy"):
        asked_for("a --edges 3 --select best")
