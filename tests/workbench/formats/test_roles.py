"""Circuits written down by hand: roles, their heads, and arrows between them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.circuits.node_circuit import node_circuit
from workbench.errors import WorkbenchError
from workbench.formats import NeedsGraph, load_circuit, save_circuit

GRAPH = Graph(3, 2)


def loaded(tmp_path: Path, text: str, name: str = "c.roles") -> Circuit:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_circuit(path, GRAPH)


@pytest.mark.parametrize("name", ["c.roles", "c.txt"])
def test_roles_mean_all_edges_among_their_nodes(tmp_path: Path, name: str) -> None:
    text = "# a comment\nfirst (looks back): 0.1, a1.h0  # two\nmovers: L2H1 MLP_2\n"
    circuit = loaded(tmp_path, text, name)
    nodes = ["a0.h1", "a1.h0", "a2.h1", "m2"]
    assert circuit.edges() == node_circuit(GRAPH, nodes).edges()
    assert circuit.groups == (
        RoleGroup("first", "looks back", ("a0.h1", "a1.h0")),
        RoleGroup("movers", "", ("a2.h1", "m2")),
    )
    assert not circuit.open
    save_circuit(circuit, tmp_path / "ours.json")
    assert load_circuit(tmp_path / "ours.json").groups == circuit.groups
    with pytest.raises(NeedsGraph):
        load_circuit(tmp_path / name)


def test_arrows_keep_what_is_between_two_roles(tmp_path: Path) -> None:
    text = (
        "early: a0.*\nmiddle: 1.0\nlate: 2.0 2.1\nMLPs: m*\n"
        "input -> early\nearly->middle<q, k>\nMIDDLE -> late<v>\nmiddle -> m2\nlate -> logits\n"
    )
    wanted = {f"input->a0.h{head}<{which}>" for head in (0, 1) for which in "qkv"}
    wanted |= {f"a0.h{head}->a1.h0<{which}>" for head in (0, 1) for which in "qk"}
    wanted |= {"a1.h0->a2.h0<v>", "a1.h0->a2.h1<v>", "a1.h0->m2"}
    wanted |= {"a2.h0->logits", "a2.h1->logits"}
    circuit = loaded(tmp_path, text)
    assert set(circuit.edges()) == wanted
    assert [group.nodes for group in circuit.groups][-1] == ("m0", "m1", "m2")


def test_the_example_is_the_published_circuit() -> None:
    graph = Graph(12, 12)
    circuit = load_circuit(ROOT / "examples" / "ioi-gpt2.roles", graph)
    heads = [node for group in circuit.groups for node in group.nodes if node[0] == "a"]
    assert len(heads) == 26 and len(circuit.groups) == 8
    assert circuit.has("a9.h9->logits") and circuit.has("a8.h6->a9.h9<q>")


def test_json_of_roles_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"first": [[0, 1], [1, 0]], "movers": ["2.1", "m2"]}))
    circuit = load_circuit(path, GRAPH)
    assert circuit.edges() == loaded(tmp_path, "first: 0.1 1.0\nmovers: 2.1 m2\n").edges()
    assert [group.name for group in circuit.groups] == ["first", "movers"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("first: 0.1\nnonsense\n", "'nonsense' is neither a role"),
        ("first: 0.1, x9\n", "names 'x9', which is no node"),
        ("first: 0.1\nfirst: 1.0\n", "lists the role 'first' twice"),
        ("first: 0.1\nsecond: 0.1\n", "lists a0.h1 twice, as 'first' and as 'second'"),
        ("first: 0.1\nsecond:\n", "'second' has no nodes"),
        ("first: 0.1\nfirst -> third\n", "no role and no node 'third'"),
        ("first: 0.1\nfirst<q> -> logits\n", "names an input where it writes"),
        ("first: 0.7\n", "a0.h7"),
        ("first: a9.*\n", "no layer 9 in this model of 3"),
        ("", "is empty"),
        ("# only\n", "is empty"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=r"cannot be used|is empty") as caught:
        loaded(tmp_path, text)
    assert said in str(caught.value) and "\n" not in str(caught.value)
