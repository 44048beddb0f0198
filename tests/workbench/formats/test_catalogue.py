"""Formats of plug-ins: written, recognised, converted and offered as the built-in ones are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plugin_packages import clear_plugins, make_package
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import catalogue as formats
from workbench.formats import convert_circuit, load_circuit, save_circuit
from workbench.plugins import Catalogue

CODE = """
import json
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.formats.catalogue import Format

def matches(value):
    return isinstance(value, dict) and "kept" in value

def read(document):
    return Circuit.from_edges(Graph(*document.value["shape"]), document.value["kept"])

def write(circuit):
    shape = [circuit.graph.n_layers, circuit.graph.n_heads]
    return json.dumps({"shape": shape, "kept": circuit.edges()})

def losses(circuit):
    return ("Scores are left out.",)

def read_lines(document):
    layers, heads, *edges = document.value.split()
    return Circuit.from_edges(Graph(int(layers), int(heads)), edges)

def write_lines(circuit):
    return "\\n".join([str(circuit.graph.n_layers), str(circuit.graph.n_heads), *circuit.edges()])

HERE = __name__
PLAIN = Format("plain", "a list", f"{HERE}:matches", f"{HERE}:read", f"{HERE}:write",
               f"{HERE}:losses")
LINES = Format("lines", "lines", f"{HERE}:matches", f"{HERE}:read_lines", f"{HERE}:write_lines",
               suffix=".edges", is_json=False)
"""

CIRCUIT = Circuit.from_edges(Graph(2, 2), ["input->a0.h1<v>", "a0.h1->m1", "m1->logits"])


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(tmp_path)
    points = {"formats": {"plain": "plug_format:PLAIN", "lines": "plug_format:LINES"}}
    make_package(tmp_path, "plug_format", CODE, points)
    anew = Catalogue("formats", "format", formats.Format, formats.BUILT_IN)
    monkeypatch.setattr(formats, "FORMATS", anew)
    yield
    clear_plugins()


@pytest.mark.parametrize(("name", "file"), [("plain", "c.json"), ("lines", "c.edges")])
def test_it_is_written_and_read(tmp_path: Path, name: str, file: str) -> None:
    save_circuit(CIRCUIT, tmp_path / file, name)
    assert load_circuit(tmp_path / file, Graph(2, 2)) == CIRCUIT
    with pytest.raises(WorkbenchError, match="another model"):
        load_circuit(tmp_path / file, Graph(2, 3))
    assert convert_circuit(tmp_path / file, tmp_path / "ours.json") == ()
    assert load_circuit(tmp_path / "ours.json") == CIRCUIT


def test_what_it_loses_is_told(tmp_path: Path) -> None:
    save_circuit(CIRCUIT, tmp_path / "ours.json")
    lost = convert_circuit(tmp_path / "ours.json", tmp_path / "c.json", "plain")
    assert lost == ("Scores are left out.",)


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"choose circuit, eap-ig, .*lines or plain"):
        save_circuit(CIRCUIT, tmp_path / "c.json", "no-such")
    with pytest.raises(WorkbenchError, match="no circuit file"):
        (tmp_path / "c.json").write_text('{"a": 1}')
        load_circuit(tmp_path / "c.json")
