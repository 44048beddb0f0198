"""Lists of edges, heads and nodes as people and other tools write them."""

from __future__ import annotations

import json
import pickle
import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.node_circuit import node_circuit
from workbench.errors import WorkbenchError
from workbench.formats import NeedsGraph, convert_circuit, load_circuit, save_circuit
from workbench.formats.chosen import FileSelection, load_chosen, node_scores

GRAPH = Graph(2, 2)
EDGES = ["input->a0.h1<v>", "a0.h1->m1", "m1->logits"]
CIRCUIT = Circuit.from_edges(GRAPH, EDGES)
HEADS = node_circuit(GRAPH, ["a0.h1", "m1"])

# What stands in a JSON file, all of them the same three edges.
LISTS = {
    "names": EDGES,
    "pairs": [edge.split("->") for edge in EDGES],
    "pairs with scores": [[*edge.split("->"), 0.5] for edge in EDGES],
    "names with scores": [[edge, 0.5] for edge in EDGES],
    "scores by name": dict.fromkeys(EDGES, 0.5),
    "objects": [dict(zip(("source", "target"), e.split("->"), strict=True)) for e in EDGES],
    "objects of others": [dict(zip(("from", "to"), e.split("->"), strict=True)) for e in EDGES],
    "objects by name": [{"edge": edge, "score": 1} for edge in EDGES],
    "within an object": {"edges": EDGES, "task": "ioi"},
    "edge-pruning": [
        ["tok_embeds", "a0.h1.v"],
        ["pos_embeds", "a0.h1.v"],
        ["a0.h1", "m1"],
        ["m1", "resid_post"],
    ],
    "auto-circuit": [["Resid Start", "A0.1.V"], ["A0.1", "MLP 1"], ["MLP 1", "Resid End"]],
    "drawn by edge-pruning": [
        ["Embeddings", "Head 0.1.V"],
        ["Head 0.1.V", "Head 0.1.O"],
        ["Head 0.1.O", "MLP 1"],
        ["MLP 1", "Output"],
    ],
    "hooks": [
        ["hook_embed", "blocks.0.hook_v_input[1]"],
        ["blocks.0.hook_v_input[1]", "blocks.0.attn.hook_result[1]"],
        ["blocks.0.attn.hook_result[1]", "blocks.1.hook_mlp_in"],
        ["blocks.1.hook_mlp_in", "blocks.1.hook_mlp_out"],
        ["blocks.1.hook_mlp_out", "blocks.1.hook_resid_post"],
    ],
}


@pytest.mark.parametrize("case", LISTS)
def test_edges_in_json(case: str, tmp_path: Path) -> None:
    (tmp_path / "edges.json").write_text(json.dumps(LISTS[case], indent=4))
    circuit = load_circuit(tmp_path / "edges.json", GRAPH)
    assert circuit == CIRCUIT and load_chosen(tmp_path / "edges.json", GRAPH) == CIRCUIT
    assert (circuit.scores is not None) == ("score" in case or "by name" in case)
    with pytest.raises(NeedsGraph, match=r"edges.json does not say .* --shape LAYERSxHEADS"):
        load_circuit(tmp_path / "edges.json")


NODES = {
    "pairs": [[0, 1]],
    "names": ["0.1"],
    "ours": ["a0.h1", "input"],
    "CircuitKIT": ["L0H1"],
    "AutoCircuit": ["A0.1"],
    "objects": [{"layer": 0, "head": 1}],
    "heads": {"heads": [[0, 1]], "model": "gpt2"},
    "nodes": {"nodes": ["a0.h1"]},
    "groups": {"movers": [[0, 1]]},
}


@pytest.mark.parametrize("case", NODES)
def test_nodes_in_json_mean_all_edges_among_them(case: str, tmp_path: Path) -> None:
    (tmp_path / "heads.json").write_text(json.dumps(NODES[case]))
    circuit = load_circuit(tmp_path / "heads.json", GRAPH)
    assert circuit == node_circuit(GRAPH, ["a0.h1"])
    if case == "groups":
        assert [(g.name, g.nodes) for g in circuit.groups] == [("movers", ("a0.h1",))]


