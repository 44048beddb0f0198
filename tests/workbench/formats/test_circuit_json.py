"""Our own circuit files: all of a circuit and back, the same bytes, as the schema says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings

from tests.support.circuits import circuits, same_scores, same_value
from tests.support.paths import GOLDEN, ROOT
from workbench.circuits.circuit import Circuit, RoleGroup
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import load_circuit, save_circuit
from workbench.formats.circuit_json import from_json, to_text
from workbench.formats.circuit_schema import schema

pytestmark = pytest.mark.dependencies

OURS = GOLDEN / "formats" / "circuit.json"
SCHEMA = ROOT / "docs" / "circuit.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(schema())


def example() -> Circuit:
    """A circuit with every field in use."""
    graph = Graph(2, 2)
    circuit = Circuit.from_edges(
        graph, ["m1->logits", "a1.h0->m1", "input->a1.h0<v>", "m0->a1.h0<q>", "a0.h1->logits"]
    )
    circuit.open = frozenset({"m0", "a0.h1<q>", "a0.h1<k>", "a0.h1<v>"})
    circuit.scores = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
    values = {
        "m1->logits": 0.1,
        "a1.h0->m1": -2.5e-05,
        "m0->a1.h0<q>": math.inf,
        "input->logits": -0.0,
        "m0->logits": 3.0,
    }
    for name, score in values.items():
        circuit.scores[graph.parse_edge(name)] = score
    circuit.groups = (
        RoleGroup("start year", "identify YY", ("a0.h1", "a1.h0")),
        RoleGroup("empty"),
    )
    circuit.notes = {"m1->logits": "the “late” MLP\x1b[31m", "": "first try", "m1": "raises years"}
    circuit.provenance = {
        "model": {"name": "tiny", "d_model": 8, "dtype": "float32"},
        "task": {"name": "greater-than", "pairs": 32, "notes": []},
        "metric": "prob_diff",
        "ablation": "patching",
        "seed": 0,
        "versions": {"circuit-workbench": "0.1.0", "torch": "2.9.0"},
        "evaluation": {
            "clean": 0.82,
            "corrupted": -0.4,
            "circuit": 0.7,
            "faithfulness": math.nan,
            "edges": 5,
        },
        "commands": [
            {"command": "expand", "node": "logits", "keep": ["m1->logits", "a0.h1->logits"]},
            {"command": "toggle", "edge": "a1.h0->m1"},
        ],
        "lab": [1, math.nan, {"x": -math.inf}],
    }
    return circuit


def test_golden() -> None:
    assert to_text(example()) == OURS.read_text()


def test_what_the_golden_file_holds() -> None:
    original, circuit = example(), load_circuit(OURS)
    assert circuit == original and same_scores(circuit, original)
    assert circuit.groups == original.groups and circuit.notes == original.notes
    original.provenance["evaluation"]["faithfulness"] = None  # a number that JSON lacks
    assert same_value(circuit.provenance, original.provenance)
    assert to_text(circuit) == OURS.read_text()


def test_the_file_is_harmless_in_a_terminal() -> None:
    text = OURS.read_bytes()
    assert all(byte == 10 or 32 <= byte < 127 for byte in text)


@given(circuit=circuits())
@settings(max_examples=150, deadline=None)
def test_any_circuit_comes_back(circuit: Circuit) -> None:
    text = to_text(circuit)
    value = json.loads(text, parse_constant=pytest.fail)
    loaded = from_json(value)
    assert loaded == circuit and same_scores(loaded, circuit)
    assert loaded.groups == circuit.groups and loaded.notes == circuit.notes
    assert same_value(loaded.provenance, circuit.provenance)
    assert to_text(loaded) == text
    VALIDATOR.validate(value)


def test_the_schema_in_docs_is_the_one_of_the_models() -> None:
    """If the models are meant to change, write `json.dumps(schema(), indent=2)` there anew."""
    assert json.loads(SCHEMA.read_text()) == schema()
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_schema_refuses_what_we_refuse() -> None:
    value = json.loads(OURS.read_text())
    VALIDATOR.validate(value)
    changes: tuple[dict[str, Any], ...] = (
        {"version": 4},
        {"version": 3, "token_roles": "S1 END"},
        {"version": 3, "token_roles": ["S1", "END"], "at": {"m1->logits": "END"}},
        {"edges": {"m1->logits": "0.1"}},
        {"egdes": {}},
        {"graph": {"n_layers": 0, "n_heads": 2}},
        {"notes": {"m1": 1}},
    )
    for change in changes:
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(value | change)
        with pytest.raises(WorkbenchError):
            from_json(value | change)


def test_a_file_written_by_hand_may_be_short() -> None:
    circuit = from_json(
        {
            "format": "circuit-workbench",
            "version": 1,
            "graph": {"n_layers": 1, "n_heads": 1},
            "edges": {"m0->logits": None, "input->m0": 0.5},
        }
    )
    assert circuit.edges() == ["input->m0", "m0->logits"] and circuit.is_closed
    assert circuit.scores is not None and circuit.scores[0, 3] == 0.5
    assert circuit.provenance == {} and circuit.notes == {}


def test_a_circuit_without_scores_has_none_after_reading(tmp_path: Path) -> None:
    save_circuit(Circuit.full(Graph(1, 2)), tmp_path / "c.json")
    assert load_circuit(tmp_path / "c.json").scores is None


def test_scores_read_back_to_the_last_bit(tmp_path: Path) -> None:
    graph = Graph(3, 3)
    circuit = Circuit.full(graph)
    bits = np.random.default_rng(0).integers(0, 2**32, circuit.mask.shape, dtype=np.uint32)
    circuit.scores = np.where(circuit.mask, bits.view(np.float32), np.float32("nan"))
    save_circuit(circuit, tmp_path / "c.json")
    assert same_scores(load_circuit(tmp_path / "c.json"), circuit)


def test_scores_where_there_is_no_edge_are_left_out() -> None:
    """A score matrix may hold zeros there."""
    circuit = Circuit.from_edges(Graph(1, 1), ["m0->logits"])
    circuit.scores = np.zeros(circuit.mask.shape, dtype=np.float32)
    value = json.loads(to_text(circuit))
    assert sorted([*value["edges"], *value["dropped"]]) == sorted(circuit.graph.edges())


def test_numpy_values_and_tuples_become_json() -> None:
    circuit = Circuit.empty(Graph(1, 1))
    circuit.provenance = {
        "evaluation": {"circuit": np.float32(0.5), "edges": np.int64(3)},
        "lab": (1, (2,)),
    }
    loaded = from_json(json.loads(to_text(circuit)))
    assert loaded.provenance == {"evaluation": {"circuit": 0.5, "edges": 3}, "lab": [1, [2]]}


def unwritable() -> dict[str, tuple[Circuit, str]]:
    graph = Graph(1, 1)
    impossible = Circuit.empty(graph)
    impossible.mask[graph.source_index("m0"), graph.destination_index("m0")] = True
    strange = Circuit.empty(graph)
    strange.provenance = {"lab": {"model": object()}}
    deep = Circuit.empty(graph)
    nested: Any = 1
    for _ in range(100_000):
        nested = [nested]
    deep.provenance = {"lab": nested}
    noted = Circuit.empty(graph)
    noted.notes = {"m7": "?"}
    opened = Circuit.empty(graph)
    opened.open = frozenset({"m7"})
    mistyped = Circuit.empty(graph)
    mistyped.provenance = {"seed": "zero"}
    return {
        "impossible edge": (impossible, "does not have"),
        "strange value": (strange, "object"),
        "deep": (deep, "too deeply"),
        "note on nothing": (noted, "'m7'"),
        "open nothing": (opened, "open destination"),
        "mistyped": (mistyped, "'seed'"),
    }


@pytest.mark.parametrize("case", unwritable())
def test_what_could_not_be_read_back_is_not_written(case: str, tmp_path: Path) -> None:
    circuit, said = unwritable()[case]
    path = tmp_path / "c.json"
    path.write_text("before")
    with pytest.raises(WorkbenchError, match=said):
        save_circuit(circuit, path)
    assert path.read_text() == "before"
