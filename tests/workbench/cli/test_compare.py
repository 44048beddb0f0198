"""`workbench compare`: the numbers, the edges that differ, and one sentence for bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.circuits.graph import Graph
from workbench.cli import main
from workbench.formats import load_circuit, save_circuit
from workbench.models.bundled import KNOWN, WANTED, BundledModel, write_digests
from workbench.models.source import SHORT_NAMES

GRAPH = Graph(2, 2)
SHARED = ["input->a0.h1<v>", "a0.h1->m1", "m1->logits"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main.main([str(argument) for argument in ("compare", *arguments)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def saved(path: Path, circuit: Circuit) -> Path:
    save_circuit(circuit, path)
    return path


@pytest.fixture
def circuit(tmp_path: Path) -> Path:
    return saved(tmp_path / "found.json", Circuit.from_edges(GRAPH, [*SHARED, "m0->logits"]))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return saved(tmp_path / "true.json", Circuit.from_edges(GRAPH, [*SHARED, "input->m1"]))


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Path) -> BundledModel:
    """A bundled model whose true circuit is there, with nothing in its other files."""
    folder = tmp_path / "known"
    folder.mkdir()
    for name in WANTED:
        (folder / name).touch()
    (folder / "circuit.json").write_bytes(reference.read_bytes())
    write_digests(folder)
    model = BundledModel("known", "for tests", folder, circuit_of="induction")
    monkeypatch.setitem(SHORT_NAMES, "known", model)
    return model


def test_what_it_says(run: Run, circuit: Path, reference: Path) -> None:
    assert run(circuit, reference) == (
        0,
        "edges       3 of the reference's 4; 1 missing, 1 extra\n"
        "            recall 0.7500, precision 0.7500, Jaccard 0.6000\n"
        "nodes       4 of the reference's 4; 0 missing, 1 extra\n"
        "            recall 1.0000, precision 0.8000, Jaccard 0.8000\n"
        "\n"
        "missing: in the reference, not in the circuit\n"
        "  input->m1\n"
        "\n"
        "extra: in the circuit, not in the reference\n"
        "  m0->logits\n",
        "",
    )


def test_as_json(run: Run, circuit: Path, reference: Path) -> None:
    code, out, _ = run(circuit, reference, "--json")
    assert code == 0
    value = json.loads(out)
    assert value["edges"] == {
        "circuit": 4,
        "reference": 4,
        "recall": 0.75,
        "precision": 0.75,
        "jaccard": 0.6,
        "both": ["input->a0.h1<v>", "a0.h1->m1", "m1->logits"],
        "missing": ["input->m1"],
        "extra": ["m0->logits"],
        "undecided": [],
    }
    assert value["nodes"]["extra"] == ["m0"]
    assert (value["circuit"], value["reference"]) == (str(circuit), str(reference))


def test_edges_of_both_at_other_roles_are_told(run: Run, tmp_path: Path, reference: Path) -> None:
    circuit = load_circuit(reference)
    circuit.at = EdgeRoles(("S1", "S2", "END")).with_all({"m1->logits": ["END"]})
    at_role = saved(tmp_path / "at.json", circuit)
    code, out, _ = run(at_role, reference)
    assert code == 0
    assert out.splitlines()[-2:] == [
        "at other roles in the reference",
        "  m1->logits  END in the circuit, all",
    ]
    assert json.loads(run(reference, at_role, "--json")[1])["roles"] == {
        "m1->logits": {"circuit": None, "reference": ["END"]}
    }
    at_roles = json.loads(run(reference, at_role, "--json")[1])["at_roles"]
    assert at_roles["extra"] == ["m1->logits@S1", "m1->logits@S2"] and at_roles["missing"] == []
    assert "at roles    10 of the reference's 12; 2 missing, 0 extra\n" in out
    assert json.loads(run(reference, reference, "--json")[1])["at_roles"] is None
    assert "at other roles" not in run(at_role, at_role)[1]


def test_open_inputs_are_undecided(run: Run, tmp_path: Path, reference: Path) -> None:
    _, out, _ = run(saved(tmp_path / "start.json", Circuit.start(GRAPH)), reference)
    assert "0 of the reference's 4; 0 missing, 0 extra, 4 undecided" in out
    assert "recall 0.0000, precision undefined" in out
    assert "undecided: into an input that the other leaves open\n  input->a0.h1<v>\n" in out


@pytest.mark.usefixtures("known")
def test_a_model_brings_its_truth(run: Run, reference: Path, circuit: Path) -> None:
    assert run(reference, "known")[1].startswith("edges       4 of the reference's 4; 0 missing")
    assert run(circuit, "known") == run(circuit, reference)


def test_bad_input_is_one_sentence(
    run: Run, tmp_path: Path, circuit: Path, known: BundledModel
) -> None:
    other = saved(tmp_path / "other.json", Circuit.full(Graph(3, 2)))
    (tmp_path / "no.json").write_text("[]")
    for arguments, says in (
        ((circuit, other), "of another model, one with 3 layers"),
        ((circuit, tmp_path / "none.json"), "There is no file"),
        ((tmp_path / "no.json", circuit), "no circuit file"),
        ((circuit, "pocket"), "true circuit of the model pocket is not known"),
        ((circuit, "smollm2"), "true circuit of the model smollm2 is not known"),
        ((circuit,), "REFERENCE"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), arguments
        assert says in err
        assert "Traceback" not in err
    (known.folder / "circuit.json").write_text("{}")
    code, _, err = run(circuit, "known")
    assert code == 2 and "circuit.json is damaged" in err
    assert err.count("\n") == 1


def test_the_truth_that_comes_along_is_a_closed_circuit(run: Run) -> None:
    assert KNOWN.circuit is not None
    truth = load_circuit(KNOWN.circuit)
    assert truth.is_closed and truth.reaches_input
    assert "1.0000, precision 1.0000, Jaccard 1.0000" in run(KNOWN.circuit, "known")[1]