def test_scores_of_nodes_choose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps({"A0.0": 0.1, "0.1": -0.9, "MLP 1": 0.5}))
    with pytest.raises(WorkbenchError, match="--nodes N"):
        load_chosen(path, GRAPH)
    assert load_chosen(path, GRAPH, FileSelection(nodes=2)) == HEADS


def test_a_table_of_scores_of_nodes(tmp_path: Path) -> None:
    path = tmp_path / "nodes.csv"
    path.write_text("node,score\nA0.1,0.5\nMLP 1,-0.7\na1.h0,0.1\n")
    with pytest.raises(WorkbenchError, match="--nodes N"):
        load_chosen(path, GRAPH)
    assert load_chosen(path, GRAPH, FileSelection(nodes=2)) == HEADS


def test_scores_of_all_edges_choose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    path.write_text(json.dumps({edge: i + 1 for i, edge in enumerate(GRAPH.edges())}))
    with pytest.raises(WorkbenchError, match="--edges N"):
        load_chosen(path, GRAPH)
    assert load_chosen(path, GRAPH, FileSelection(edges=GRAPH.n_edges)) == Circuit.full(GRAPH)


TABLES = {
    "ours": "source,destination,score\n" + "".join(f"{e.replace('->', ',')},0.5\n" for e in EDGES),
    "no heading": "\n".join(e.replace("->", ",") for e in EDGES),
    "Excel": "\ufeffsource;target;weight\r\n"
    + "".join(f"{e.replace('->', ';')};1\r\n" for e in EDGES),
    "tabs": "\n".join(e.replace("->", "\t") for e in EDGES),
    "names": "edge\n" + "\n".join(EDGES),
    "names and scores": "\n".join(f"{edge}, -2e-3" for edge in EDGES),
    "text": "# by hand\n\n" + "\n".join(e.replace("->", " -> ") for e in EDGES) + "\n",
    "text with scores": "\n".join(f"{e.replace('->', ' -> ')} 0.25" for e in EDGES),
    "blanks": "\n".join(e.replace("->", " ") for e in EDGES),
    "quoted": "\n".join(f'"{edge}","0.5"' for edge in EDGES),
}


@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize("suffix", [".csv", ".txt", ".tsv"])
def test_tables_of_edges(case: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"edges{suffix}").write_bytes(TABLES[case].encode())
    assert load_circuit(tmp_path / f"edges{suffix}", GRAPH) == CIRCUIT


@pytest.mark.parametrize(
    "text", ["0.1\nm1\n", "a0.h1\nMLP 1", "layer,head\n0,1\nm1\n", "node\nL0H1\nm1"]
)
def test_texts_of_nodes(text: str, tmp_path: Path) -> None:
    (tmp_path / "heads.txt").write_text(text)
    assert load_circuit(tmp_path / "heads.txt", GRAPH) == HEADS


def test_a_table_comes_back(tmp_path: Path) -> None:
    circuit = CIRCUIT.copy()
    circuit.scores = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
    circuit.scores[GRAPH.parse_edge(EDGES[0])] = np.float32(0.1)
    save_circuit(circuit, tmp_path / "c.json")
    lost = convert_circuit(tmp_path / "c.json", tmp_path / "c.csv")
    assert any("of which model" in sentence for sentence in lost)
    again = load_circuit(tmp_path / "c.csv", GRAPH)
    assert again == circuit and again.scores is not None
    assert np.array_equal(again.scores, circuit.scores, equal_nan=True)


# CircuitKIT


def test_circuitkits_scores(tmp_path: Path) -> None:
    held = {
        "task": "ioi", "model": "gpt2", "algorithm": "eap", "level": "node",
        "node_scores": {"A0.1": 0.5, "MLP 1": 0.25, "A1.0": 0.0},
        "timestamp": "2026-01-01", "version": "1.0", "discovery_cfg": {},
    }  # fmt: skip
    path = tmp_path / "x_scores.json"
    path.write_text(json.dumps(held, indent=2))
    circuit = load_circuit(path, GRAPH)
    assert circuit.n_edges == 0
    scores = node_scores(circuit)
    assert scores is not None and scores[GRAPH.source_index("m1")] == 0.25
    assert load_chosen(path, GRAPH, FileSelection(nodes=2)) == HEADS
    path.write_text(json.dumps(held | {"level": "neuron", "node_scores": {"L0.42": 1.0}}))
    with pytest.raises(WorkbenchError, match="scores of neurons"):
        load_circuit(path, GRAPH)


