"""Every bad circuit file gets one clear sentence, soon."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import GOLDEN
from workbench.base.read_json import MAX_BYTES
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import convert_circuit, load_circuit, save_circuit
from workbench.formats.circuit_json import to_text

pytestmark = pytest.mark.dependencies

FILES = GOLDEN / "formats"
OURS = (FILES / "circuit.json").read_text()
THEIRS = (FILES / "eap_ig.json").read_text()


def refusal(path: str | os.PathLike[str], graph: Graph | None = None) -> str:
    """The one sentence with which this path is refused, in at most two seconds."""
    started = time.monotonic()
    with pytest.raises(WorkbenchError) as caught:
        load_circuit(path, graph)
    assert time.monotonic() - started < 2
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.isprintable() and len(sentence) < 400
    assert sentence.endswith(".") and ". " not in sentence
    return sentence


# What stands in a file, and what has to be said of it.
TEXTS = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\t\n", "is empty"),
    "no json": (b"edges: m0->logits", "not JSON: Expecting value at line 1, column 1"),
    "torn": (THEIRS[:900].encode(), "not JSON"),
    "two values": (b"{} {}", "not JSON: Extra data"),
    "binary": (b"\x80\x02}q\x00(X\x03\x00\x00\x00", "binary"),
    "zip": (b"PK\x03\x04\xff\xfe\x00\x00", "binary"),
    "zeros": (b"\0" * 100, "not JSON"),
    "a list": (b"[1, 2]", "no circuit file"),
    "a number": (b"3", "no circuit file"),
    "another object": (b'{"model": "gpt2"}', "no circuit file"),
    "another format": (b'{"format": "neuronpedia"}', "no circuit file"),
    "deep": (b"[" * 200_000, "nested too deeply"),
    "deep objects": (b'{"a":' * 200_000, "nested too deeply"),
    "deep and closed": (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
    "a number of many digits": (b'{"version": ' + b"9" * 10_000 + b"}", "absurd length"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_no_circuit_file(case: str, tmp_path: Path) -> None:
    content, said = TEXTS[case]
    (tmp_path / "c.json").write_bytes(content)
    sentence = refusal(tmp_path / "c.json")
    assert said in sentence and "c.json" in sentence


def test_a_byte_order_mark_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(b"\xef\xbb\xbf" + OURS.encode())
    assert load_circuit(tmp_path / "c.json") == load_circuit(FILES / "circuit.json")


def test_no_file(tmp_path: Path) -> None:
    assert "There is no file" in refusal(tmp_path / "nowhere" / "c.json")
    assert "is a folder" in refusal(tmp_path)
    assert "is a folder" in refusal("")
    (tmp_path / "file").write_text("x")
    assert "not a folder" in refusal(tmp_path / "file" / "c.json")
    assert "cannot be read" in refusal(tmp_path / ("x" * 300))
    assert "not a possible path" in refusal("a\0b")
    assert "\x1b" not in refusal(tmp_path / "a\x1b[31m\nb")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_writes_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not an ordinary file" in refusal(tmp_path / "pipe")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(OURS)
    (tmp_path / "c.json").chmod(0)
    assert "permission denied" in refusal(tmp_path / "c.json")


def test_too_large(tmp_path: Path) -> None:
    with open(tmp_path / "c.json", "wb") as file:
        file.truncate(200_000_000)
    sentence = refusal(tmp_path / "c.json")
    assert "200 MB" in sentence and f"{MAX_BYTES // 1_000_000} MB" in sentence


def changed(text: str, change: Callable[[Any], object]) -> str:
    value = json.loads(text)
    change(value)
    return json.dumps(value)


def in_ours(*path: str, to: Any) -> str:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return changed(OURS, change)


def in_theirs(*path: str, to: Any) -> str:
    def change(value: Any) -> None:
        for key in path[:-1]:
            value = value[key]
        value[path[-1]] = to

    return changed(THEIRS, change)


EDGES = "edges"
NAN = float("nan")
CONTENTS = {
    # Ours
    "newer": (in_ours("version", to=4), "version 4"),
    "much newer": (in_ours("version", to=10**300), "update Circuit Workbench"),
    "version a text": (in_ours("version", to="1"), "'version'"),
    "version zero": (in_ours("version", to=0), "'version'"),
    "no version": (changed(OURS, lambda v: v.pop("version")), "'version' is missing"),
    "no edges": (changed(OURS, lambda v: v.pop("edges")), "'edges' is missing"),
    "no graph": (changed(OURS, lambda v: v.pop("graph")), "'graph' is missing"),
    "unknown field": (in_ours("egdes", to={}), "'egdes' is unknown"),
    "edges a list": (in_ours("edges", to=["m0->logits"]), "'edges' is wrong"),
    "no layers": (in_ours("graph", "n_layers", to=0), "n_layers"),
    "heads a text": (in_ours("graph", "n_heads", to="2"), "n_heads"),
    "huge": (in_ours("graph", "n_layers", to=10**9), "more edges than can be handled"),
    "absurd": (in_ours("graph", "n_heads", to=10**200), "more edges than can be handled"),
    "unknown edge": (in_ours(EDGES, "m0->m9", to=0.5), "'m9'"),
    "unknown source": (in_ours(EDGES, "mlp0->m1", to=0.5), "'mlp0'"),
    "head without input": (in_ours(EDGES, "m0->a1.h0", to=0.5), "'a1.h0'"),
    "no edge at all": (in_ours(EDGES, "m0", to=0.5), "'m0' is not an edge"),
    "two arrows": (in_ours(EDGES, "m0->m1->logits", to=0.5), "'m1->logits'"),
    "backward": (in_ours(EDGES, "m1->m0", to=0.5), "impossible"),
    "to itself": (in_ours(EDGES, "m0->m0", to=0.5), "impossible"),
    "into the input": (in_ours(EDGES, "m0->input", to=0.5), "'input'"),
    "unknown dropped edge": (in_ours("dropped", "m0->m9", to=0.5), "'m9'"),
    "kept and dropped": (in_ours("dropped", "m1->logits", to=0.5), "both as kept and as dropped"),
    "nan": (in_ours(EDGES, "m1->logits", to=NAN), "'m1->logits' is nan"),
    "infinite": (in_ours(EDGES, "m1->logits", to=float("inf")), "'m1->logits' is inf"),
    "nan dropped": (in_ours("dropped", "m0->m1", to=NAN), "'m0->m1' is nan"),
    "nan elsewhere": (in_ours("other", "x", to=[NAN]), "NaN"),
    "nan in the evaluation": (in_ours("evaluation", "kl", to=NAN), "'evaluation.kl"),
    "a text score": (in_ours(EDGES, "m1->logits", to="high"), "'m1->logits' is of type str"),
    "a true score": (in_ours(EDGES, "m1->logits", to=True), "'m1->logits' is of type bool"),
    "a list score": (in_ours(EDGES, "m1->logits", to=[1]), "'m1->logits' is of type list"),
    "a vast score": (in_ours(EDGES, "m1->logits", to=1e300), "too large for a float32"),
    "an endless score": (in_ours(EDGES, "m1->logits", to=10**400), "'m1->logits' is of type int"),
    "a version a number": (in_ours("versions", "torch", to=2.9), "'versions.torch'"),
    "open unknown": (in_ours("open", to=["m9"]), "'m9'"),
    "open a node": (in_ours("open", to=["a0.h0"]), "'a0.h0'"),
    "open twice": (in_ours("open", to=["m0", "m0"]), "'m0' is listed twice"),
    "group of nobody": (in_ours("groups", to=[{"name": "x", "nodes": ["a9.h9"]}]), "'a9.h9'"),
    "group twice": (in_ours("groups", to=[{"name": "x"}, {"name": "x"}]), "'x' is listed twice"),
    "node twice": (in_ours("groups", to=[{"name": "x", "nodes": ["m0", "m0"]}]), "listed twice"),
    "group without name": (in_ours("groups", to=[{"nodes": []}]), "'groups.0.name' is missing"),
    "note on nothing": (in_ours("notes", to={"m9": "?"}), "'m9'"),
    "note on no edge": (in_ours("notes", to={"m1->m0": "?"}), "impossible"),
    "note a number": (in_ours("notes", to={"m0": 1}), "'notes.m0'"),
    "escape codes": (in_ours("\x1b[31m", to=1), "is unknown"),
    # EAP-IG's
    "their cfg a list": (in_theirs("cfg", to=[]), "cfg is not an object"),
    "their edges a list": (in_theirs("edges", to=[]), "edges is not an object"),
    "their nodes a list": (in_theirs("nodes", to=[]), "nodes is not an object"),
    "their layers missing": (changed(THEIRS, lambda v: v["cfg"].pop("n_layers")), "n_layers"),
    "their heads a text": (in_theirs("cfg", "n_heads", to="2"), "n_heads"),
    "their layers true": (in_theirs("cfg", "n_layers", to=True), "n_layers"),
    "their layers none": (in_theirs("cfg", "n_layers", to=0), "at least one layer"),
    "their layers huge": (in_theirs("cfg", "n_layers", to=10**9), "more edges than can be handled"),
    "their parallel a text": (in_theirs("cfg", "parallel_attn_mlp", to="no"), "parallel_attn_mlp"),
    "their edge unknown": (in_theirs(EDGES, "m0->m9", to={"in_graph": True}), "'m9'"),
    "their edge backward": (in_theirs(EDGES, "m1->m0", to={"in_graph": True}), "impossible"),
    "their edge a number": (in_theirs(EDGES, "m0->m1", to=0.5), "'m0->m1' is not marked"),
    "their edge unmarked": (
        in_theirs(EDGES, "m0->m1", to={"score": 0.5}),
        "is not marked",
    ),
    "their mark a text": (in_theirs(EDGES, "m0->m1", "in_graph", to="yes"), "is not marked"),
    "their mark two": (in_theirs(EDGES, "m0->m1", "in_graph", to=2), "is not marked"),
    "their score a text": (in_theirs(EDGES, "m0->m1", "score", to="1"), "not a number"),
    "their score true": (in_theirs(EDGES, "m0->m1", "score", to=True), "not a number"),
    "their score endless": (in_theirs(EDGES, "m0->m1", "score", to=10**400), "too large"),
    "their node unknown": (in_theirs("nodes", "m9", to={"in_graph": True}), "'m9'"),
    "their node a text": (in_theirs("nodes", "m1", to="yes"), "'m1' is not marked"),
    "their shape parallel": (in_theirs("cfg", "parallel_attn_mlp", to=True), "impossible"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_a_faulty_circuit_file(case: str, tmp_path: Path) -> None:
    text, said = CONTENTS[case]
    (tmp_path / "c.json").write_text(text)
    sentence = refusal(tmp_path / "c.json")
    assert said in sentence and "c.json" in sentence


@pytest.mark.parametrize(("text", "name"), [(OURS, "m1->logits"), (THEIRS, "m0->m1")])
def test_an_edge_listed_twice(text: str, name: str, tmp_path: Path) -> None:
    doubled = text.replace(f'"{name}":', f'"{name}": {{"in_graph": true}}, "{name}":', 1)
    (tmp_path / "c.json").write_text(doubled)
    sentence = refusal(tmp_path / "c.json")
    assert f"'{name}' twice" in sentence


def test_a_field_listed_twice(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(OURS.replace('"seed": 0,', '"seed": 0, "seed": 1,'))
    assert "'seed' twice" in refusal(tmp_path / "c.json")


@pytest.mark.parametrize("name", ["circuit.json", "eap_ig.json"])
@pytest.mark.parametrize("graph", [Graph(2, 3), Graph(12, 12), Graph(2, 2, parallel=True)])
def test_another_model(name: str, graph: Graph) -> None:
    sentence = refusal(FILES / name, graph)
    assert "another model" in sentence and "2 layers of 2 heads" in sentence
    assert f"{graph.n_layers} layers of {graph.n_heads} heads" in sentence
    assert ("in parallel" in sentence) == graph.parallel


def test_a_circuit_of_the_model_is_taken() -> None:
    assert load_circuit(FILES / "circuit.json", Graph(2, 2)).graph == Graph(2, 2)
    parallel = load_circuit(FILES / "eap_ig_parallel.json", Graph(2, 2, parallel=True))
    assert parallel.graph.parallel


SUFFIXES = {
    "c.dot": "workbench draw CIRCUIT -o",
    "c.SVG": "workbench draw CIRCUIT -o",
    "c.graphml": "workbench draw CIRCUIT -o",
    "c.gexf": "suffix of no circuit format",
    "c.json.bak": "suffix of no circuit format",
}


def test_an_unknown_format_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="choose circuit, eap-ig"):
        save_circuit(Circuit.empty(Graph(1, 1)), tmp_path / "c", "dot")
    with pytest.raises(WorkbenchError, match="choose circuit, eap-ig"):
        convert_circuit(FILES / "circuit.json", tmp_path / "c", "json")
    for name, said in SUFFIXES.items():
        with pytest.raises(WorkbenchError, match=said):
            convert_circuit(FILES / "circuit.json", tmp_path / name)
    with pytest.raises(WorkbenchError, match=r"workbench draw CIRCUIT -o"):
        convert_circuit(FILES / "circuit.json", tmp_path / "c.dot", "circuit")
    with pytest.raises(WorkbenchError, match="suffix of another format"):
        convert_circuit(FILES / "circuit.json", tmp_path / "c.pt", "eap-ig")
    assert not list(tmp_path.iterdir())


DAMAGE: dict[str, Any] = {
    "a text": "x",
    "empty": {},
    "cfg": {"cfg": {"n_layers": "2"}, "nodes": {}},
    "order": {"order": ["m0->m9"]},
    "order twice": {"order": ["m0->m1", "m0->m1"]},
    "sections": {"sections": ["cfg", "edges", "extra"]},
    "no edges": {"sections": ["cfg", "nodes"]},
    "edges twice": {"sections": ["cfg", "edges", "edges"]},
    "keys": {"edge_keys": ["score", "weight"]},
    "entries": {"entries": {"m0->m1": {"score": 1}}},
    "entries elsewhere": {"order": ["m0->m1"], "entries": {"m0->logits": {"in_graph": True}}},
    "unscored": {"unscored": "maybe"},
    "further": {"sections": ["cfg", "edges", "a"], "further": {"a": object()}},
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_provenance_is_not_written(case: str, tmp_path: Path) -> None:
    circuit = load_circuit(FILES / "eap_ig.json")
    damage = DAMAGE[case]
    whole = isinstance(damage, dict) and damage and "cfg" not in damage
    circuit.provenance["eap_ig"] = circuit.provenance["eap_ig"] | damage if whole else damage
    with pytest.raises(WorkbenchError, match="'eap_ig' is damaged"):
        save_circuit(circuit, tmp_path / "c.json", "eap-ig")
    assert not list(tmp_path.iterdir())


def test_the_golden_file_of_ours_is_what_these_cases_change() -> None:
    assert to_text(load_circuit(FILES / "circuit.json")) == OURS
