"""A session's reference: kept in its journal, no step of undo, and up to date after every edit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cases.session_cases import expand_all, new_session, tiny
from workbench.circuits.circuit import Circuit
from workbench.circuits.comparison import compare
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import save_circuit
from workbench.models.bundled import BundledModel
from workbench.models.bundled_circuits import truth
from workbench.models.source import SHORT_NAMES
from workbench.session.session import Session
from workbench.session.start import resume_session

GRAPH = Graph(3, 2)
EDGES = ["input->a0.h1<v>", "a0.h1->m1", "m1->logits", "m2->logits"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "true" / "circuit.json"
    path.parent.mkdir()
    save_circuit(Circuit.from_edges(GRAPH, EDGES), path)
    return path


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as session:
        yield session


def test_it_is_compared_after_every_edit(session: Session, file: Path) -> None:
    reference = session.reference
    assert session.comparison is None and reference is None
    status = session.set_reference(file)
    assert "4 edges" in status.message
    reference = session.reference
    assert reference is not None and reference.name == "true/circuit.json"
    for step in (
        lambda: session.expand("logits", keep=["m2->logits", "m0->logits"]),
        lambda: session.toggle("m1->logits"),
        lambda: session.undo(),
        lambda: session.keep_all("m2"),
        lambda: session.load(file),
        lambda: session.clear(),
        lambda: session.note("m2", "a note"),
        lambda: expand_all(session),
    ):
        step()
        assert session.comparison == compare(session.circuit, reference.circuit)
    session.remove_reference()
    assert session.comparison is None and session.reference is None
    assert "not compared" in session.remove_reference().message


def test_rows_and_candidates_say_where_they_stand(session: Session, file: Path) -> None:
    session.set_reference(file)
    session.expand("logits", keep=["m2->logits", "a2.h0->logits"])
    standing = {c.edge: c.reference for c in session.candidates("logits")}
    assert standing["m2->logits"] == "both"
    assert standing["m1->logits"] == "missing"
    assert standing["a2.h0->logits"] == "extra"
    assert standing["m0->logits"] is None
    rows = {row.name: row for row in session.tree(missing=True)}
    assert (rows["m2"].reference, rows["m2"].state) == ("both", "open")
    assert (rows["a2.h0"].reference, rows["a2.h0"].node_reference) == ("extra", "extra")
    assert (rows["m1"].reference, rows["m1"].state) == ("missing", "missing")
    assert [row.name for row in session.tree()] == [
        row.name for row in session.tree(missing=True) if row.state != "missing"
    ]
    session.remove_reference()
    assert {c.reference for c in session.candidates("logits")} == {None}
    assert {row.node_reference for row in session.tree(missing=True)} == {None}


def test_undo_and_redo_pass_it_by(session: Session, file: Path) -> None:
    session.expand("logits")
    session.toggle("m1->logits")
    session.undo()
    status = session.set_reference(file)
    assert status.can_undo and status.can_redo, "what was undone can still be brought back"
    before = session.commands()
    session.redo()
    assert session.reference is not None
    session.undo()
    session.undo()
    assert session.reference is not None and not session.status().can_undo
    session.redo()
    assert session.commands() == before, "it is no step"


def test_it_survives_the_end_of_the_session_and_of_its_file(session: Session, file: Path) -> None:
    session.expand("logits")
    session.set_reference(file)
    session.undo()
    session.redo()
    session.close()
    file.unlink()
    comparison = session.comparison
    with resume_session(session.path, model=tiny()[0]) as resumed:
        assert resumed.comparison == comparison is not None
        assert resumed.reference == session.reference
        resumed.remove_reference()
    with resume_session(session.path, model=tiny()[0]) as again:
        assert again.reference is None


def test_a_reference_with_open_inputs_keeps_them(session: Session, tmp_path: Path) -> None:
    half = Circuit.from_edges(GRAPH, ["m2->logits"])
    half.open = frozenset({"m2", "a2.h0<q>"})
    save_circuit(half, tmp_path / "half.json")
    session.set_reference(tmp_path / "half.json")
    session.close()
    with resume_session(session.path, model=tiny()[0]) as resumed:
        assert resumed.reference is not None and resumed.reference.circuit == half


def test_bad_references_change_nothing(session: Session, tmp_path: Path, file: Path) -> None:
    session.set_reference(file)
    size = session.path.stat().st_size
    save_circuit(Circuit.full(Graph(2, 2)), tmp_path / "other.json")
    for path, says in ((tmp_path / "none", "no file"), (tmp_path / "other.json", "another model")):
        with pytest.raises(WorkbenchError, match=says):
            session.set_reference(path)
    assert session.reference is not None and session.reference.path == str(file)
    assert session.path.stat().st_size == size


def test_a_broken_entry_is_named_by_its_line(session: Session, file: Path) -> None:
    session.set_reference(file)
    session.close()
    lines = session.path.read_text().splitlines()
    entry = json.loads(lines[1])
    entry["step"]["open"] = ["m9"]
    session.path.write_text("\n".join([lines[0], json.dumps(entry)]) + "\n")
    with pytest.raises(WorkbenchError, match=r"Line 2 .*m9"):
        resume_session(session.path, model=tiny()[0])


def test_the_truth_is_of_one_task(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    model = BundledModel("known", "for tests", file.parent, circuit_of="induction")
    monkeypatch.setitem(SHORT_NAMES, "known", model)
    assert truth("known", "induction") == file
    assert truth("known", "ioi") is None
    assert truth("pocket", "induction") is None
    assert truth("smollm2", "induction") is None
    file.unlink()
    assert truth("known", "induction") is None