@pytest.mark.parametrize("edges", [True, False])
def test_circuitkits_artifact(tmp_path: Path, edges: bool) -> None:
    nodes = {
        "L0H1": {
            "layer_idx": 0,
            "node_type": "head",
            "index": 1,
            "importance": 0.5,
            "name": "A0.1",
        },
        "n1": {"layer_idx": 1, "node_type": "mlp", "index": 0, "importance": 0.2, "name": "MLP 1"},
    }
    held = {"version": "1.0", "metadata": {"model_id": "gpt2", "discovery_method": "eap"}}
    held["nodes"] = nodes
    held["edges"] = (
        {
            "e1": {"src_id": "input", "dst_id": "L0H1", "weight": 0.5, "attribution": -0.5},
            "e2": {"src_id": "L0H1", "dst_id": "n1", "weight": 0.5, "attribution": 0.25},
            "e3": {"src_id": "n1", "dst_id": "logits", "weight": 0.5, "attribution": 0.25},
        }
        if edges
        else {}
    )
    (tmp_path / "a.json").write_text(json.dumps(held))
    circuit = load_chosen(tmp_path / "a.json", GRAPH)
    if edges:
        inputs = [f"input->a0.h1<{which}>" for which in "qkv"]
        assert circuit == Circuit.from_edges(GRAPH, [*inputs, *EDGES[1:]])
    else:
        assert circuit == HEADS


# Pickles, and files of torch.save


@pytest.mark.parametrize("protocol", range(2, 6))
def test_interpbench(tmp_path: Path, protocol: int) -> None:
    pairs = [
        ("hook_embed", "blocks.0.attn.hook_result[1]"),
        ("hook_pos_embed", "blocks.0.attn.hook_result[1]"),
        ("blocks.0.attn.hook_result[1]", "blocks.1.hook_mlp_out"),
        ("blocks.1.hook_mlp_out", "blocks.1.hook_resid_post"),
    ]
    (tmp_path / "edges.pkl").write_bytes(pickle.dumps(pairs, protocol))
    expected = Circuit.from_edges(GRAPH, [f"input->a0.h1<{w}>" for w in "qkv"] + EDGES[1:])
    assert load_circuit(tmp_path / "edges.pkl", GRAPH) == expected
    assert load_circuit(tmp_path, GRAPH) == expected, "its folder"


def acdc_edges() -> dict[tuple[Any, ...], bool]:
    """All edges of a model of two layers of two heads, by ACDC's names."""
    sources: list[tuple[str, tuple[Any, ...]]] = [("blocks.0.hook_resid_pre", (None,))]
    edges: dict[tuple[Any, ...], bool] = OrderedDict()
    for layer in range(2):
        block = f"blocks.{layer}"
        for head in range(2):
            index = (None, None, head)
            for letter in "qkv":
                for sender, at in sources:
                    edges[f"{block}.hook_{letter}_input", index, sender, at] = False
                edges[
                    f"{block}.attn.hook_{letter}", index, f"{block}.hook_{letter}_input", index
                ] = True
                edges[f"{block}.attn.hook_result", index, f"{block}.attn.hook_{letter}", index] = (
                    True
                )
        sources += [(f"{block}.attn.hook_result", (None, None, head)) for head in range(2)]
        for sender, at in sources:
            edges[f"{block}.hook_mlp_in", (None,), sender, at] = False
        edges[f"{block}.hook_mlp_out", (None,), f"{block}.hook_mlp_in", (None,)] = True
        sources.append((f"{block}.hook_mlp_out", (None,)))
    for sender, at in sources:
        edges["blocks.1.hook_resid_post", (None,), sender, at] = False
    return edges


def test_acdcs_subgraph_says_of_which_model_it_is(tmp_path: Path) -> None:
    edges = acdc_edges()
    head = (None, None, 1)
    edges["blocks.0.hook_v_input", head, "blocks.0.hook_resid_pre", (None,)] = True
    edges["blocks.1.hook_mlp_in", (None,), "blocks.0.attn.hook_result", head] = True
    edges["blocks.1.hook_resid_post", (None,), "blocks.1.hook_mlp_out", (None,)] = True
    torch.save(edges, tmp_path / "run.pth")
    assert load_circuit(tmp_path / "run.pth") == CIRCUIT


