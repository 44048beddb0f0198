"""Neurons in a session: commands with undo, the journal, files, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.cases.session_cases import fresh_metric, new_session
from workbench.circuits.circuit import Circuit
from workbench.errors import WorkbenchError
from workbench.formats import load_circuit, losses, save_circuit
from workbench.session.session import Session
from workbench.session.start import resume_session


@pytest.fixture(params=["gpt2", "llama"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path, request.param) as made:
        made.expand_all("top-k", 6)
        made.keep_all("logits")
        yield made


def test_a_neuron_is_dropped_and_kept_again_with_undo(session: Session) -> None:
    before, status = session.circuit, session.status()
    after = session.neurons.toggle("m1.n3")
    assert after.message.startswith("Dropped m1.n3")
    assert session.circuit.neurons["m1"] == tuple(n for n in session_range(session) if n != 3)
    assert after.circuit_metric == pytest.approx(fresh_metric(session, session.circuit), abs=1e-4)
    assert after.circuit_metric != status.circuit_metric
    assert session.neurons.toggle("m1.n3").circuit_metric == pytest.approx(
        status.circuit_metric, abs=1e-6
    )
    assert session.circuit == before, "all of them are as good as none named"
    session.undo()
    assert "m1" in session.circuit.neurons
    session.undo()
    assert session.circuit == before
    assert session.redo().circuit_metric == pytest.approx(after.circuit_metric, abs=1e-6)


def session_range(session: Session) -> range:
    return range(len(session.neurons.list("m1").rows))


def test_narrowing_is_one_command_and_survives_the_journal(session: Session) -> None:
    status = session.neurons.narrow("m1", [7, 2, 5], chosen="the 3 largest by effect")
    assert status.message == "Narrowed m1 to 3 neurons (the 3 largest by effect)."
    session.neurons.narrow("m0", [1])
    here, before = session.history()[-1].n, session.history()[-3].n
    session.go_to(before)
    assert session.circuit.neurons == {}
    session.go_to(here)
    circuit, path = session.circuit, session.path
    session.close()
    with resume_session(path, model=session.loaded_model) as again:
        assert again.circuit == circuit and again.circuit.neurons == circuit.neurons
        assert again.neurons.kept("m1") == (2, 5, 7)
        assert again.neurons.widen("m1").message == "m1 has all of its neurons again."
        assert again.neurons.widen("m1").message == "m1 has all of its neurons."


def test_files_hold_the_neurons_and_older_ones_are_as_they_were(
    session: Session, tmp_path: Path
) -> None:
    session.export(tmp_path / "before.json")
    assert '"version": 1' in (tmp_path / "before.json").read_text(encoding="utf-8")
    session.neurons.narrow("m1", [0, 4])
    assert session.export(tmp_path / "after.json") == ()
    text = (tmp_path / "after.json").read_text(encoding="utf-8")
    assert '"version": 2' in text and '"neurons": {"m1": [0, 4]}' in text
    read = load_circuit(tmp_path / "after.json")
    assert read == session.circuit and read.neurons == {"m1": (0, 4)}
    lost = session.export(tmp_path / "after.csv", "csv")
    assert any("which neurons of an MLP" in sentence for sentence in lost)
    for wrong, said in (
        (text.replace('"version": 2', '"version": 1'), "version 1, which knows no neurons"),
        (text.replace('"m1": [0, 4]', '"m1": [0, 0]'), "m1.n0 is listed twice"),
        (text.replace('"m1": [0, 4]', '"m1": [-1]'), "no neuron -1"),
        (text.replace('"m1": [0, 4]', '"a1.h0": [1]'), "a1.h0 has no neurons"),
    ):
        (tmp_path / "wrong.json").write_text(wrong, encoding="utf-8")
        with pytest.raises(WorkbenchError, match=said):
            load_circuit(tmp_path / "wrong.json")
    session.neurons.widen("m1")
    session.load(tmp_path / "after.json")
    assert session.neurons.kept("m1") == (0, 4)
    session.neurons.widen("m1")
    session.set_reference(tmp_path / "after.json")
    assert session.comparison is not None
    if "m1" in session.comparison.nodes.both:
        assert session.comparison.neurons == {"m1": (None, (0, 4))}
    assert session.reference is not None and session.reference.circuit.neurons == {"m1": (0, 4)}


def test_formats_without_neurons_say_so(tmp_path: Path, session: Session) -> None:
    circuit = Circuit.full(session.graph)
    for name in ("eap-ig", "eap-ig-pt", "csv", "neuronpedia"):
        before = losses(circuit, name)
        narrowed = circuit.copy()
        narrowed.neurons = {"m0": (1,)}
        assert len(losses(narrowed, name)) == len(before) + 1
    save_circuit(narrowed, tmp_path / "c.json")
    assert load_circuit(tmp_path / "c.json").neurons == {"m0": (1,)}


def test_bad_names_and_numbers_are_refused_and_change_nothing(session: Session) -> None:
    before = session.circuit
    for call in (
        lambda: session.neurons.toggle("m1"),
        lambda: session.neurons.toggle("m1.n9999"),
        lambda: session.neurons.toggle("m77.n1"),
        lambda: session.neurons.narrow("a0.h0", [1]),
        lambda: session.neurons.narrow("m0", [4, 5000]),
        lambda: session.neurons.narrow("m0", [-1]),
        lambda: session.neurons.list("logits"),
    ):
        with pytest.raises(WorkbenchError):
            call()
    assert session.circuit == before


def test_the_list_is_what_the_library_computes(session: Session) -> None:
    listed = session.neurons.list("m1")
    assert listed.direct_of_bias is not None and listed.direct_of_mlp is not None
    total = sum(row.direct or 0 for row in listed.rows) + listed.direct_of_bias
    assert total == pytest.approx(listed.direct_of_mlp, abs=1e-4)
    chosen = [row.neuron for row in listed.sorted_by("effect")[:4]]
    chunks: list[dict[int, float]] = []
    full = session.neurons.exact(listed, chosen, on_chunk=chunks.append)
    assert set(full) == set(chosen) and {n for chunk in chunks for n in chunk} == set(chosen)
    within = session.neurons.exact(listed, chosen, setting="within")
    here = session.status().circuit_metric
    for n in chosen[:2]:
        after = session.neurons.toggle(f"m1.n{n}").circuit_metric
        assert within[n] == pytest.approx(after - here, abs=1e-4)
        session.undo()
    session.neurons.narrow("m1", chosen)
    marked = session.neurons.marked(listed)
    assert [row.neuron for row in marked.rows if row.kept] == sorted(chosen)


def test_the_fewest_that_suffice_do_suffice(session: Session) -> None:
    listed = session.neurons.list("m1")
    found = session.neurons.sufficient(listed)
    assert found.faithfulness >= found.asked and len(found.neurons) <= found.of
    session.neurons.narrow("m1", found.neurons)
    share = session.status().faithfulness
    assert share == pytest.approx(found.faithfulness, abs=1e-4)
    with pytest.raises(WorkbenchError, match="ask for no more"):
        session.neurons.sufficient(listed, found.whole + 5)
    assert np.isfinite(found.whole)
