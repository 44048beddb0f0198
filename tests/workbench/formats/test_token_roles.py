"""Edges at token roles in files: ours and lists hold them, others say that they become whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import GOLDEN
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import convert_circuit, load_circuit, losses, save_circuit
from workbench.formats.circuit_json import from_json, to_text

GOLDEN_FILE = GOLDEN / "formats" / "circuit_at_roles.json"
GRAPH = Graph(2, 2)
ROLES = ("BOS..IO", "IO", "S1+1", "S2", "END")
PARTS = (
    "input->a0.h1<k>@IO",
    "input->a0.h1<k>@S2",
    "a0.h1->a1.h0<q>@END",
    "m0->m1",
    "a1.h0->logits@END",
)


def example() -> Circuit:
    circuit = Circuit.empty(GRAPH)
    circuit.at = EdgeRoles(ROLES)
    for part in PARTS:
        circuit.toggle(part)
    return circuit


def in_file(**changes: Any) -> dict[str, Any]:
    return json.loads(to_text(example())) | changes


def test_the_golden_file_and_back() -> None:
    circuit = load_circuit(GOLDEN_FILE)
    assert to_text(example()) == to_text(circuit) == GOLDEN_FILE.read_text()
    assert circuit == example() and circuit.at.names == ROLES
    assert circuit.parts() == list(PARTS)


def test_a_circuit_of_whole_edges_has_a_file_that_older_versions_read() -> None:
    circuit = Circuit.from_edges(GRAPH, ["m0->m1"])
    plain = to_text(circuit)
    circuit.at = EdgeRoles(ROLES)
    assert to_text(circuit) == plain and json.loads(plain)["version"] == 1


EDGE = "m0->m1"
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an older version": ({"version": 2}, "version 2, which knows no edges at roles"),
    "no list": ({"at": {EDGE: "IO"}}, "'at.m0->m1' is wrong: not a list"),
    "no texts": ({"at": {EDGE: [1]}}, "'at.m0->m1.0' is wrong"),
    "roles no list": ({"token_roles": {"IO": 1}}, "'token_roles' is wrong"),
    "unknown role": ({"at": {EDGE: ["S3"]}}, "at 'S3', which is none of its token_roles"),
    "no roles": ({"token_roles": [], "at": {EDGE: ["S2"]}}, "none of its token_roles"),
    "not kept": ({"at": {"m1->logits": ["IO"]}}, "'m1->logits' is kept, which it does not keep"),
    "no edge": ({"at": {"x": ["IO"]}}, "'x' is kept, which it does not keep"),
    "twice": ({"at": {EDGE: ["IO", "IO"]}}, "at 'IO' twice"),
    "nowhere": ({"at": {EDGE: []}}, "at no role"),
    "everywhere": ({"at": {EDGE: list(ROLES)}}, "at every role"),
    "a role twice": ({"token_roles": ["IO", *ROLES]}, "'IO' is listed twice"),
    "no name": ({"token_roles": [*ROLES, "\x1b[31m"]}, "no name of a token role"),
    "too many": ({"token_roles": [f"r{i}" for i in range(61)]}, "61 token roles"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said(case: str) -> None:
    change, said = BAD[case]
    with pytest.raises(WorkbenchError) as caught:
        from_json(in_file(**change))
    assert said in str(caught.value) and str(caught.value).isprintable()


def test_a_table_holds_them(tmp_path: Path) -> None:
    save_circuit(example(), tmp_path / "c.json")
    lost = convert_circuit(tmp_path / "c.json", tmp_path / "c.csv")
    assert not any("roles" in sentence for sentence in lost)
    assert (tmp_path / "c.csv").read_text().splitlines()[:3] == [
        "# token roles: BOS..IO IO S1+1 S2 END",
        "source,destination,score",
        "input,a0.h1<k>@IO,",
    ]
    assert load_circuit(tmp_path / "c.csv", GRAPH) == example()


@pytest.mark.parametrize("name", ["eap-ig", "eap-ig-pt", "neuronpedia"])
def test_a_format_without_roles_says_so(name: str) -> None:
    said = [sentence for sentence in losses(example(), name) if "token roles" in sentence]
    assert len(said) == 1 and "3 edges" in said[0]


def test_eap_igs_format_merges_roles(tmp_path: Path) -> None:
    save_circuit(example(), tmp_path / "c.json", "eap-ig")
    merged = load_circuit(tmp_path / "c.json")
    assert merged.edges() == example().edges() and not merged.at


def read(tmp_path: Path, text: str, name: str) -> Circuit:
    (tmp_path / name).write_text(text)
    return load_circuit(tmp_path / name, GRAPH)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.txt", "# token roles: IO, S2, END\nm0 -> a1.h0<k>@IO\na1.h0->logits@END\nm0->m1"),
        ("c.csv", "# token roles: IO;S2;END\nsource;target\nm0;A1.0.K@IO\na1.h0;logits@END\nm0;m1"),
        (
            "c.json",
            '{"token_roles": ["IO", "S2", "END"], '
            '"edges": ["m0->a1.h0<k>@IO", ["a1.h0", "logits@END"], "m0->m1"]}',
        ),
        ("c.json", '["m0->a1.h0<k>@IO", ["a1.h0", "logits@END"], "m0->m1"]'),
        (
            "c.roles",
            "# token roles: IO S2 END\nm: 1.0\nm0 -> m<k>@IO\nm -> logits@END\nm0 -> m1",
        ),
    ],
)
def test_lists_and_roles_may_name_them(tmp_path: Path, name: str, text: str) -> None:
    circuit = read(tmp_path, text, name)
    assert circuit.parts() == ["m0->a1.h0<k>@IO", "m0->m1", "a1.h0->logits@END"]
    assert [role for role in circuit.at.names if role != "S2"] == ["IO", "END"]


def test_what_a_list_leaves_open_is_refused(tmp_path: Path) -> None:
    for text, said in (
        ('["m0->m1@END"]', "there may be others: say all roles"),
        ('["m0->m1@END", "m0->m1", "m0->logits@S2"]', "whole and at a role"),
        ('{"token_roles": ["S2"], "edges": ["m0->m1@END"]}', "none of its token_roles"),
        ('{"token_roles": "S2", "edges": ["m0->m1@END"]}', "not a list of names"),
        ('["m0->m1@END", "m0->m1@END", "m0->logits@S2"]', "'END' twice"),
    ):
        with pytest.raises(WorkbenchError) as caught:
            read(tmp_path, text, "c.json")
        assert said in str(caught.value)
    every = '{"token_roles": ["S2", "END"], "edges": ["m0->m1@END", "m0->m1@S2"]}'
    assert read(tmp_path, every, "c.json") == Circuit.from_edges(GRAPH, ["m0->m1"])