def test_acdcs_pickle(tmp_path: Path) -> None:
    held = [
        (("blocks.0.hook_v_input", (None, None, 1), "hook_embed", (None,)), 0.5),
        (("blocks.1.hook_mlp_in", (None,), "blocks.0.attn.hook_result", (None, None, 1)), 0.25),
        (("blocks.1.hook_resid_post", (None,), "blocks.1.hook_mlp_out", (None,)), None),
    ]
    (tmp_path / "edges.pkl").write_bytes(pickle.dumps(held))
    circuit = load_circuit(tmp_path / "edges.pkl", GRAPH)
    assert circuit == CIRCUIT and circuit.scores is not None
    assert circuit.scores[GRAPH.parse_edge(EDGES[0])] == 0.5


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("parallel", [True, False])
def test_auto_circuits_scores(tmp_path: Path, split: bool, parallel: bool) -> None:
    graph, held = Graph(2, 2, parallel), {}
    torch.manual_seed(0)
    for layer in range(2):
        before = 1 + 3 * layer
        for name in ("q_input", "k_input", "v_input") if split else ("attn_in",):
            held[f"blocks.{layer}.hook_{name}"] = torch.randn(2, before)
        held[f"blocks.{layer}.hook_mlp_in"] = torch.randn(before if parallel else before + 2)
    held["blocks.1.hook_resid_post"] = torch.randn(7)
    torch.save(held, tmp_path / "scores-01-01-2026_00-00-00.pkl")
    path = tmp_path / "scores-01-01-2026_00-00-00.pkl"
    circuit = load_circuit(path)
    assert circuit.graph == graph and circuit.n_edges == 0 and circuit.scores is not None
    assert int((~np.isnan(circuit.scores)).sum()) == graph.n_edges
    for edge, module, at in (
        ("a0.h1->a1.h0<k>", "blocks.1.hook_k_input" if split else "blocks.1.hook_attn_in", (0, 2)),
        ("m0->m1", "blocks.1.hook_mlp_in", (3,)),
        ("m1->logits", "blocks.1.hook_resid_post", (6,)),
    ):
        assert circuit.scores[graph.parse_edge(edge)] == held[module][at].item()
    assert load_chosen(path, graph, FileSelection(edges=graph.n_edges)) == Circuit.full(graph)
    torch.save(
        {name: scores.expand(9, *scores.shape).clone() for name, scores in held.items()}, path
    )
    with pytest.raises(WorkbenchError, match="for each of 9 positions, and does not say which"):
        load_circuit(path)
    held["blocks.0.hook_mlp_in"] = torch.randn(5, 3)
    torch.save(held, path)
    with pytest.raises(WorkbenchError, match="hook_mlp_in are not"):
        load_circuit(path)


