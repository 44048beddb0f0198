"""The networkx export, node by node and edge by edge; and what the formats import."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO

import networkx as nx
import numpy as np
import pytest

from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.formats.networkx import to_networkx

pytestmark = pytest.mark.dependencies


def example() -> Circuit:
    circuit = Circuit.from_edges(
        Graph(2, 2),
        ["input->m0", "m0->a1.h0<q>", "m0->a1.h0<v>", "a1.h0->m1", "m1->logits"],
    )
    circuit.scores = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
    circuit.scores[circuit.graph.parse_edge("m1->logits")] = 0.1
    circuit.open = frozenset({"a1.h0<k>"})
    circuit.groups = (RoleGroup("late", "raise years", ("m1",)), RoleGroup("all", "", ("m1",)))
    circuit.notes = {"m1": "big", "m0->a1.h0<q>": "why?"}
    return circuit


def test_nodes() -> None:
    nodes = to_networkx(example()).nodes
    assert list(nodes) == ["input", "m0", "a1.h0", "m1", "logits"]
    assert [nodes[n]["kind"] for n in nodes] == ["input", "mlp", "head", "mlp", "logits"]
    assert [nodes[n]["layer"] for n in nodes] == [-1, 0, 1, 1, 2]
    assert [nodes[n]["open"] for n in nodes] == [False, False, True, False, False]
    assert nodes["m1"]["role"] == "raise years" and nodes["m1"]["group"] == "late, all"
    assert nodes["m1"]["note"] == "big" and nodes["m0"]["note"] == nodes["m0"]["role"] == ""


def test_edges() -> None:
    drawn = to_networkx(example())
    assert drawn.number_of_edges() == 5
    assert set(drawn["m0"]["a1.h0"]) == {"a1.h0<q>", "a1.h0<v>"}
    query = drawn.edges["m0", "a1.h0", "a1.h0<q>"]
    assert query == {
        "name": "m0->a1.h0<q>",
        "destination": "a1.h0<q>",
        "input": "q",
        "note": "why?",
    }
    last = drawn.edges["m1", "logits", "logits"]
    assert last["input"] == "" and last["score"] == pytest.approx(0.1)
    assert sorted(nx.get_edge_attributes(drawn, "name").values()) == sorted(example().edges())
    assert nx.is_directed_acyclic_graph(drawn) and nx.has_path(drawn, "input", "logits")


def test_the_empty_and_the_full_circuit() -> None:
    graph = Graph(2, 3, parallel=True)
    assert list(to_networkx(Circuit.empty(graph)).nodes) == ["logits"]
    full = to_networkx(Circuit.full(graph))
    assert full.number_of_edges() == graph.n_edges and list(full.nodes) == list(graph.nodes)


def test_it_can_be_written_by_networkx() -> None:
    buffer = BytesIO()
    nx.write_graphml(to_networkx(example()), buffer)
    nx.write_gexf(to_networkx(example()), BytesIO())
    assert b"a1.h0&lt;q&gt;" in buffer.getvalue()


def loaded_by(code: str) -> set[str]:
    command = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_formats_need_no_torch() -> None:
    modules = loaded_by(
        "import workbench.formats.circuit_json, workbench.formats.eap_ig\n"
        "import workbench.formats.networkx"
    )
    assert {"pydantic", "networkx"} <= modules
    assert not {"torch", "transformers", "transformer_lens", "textual"} & modules


def test_the_package_waits_with_pydantic_and_networkx() -> None:
    modules = loaded_by("import workbench.formats")
    assert not {"pydantic", "networkx", "torch"} & modules
