"""What goes out of a session into files, and comes in from them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.cases.session_cases import (
    FAMILIES,
    expand_all,
    new_session,
    tiny,
)
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import load_circuit, save_circuit
from workbench.formats.chosen import FileSelection, load_chosen
from workbench.prompts.pair_json import pair_to_json
from workbench.session.commands import KeepAll, Undo
from workbench.session.export import MOST_COMMANDS, told_commands
from workbench.session.journal import read
from workbench.session.journals import list_sessions
from workbench.session.session import Session
from workbench.session.start import build_session, resume_session, start_session
from workbench.session.state import Change


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as made:
        yield made


def test_export_says_where_the_circuit_comes_from(session: Session, tmp_path: Path) -> None:
    expand_all(session)
    session.set_group("g", ["m0"], "role")
    session.note("", "on the whole")
    status = session.status()
    assert session.export(tmp_path / "out.json") == ()
    circuit = load_circuit(tmp_path / "out.json", session.graph)
    assert circuit == session.circuit
    assert circuit.groups == session.circuit.groups and circuit.notes == session.circuit.notes
    known = circuit.provenance
    assert known["model"]["name"] == "tiny gpt2"
    assert known["task"]["name"] == "ioi" and known["task"]["pairs"] == 6
    assert known["metric"]["name"] == "logit_diff"
    assert known["ablation"] == "patching" and known["seed"] == 0
    assert known["versions"]["torch"] and known["versions"]["python"]
    assert known["evaluation"]["faithfulness"] == status.faithfulness
    assert known["evaluation"]["edges"] == circuit.n_edges
    assert [step["command"] for step in known["commands"]][-2:] == ["group", "note"]
    assert circuit.scores is not None and session.circuit.scores is not None
    kept = circuit.mask
    assert np.allclose(circuit.scores[kept], session.circuit.scores[kept], atol=1e-6)
    assert np.isnan(circuit.scores[~kept]).all()


def test_export_for_eap_ig_has_every_edge(session: Session, tmp_path: Path) -> None:
    session.expand("logits")
    losses = session.export(tmp_path / "out.json", "eap-ig")
    assert any("open" in loss for loss in losses)
    edges = json.loads((tmp_path / "out.json").read_text())["edges"]
    assert len(edges) == session.graph.n_edges
    assert {name for name, edge in edges.items() if edge["in_graph"]} == set(
        session.circuit.edges()
    )


def test_what_is_exported_can_be_loaded_in_a_new_session(session: Session, tmp_path: Path) -> None:
    session.expand("logits")
    session.expand(session.frontier()[0])
    session.note("m0", "mine")
    session.export(tmp_path / "out.json")
    model, task = tiny()
    with build_session(
        model, task, journal=tmp_path / "2.jsonl", circuit=tmp_path / "out.json"
    ) as other:
        assert other.circuit == session.circuit and other.circuit.notes == {"m0": "mine"}
        assert other.status().circuit_metric == pytest.approx(
            session.status().circuit_metric, abs=1e-5
        )
        other.undo()
        assert other.circuit == Circuit.start(other.graph)


def test_a_circuit_of_another_model_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    save_circuit(Circuit.full(Graph(1, 1)), tmp_path / "other.json")
    model, task = tiny()
    with pytest.raises(WorkbenchError, match="another model"):
        build_session(model, task, journal=tmp_path / "2.jsonl", circuit=tmp_path / "other.json")
    assert not (tmp_path / "2.jsonl").exists()


def test_a_session_is_started_from_files_and_resumed_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_STATE", str(tmp_path / "state"))
    hf, tokenizer = FAMILIES["neox"]()
    hf.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    pairs = tiny("neox")[1].pairs
    (tmp_path / "task.jsonl").write_text(
        "\n".join(json.dumps(pair_to_json(pair)) for pair in pairs)
    )
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    session = start_session(
        "model",
        "task.jsonl",
        pairs=None,
        metric="prob_diff",
        device="cpu",
        progress=lambda message, fraction: said.append(message),
    )
    assert {"Running the prompts", "Estimating the effects of all edges"} <= set(said)
    assert session.task.n_pairs == len(pairs) and session.task.metric == "prob_diff"
    session.expand("logits")
    session.close()
    (tmp_path / "task.jsonl").unlink()  # the journal has the prompts
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with resume_session(list_sessions()[0].path) as resumed:
        assert resumed.circuit == session.circuit
        assert resumed.task == session.task
        metric = session.status().circuit_metric
        assert resumed.status().circuit_metric == pytest.approx(metric, abs=1e-6)


def test_every_command_is_one_line_of_the_journal(session: Session) -> None:
    session.expand("logits")
    session.undo()
    session.redo()
    entries = read(session.path).entries
    assert [entry["step"]["command"] for entry in entries] == ["expand", "undo", "redo"]
    assert [entry["n"] for entry in entries] == [1, 2, 3]
    assert entries[-1]["faithfulness"] == session.status().faithfulness


def test_a_circuit_selected_from_a_files_scores(session: Session, tmp_path: Path) -> None:
    scored = Circuit.empty(session.graph)
    scored.scores = np.random.default_rng(1).normal(size=scored.mask.shape).astype(np.float32)
    path = tmp_path / "importances.pt"
    save_circuit(scored, path, "eap-ig-pt")
    with pytest.raises(WorkbenchError, match="chooses no edge"):
        session.load(path)
    with pytest.raises(WorkbenchError, match="chooses no edge"):
        session.set_reference(path)
    selection = FileSelection(edges=20, select="greedy")
    status = session.load(path, selection)
    assert 0 < status.edges <= 20 and status.closed
    expected = load_chosen(path, session.graph, selection)
    assert session.circuit == expected
    path.unlink()
    assert session.undo().edges == 0 and session.redo().edges == status.edges


def test_a_file_tells_a_bounded_number_of_commands(session: Session, tmp_path: Path) -> None:
    """The way there may be long and wide; the file is of the circuit."""
    everything = Change(added=tuple(session.graph.edges()) * 40)
    done = [KeepAll(node="m2", inputs="qkv", change=everything), *[Undo()] * 300]
    told = told_commands([*done, KeepAll(node="m1", inputs="qkv", change=everything)])
    assert told[0] == {"left_out": len(done) + 1 - MOST_COMMANDS}
    assert len(told) == MOST_COMMANDS + 1
    assert told[-1]["change"] == {"added": len(everything.added)}
    assert len(json.dumps(told)) < 20_000
    assert told_commands([Undo()]) == [{"command": "undo"}]