BAD = {
    "another model": (["m0->m9"], "'m9'"),
    "backward": ([["m1", "a0.h0.q"]], "impossible"),
    "half a name": (["m0->logits", "m0->"], "no node ''"),
    "no name": ([["m0", "logits"], ["m0", "somewhere"]], "'somewhere'"),
    "both": (["m0->logits", "a0.h0"], "edges and nodes"),
    "something else": (["a0.h0", {"x": 1}], "neither an edge nor a node"),
    "from the output": ([["m0", "m1"], ["logits", "m1"]], "leaves the output"),
    "not the last": ([["m0", "blocks.0.hook_resid_post"]], "within the model"),
    "texts": (["some", "words"], "no circuit file"),
    "numbers": ([1, 2, 3], "no circuit file"),
    "empty": ([], "no circuit file"),
    "a group of nothing": ({"movers": [[0, 1]], "x": [[0, 1], "y"]}, "no node"),
    "a task file": ([{"clean": "a", "corrupted": "b"}], "task file: give it as TASK"),
    "prompts": ({"prompts": [{"clean": "a"}]}, "task file"),
    "a graph of features": (
        {"metadata": {}, "qParams": {}, "nodes": [], "links": []},
        "Neuronpedia",
    ),
    "a model": ({"model_type": "gpt2", "architectures": []}, "configuration of a model"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_said_in_a_sentence(case: str, tmp_path: Path) -> None:
    value, said = BAD[case]
    (tmp_path / "c.json").write_text(json.dumps(value))
    with pytest.raises(WorkbenchError) as caught:
        load_circuit(tmp_path / "c.json", GRAPH)
    sentence = str(caught.value)
    assert said in sentence and "\n" not in sentence and len(sentence) < 400
    assert sentence.endswith(".") and ". " not in sentence.replace("c.json", "")


@pytest.mark.parametrize(
    "text", ["", "\n\n", "hello world\n", "m0->m9\n", "source,target\n", "m0,m1,x\n"]
)
def test_texts_that_are_no_circuit(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(WorkbenchError) as caught:
        load_circuit(tmp_path / "c.txt", GRAPH)
    assert "\n" not in str(caught.value)


BINARY = {
    "gguf": (b"GGUF" + bytes(20), "a model (GGUF)"),
    "png": (b"\x89PNG\r\n", "a picture"),
    "safetensors": (b'\x40\0\0\0\0\0\0\0{"__metadata__":{}}', "weights of a model"),
    "parquet": (b"PAR1", "Parquet"),
    "gzip": (b"\x1f\x8b\x08", "unpack it"),
}


@pytest.mark.parametrize("case", BINARY)
def test_other_files_are_named(case: str, tmp_path: Path) -> None:
    data, said = BINARY[case]
    (tmp_path / "c.bin").write_bytes(data)
    with pytest.raises(WorkbenchError, match="cannot be used") as caught:
        load_circuit(tmp_path / "c.bin")
    assert said in str(caught.value)


def test_scores_of_discover_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", edges=np.zeros(3))
    with pytest.raises(WorkbenchError, match="assess --scores"):
        load_circuit(tmp_path / "s.npz")


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="without a circuit file"):
        load_circuit(tmp_path)
    for name in ("ioi_gpt2", "mcqa_qwen2.5"):
        (tmp_path / "EAP_patching_edge" / name).mkdir(parents=True)
        save_circuit(CIRCUIT, tmp_path / "EAP_patching_edge" / name / "importances.json", "eap-ig")
    with pytest.raises(WorkbenchError, match=r"2 tasks and models, such as ioi_gpt2"):
        load_circuit(tmp_path / "EAP_patching_edge")
    assert load_circuit(tmp_path / "EAP_patching_edge" / "ioi_gpt2") == CIRCUIT
    nine = tmp_path / "nine"
    nine.mkdir()
    save_circuit(CIRCUIT, nine / "0.1.json", "eap-ig")
    assert load_circuit(nine) == CIRCUIT
    save_circuit(CIRCUIT, nine / "0.2.pt", "eap-ig-pt")
    with pytest.raises(WorkbenchError, match="2 files that may be circuits"):
        load_circuit(nine)


JUNK: list[Any] = [
    None, True, 0, -1, 1e308, 10**30, "", "x", "m0->m1", "a0.h0", [], {}, [[]], {"a": 1},
    "input", "logits", "\0", "a9999.h9999", "9.9", [1, 2], ["m0", "m1"],
]  # fmt: skip


def test_any_change_is_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    chance, path = random.Random(0), tmp_path / "c.json"
    texts = [json.dumps(value) for value in (*LISTS.values(), *NODES.values())]
    for _ in range(600):
        value = json.loads(chance.choice(texts))
        spots = [(value, key) for key in (value if isinstance(value, dict) else range(len(value)))]
        for held, key in list(spots):
            inner = held[key]
            if isinstance(inner, dict | list):
                keys = inner if isinstance(inner, dict) else range(len(inner))
                spots += [(inner, key) for key in keys]
        held, key = chance.choice(spots)
        held[key] = chance.choice(JUNK)
        path.write_text(json.dumps(value))
        for selection in (None, FileSelection(edges=3), FileSelection(nodes=1)):
            try:
                load_chosen(path, GRAPH, selection)
            except WorkbenchError as error:
                assert "\n" not in str(error) and len(str(error)) < 500
