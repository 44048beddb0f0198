"""EAP-IG's .pt: read, written tensor by tensor as it was, refused in a sentence."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import convert_circuit, load_circuit, save_circuit

GRAPH = Graph(2, 3)
WIDTH = 8
NAMES = ("edges_scores", "edges_in_graph", "nodes_in_graph")
OPTIONAL = ("nodes_scores", "neurons_in_graph", "neurons_scores")


def theirs(*optional: str, parallel: bool = False, seed: int = 0) -> dict[str, Any]:
    """What `Graph.to_pt` saves, built from its description and not from our writer."""
    torch.manual_seed(seed)
    n, columns = 1 + 2 * 4, 2 * (3 * 3 + 1) + 1
    sources = ["input"]
    destinations = []
    for layer in range(2):
        sources += [f"a{layer}.h{head}" for head in range(3)] + [f"m{layer}"]
        for letter in "qkv":
            destinations += [f"a{layer}.h{head}<{letter}>" for head in range(3)]
        destinations.append(f"m{layer}")
    whole = {
        "cfg": {"n_layers": 2, "n_heads": 3, "parallel_attn_mlp": parallel, "d_model": WIDTH},
        "src_nodes": sources,
        "dst_nodes": [*destinations, "logits"],
        "edges_scores": torch.randn(n, columns),
        "edges_in_graph": torch.rand(n, columns) > 0.5,
        "nodes_in_graph": torch.rand(n) > 0.5,
        "nodes_scores": torch.randn(n),
        "neurons_in_graph": torch.rand(n, WIDTH) > 0.5,
        "neurons_scores": torch.randn(n, WIDTH),
    }
    return {
        name: value for name, value in whole.items() if name not in OPTIONAL or name in optional
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if list(one) != list(other):
        return False
    return all(
        torch.equal(torch.nan_to_num(a.float(), 7e7), torch.nan_to_num(b.float(), 7e7))
        and a.dtype == b.dtype
        if isinstance(a, torch.Tensor)
        else a == b
        for a, b in zip(one.values(), other.values(), strict=True)
    )


@pytest.mark.parametrize("optional", [(), OPTIONAL[:1], OPTIONAL])
@pytest.mark.parametrize("parallel", [False, True])
def test_a_file_of_theirs_comes_back(
    tmp_path: Path, optional: tuple[str, ...], parallel: bool
) -> None:
    held = theirs(*optional, parallel=parallel)
    held["edges_scores"][3, 5] = held["edges_scores"][0, 0] = float("nan")
    torch.save(held, tmp_path / "theirs.pt")
    circuit = load_circuit(tmp_path / "theirs.pt", Graph(2, 3, parallel))
    real = all_edges(circuit.graph)
    assert np.array_equal(circuit.mask, held["edges_in_graph"].numpy() & real)
    row, column = circuit.graph.parse_edge("a0.h1->a1.h2<v>")
    assert circuit.scores is not None
    assert circuit.scores[row, column] == held["edges_scores"][2, 10 + 6 + 2]
    for middle in (None, "circuit"):
        kept = circuit
        if middle is not None:
            save_circuit(circuit, tmp_path / "ours.json", middle)
            kept = load_circuit(tmp_path / "ours.json")
        save_circuit(kept, tmp_path / "again.pt", "eap-ig-pt")
        assert same(torch.load(tmp_path / "again.pt", weights_only=True), held)


def test_their_json_and_their_pt_become_each_other(tmp_path: Path) -> None:
    held = theirs("nodes_scores")
    real = torch.from_numpy(all_edges(GRAPH))
    held["edges_scores"][~real] = 0
    held["edges_in_graph"] &= real
    torch.save(held, tmp_path / "a.pt")
    convert_circuit(tmp_path / "a.pt", tmp_path / "b.json", "eap-ig")
    convert_circuit(tmp_path / "b.json", tmp_path / "c.pt")
    assert same(torch.load(tmp_path / "c.pt", weights_only=True), held)


def test_a_circuit_of_ours(tmp_path: Path) -> None:
    circuit = Circuit.from_edges(GRAPH, ["input->a0.h1<v>", "a0.h1->m1", "m1->logits"])
    save_circuit(circuit, tmp_path / "c.pt", "eap-ig-pt")
    held = torch.load(tmp_path / "c.pt", weights_only=True)
    assert list(held) == ["cfg", "src_nodes", "dst_nodes", *NAMES]
    assert held["edges_in_graph"].sum() == 3 and not held["edges_scores"].any()
    nodes = [n for n, on in zip(held["src_nodes"], held["nodes_in_graph"], strict=True) if on]
    assert load_circuit(tmp_path / "c.pt") == circuit and set(nodes) >= {"input", "a0.h1", "m1"}


def changed(name: str, value: Any) -> dict[str, Any]:
    return theirs() | {name: value}


BAD = {
    "without scores": ({k: v for k, v in theirs().items() if k != "edges_scores"}, "edges_scores"),
    "another shape": (changed("edges_scores", torch.zeros(3, 3)), "edges_scores"),
    "no tensor": (changed("edges_in_graph", [[True]]), "edges_in_graph"),
    "another order": (changed("src_nodes", ["m0"]), "src_nodes"),
    "huge": (changed("cfg", {"n_layers": 10**9, "n_heads": 10**9, "d_model": 1}), "more edges"),
    "no cfg": (changed("cfg", 3), "cfg"),
    "a view of one number": (
        changed("edges_scores", torch.zeros(1).expand(10**5, 10**5)),
        "not stored in full",
    ),
    "weights": ({"model.layers.0.weight": torch.zeros(2)}, "weights of a model"),
    "features": ({"adjacency_matrix": 1, "active_features": 2}, "circuit-tracer"),
    "a list": ([1, 2], "no circuit"),
    "a module": (torch.nn.Linear(2, 2), "would make or call torch.nn"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    value, said = BAD[case]
    torch.save(value, tmp_path / "c.pt")
    with pytest.raises(WorkbenchError) as caught:
        load_circuit(tmp_path / "c.pt")
    sentence = str(caught.value)
    assert said in sentence and "\n" not in sentence and len(sentence) < 400


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_torn_file(tmp_path: Path, part: float) -> None:
    torch.save(theirs(), tmp_path / "c.pt")
    data = (tmp_path / "c.pt").read_bytes()
    (tmp_path / "c.pt").write_bytes(data[: int(part * len(data))])
    with pytest.raises(WorkbenchError, match="damaged"):
        load_circuit(tmp_path / "c.pt")


def test_entries_that_were_packed_are_refused(tmp_path: Path) -> None:
    torch.save(theirs(), tmp_path / "c.pt")
    with (
        zipfile.ZipFile(tmp_path / "c.pt") as stored,
        zipfile.ZipFile(tmp_path / "d.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in stored.namelist():
            packed.writestr(entry, stored.read(entry))
    with pytest.raises(WorkbenchError, match="packed"):
        load_circuit(tmp_path / "d.pt")


def test_a_storage_that_claims_more_than_is_there(tmp_path: Path) -> None:
    held = theirs()
    torch.save(held, tmp_path / "c.pt")
    with (
        zipfile.ZipFile(tmp_path / "c.pt") as stored,
        zipfile.ZipFile(tmp_path / "d.pt", "w", zipfile.ZIP_STORED) as cut,
    ):
        for entry in stored.namelist():
            data = stored.read(entry)
            cut.writestr(entry, data[:4] if "/data/" in entry else data)
    with pytest.raises(WorkbenchError, match="not stored in full"):
        load_circuit(tmp_path / "d.pt")


def test_torch_is_imported_only_to_read_one(tmp_path: Path) -> None:
    save_circuit(Circuit.full(GRAPH), tmp_path / "c.json")
    code = (
        "import sys; from workbench.formats import load_circuit; from workbench.errors import *\n"
        f"load_circuit({str(tmp_path / 'c.json')!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
