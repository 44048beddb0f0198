"""Discoveries in a session: driven in pieces, held, set against the circuit, taken or refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.support.cases.session_cases import fresh_metric, new_session, tiny
from tests.support.slow_methods import SlowMethod, give_method
from workbench.circuits.circuit import Circuit
from workbench.discovery.options import SEED, Options, steps
from workbench.discovery.selection import Selection
from workbench.errors import Cancelled, WorkbenchError
from workbench.formats import load_circuit
from workbench.session.journal import read
from workbench.session.session import Session
from workbench.session.start import resume_session

TOP = Selection(n=12)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as made:
        yield made


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowMethod:
    return give_method(monkeypatch)


def best(scores: np.ndarray, n: int, session: Session) -> set[str]:
    """Names of the n edges of largest |score|, by sorting names."""
    graph = session.graph
    size = {edge: abs(scores[graph.parse_edge(edge)]) for edge in graph.edges()}
    return set(sorted(size, key=lambda edge: -size[edge])[:n])


def test_what_is_found_is_held_and_stands_beside_the_candidates(session: Session) -> None:
    before, status = session.circuit, session.status()
    fractions: list[float] = []
    held = session.discoveries.run("eap", selection=TOP, on_piece=fractions.append)
    assert fractions[-1] == 1.0 and held.complete and held.fraction == 1.0 and not held.failure
    assert (held.number, held.name, held.method) == (1, "eap", "eap")
    assert session.discoveries.results == (held,) and session.discoveries.shown is held
    assert session.circuit.scores is not None
    chosen = best(session.circuit.scores, 12, session)
    assert set(held.circuit.edges()) == set(
        Circuit.from_edges(session.graph, sorted(chosen)).pruned().edges()
    )
    assert held.selected.asked == 12 and held.circuit.n_edges <= 12
    assert held.metric == pytest.approx(fresh_metric(session, held.circuit), abs=1e-6)
    task = session.task
    span = task.model_metric - task.corrupted_metric
    assert held.metric is not None
    assert held.faithfulness == pytest.approx((held.metric - task.corrupted_metric) / span)
    assert session.circuit == before and session.status() == status, "nothing is changed by it"
    for candidate in session.candidates("m2"):
        assert candidate.found == pytest.approx(candidate.eap, rel=1e-5)
        assert candidate.proposed == held.circuit.has(candidate.edge)


def test_options_reach_the_method(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = give_method(monkeypatch, options=(steps(5), SEED))
    options = Options(steps=7, seed=3)
    held = session.discoveries.run("slow", options, TOP)
    assert slow.told == [options] and held.options == options
    with pytest.raises(WorkbenchError, match="does not heed"):
        session.discoveries.run("slow", Options(threshold=0.1), TOP)


def test_a_cancelled_one_is_partial_and_of_use(session: Session, slow: SlowMethod) -> None:
    cancel = threading.Event()

    def cancel_at_three(fraction: float) -> None:
        if slow.pieces >= 3:
            cancel.set()

    held = session.discoveries.run("slow", selection=TOP, cancel=cancel, on_piece=cancel_at_three)
    assert slow.pieces == 3 and not held.complete and held.failure == ""
    assert held.fraction == pytest.approx(3 / session.graph.n_destinations)
    known = np.isfinite(held.found.edges).any(axis=0)
    assert known.sum() == 3
    assert session.candidates("logits")[0].found is not None
    assert session.candidates("m0")[0].found is None
    assert session.discoveries.take(held.number).edges == held.circuit.n_edges > 0


def test_one_that_is_stopped_before_it_found_anything_is_not_held(
    session: Session, slow: SlowMethod
) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        session.discoveries.run("slow", selection=TOP, cancel=cancel)
    assert session.discoveries.results == () and session.discoveries.shown is None


def test_what_a_closed_session_finds_is_not_written(session: Session, slow: SlowMethod) -> None:
    def close_halfway(fraction: float) -> None:
        if fraction > 0.5:
            session.close()

    with pytest.raises(Cancelled):
        session.discoveries.run("slow", selection=TOP, on_piece=close_halfway)
    assert not session.path.with_suffix(".found").exists()


def test_a_method_that_fails_in_the_middle(session: Session, slow: SlowMethod) -> None:
    slow.fails_at = 4
    held = session.discoveries.run("slow", selection=TOP)
    assert not held.complete and "the method broke" in held.failure
    assert held.fraction == pytest.approx(4 / session.graph.n_destinations)
    slow.fails_at = 0
    with pytest.raises(WorkbenchError, match="the method broke"):
        session.discoveries.run("slow", selection=TOP)
    assert session.discoveries.results == (held,)
    session.expand("logits")


def test_commands_come_between_two_pieces(session: Session, slow: SlowMethod) -> None:
    edges = []

    def edit(fraction: float) -> None:
        if slow.pieces == 2:
            edges.append(session.toggle("m1->logits").edges)

    assert session.discoveries.run("slow", selection=TOP, on_piece=edit).complete
    assert session.status().edges == edges[0]


def test_a_command_from_another_thread_waits_for_one_piece(
    session: Session, slow: SlowMethod
) -> None:
    cancel, at = threading.Event(), []
    thread = threading.Thread(
        target=lambda: session.discoveries.run("slow", selection=TOP, cancel=cancel)
    )
    slow.gate.clear()
    thread.start()

    def command() -> None:
        session.expand("logits")
        at.append(slow.pieces)
        cancel.set()

    assert slow.begun.wait(20)
    other = threading.Thread(target=command)
    other.start()
    other.join(0.2)
    assert other.is_alive(), "a piece is under way"
    slow.gate.set()
    other.join(10)
    thread.join(10)
    assert at and at[0] <= 1


@pytest.mark.parametrize(
    ("method", "selection", "words"),
    [
        ("no-such", TOP, "There is no method"),
        ("eap", None, "say how a circuit is to be selected"),
        ("search", TOP, "select nothing"),
        ("nodes", Selection("greedy", n=3), "not selected greedily"),
        ("zeroes", TOP, "for the ablation zero alone"),
    ],
)
def test_what_does_not_suit_is_refused_before_anything_is_computed(
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    selection: Selection | None,
    words: str,
) -> None:
    made = [
        give_method(monkeypatch, "search", "search"),
        give_method(monkeypatch, "nodes", "nodes"),
        give_method(monkeypatch, "zeroes", ablations=("zero",)),
    ]
    with pytest.raises(WorkbenchError, match=words):
        session.discoveries.run(method, selection=selection)
    assert session.discoveries.results == () and all(not m.told for m in made)


def test_of_a_search_the_circuit_is_its_own(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_method(monkeypatch, "search", "search")
    held = session.discoveries.run("search")
    assert held.selection is None and held.selected.asked is None
    assert held.found.kept is not None
    assert not (held.circuit.mask & ~held.found.kept).any()
    with pytest.raises(WorkbenchError, match="select nothing"):
        session.discoveries.select_again(held.number, TOP)


def test_scores_of_nodes_give_a_circuit_and_stand_beside_the_edges_out_of_them(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_method(monkeypatch, "nodes", "nodes")
    held = session.discoveries.run("nodes", selection=Selection(n=4))
    assert held.circuit.n_edges > 0
    scores = held.found.nodes
    assert scores is not None
    for candidate in session.candidates("logits"):
        assert candidate.found == scores[session.graph.source_index(candidate.source)]
    assert any(candidate.proposed for candidate in session.candidates("logits"))


def test_several_are_held_switched_between_and_removed(session: Session, slow: SlowMethod) -> None:
    first = session.discoveries.run("eap", selection=TOP)
    second = session.discoveries.run("slow", selection=TOP)
    third = session.discoveries.run("eap", selection=Selection(n=30))
    assert [held.name for held in session.discoveries.results] == ["eap", "slow", "eap (3)"]
    assert session.discoveries.shown is third
    session.discoveries.show(second.number)
    found = {c.edge: c.found for c in session.candidates("m2")}
    d = session.graph.destination_index("m2")
    assert found["input->m2"] == second.found.edges[0, d]
    session.discoveries.remove(second.number)
    assert session.discoveries.results == (first, third) and session.discoveries.shown is third
    session.discoveries.show(None)
    assert session.candidates("m2")[0].found is None and session.discoveries.proposal() == []
    for call in (session.discoveries.show, session.discoveries.remove, session.discoveries.take):
        with pytest.raises(WorkbenchError, match="No result 2 is held"):
            call(2)


def test_another_selection_of_the_same_scores_runs_nothing(
    session: Session, slow: SlowMethod
) -> None:
    held = session.discoveries.run("slow", selection=Selection("greedy", n=20))
    session.discoveries.refuse([session.discoveries.proposal()[0].edge])
    pieces = len(slow.told)
    other = session.discoveries.select_again(held.number, Selection("threshold", threshold=0.4))
    assert len(slow.told) == pieces
    assert other.found is held.found and other.number == held.number
    assert other.circuit.n_edges != held.circuit.n_edges and other.refused == frozenset()
    assert other.metric == pytest.approx(fresh_metric(session, other.circuit), abs=1e-6)
    assert session.discoveries.results == (other,) and session.discoveries.shown is other


def test_the_proposal_goes_from_the_logits_backward(session: Session) -> None:
    held = session.discoveries.run("eap", selection=Selection(n=40))
    session.expand("logits", keep=["m1->logits", "input->logits"])
    proposal = session.discoveries.proposal()
    graph, circuit = session.graph, session.circuit
    assert {p.edge for p in proposal} == set(held.circuit.edges()) ^ set(circuit.edges())
    for p in proposal:
        assert p.keep == held.circuit.has(p.edge)
        assert p.closes == (p.edge.partition("->")[2] in circuit.open)
    place = [graph.parse_edge(p.edge) for p in proposal]
    columns = [d for _, d in place]
    assert columns == sorted(columns, reverse=True)
    for (s, d), (t, e) in pairwise(place):
        assert d != e or abs(held.found.edges[s, d]) >= abs(held.found.edges[t, e])


def test_accepting_edge_by_edge_ends_at_the_proposal(session: Session) -> None:
    held = session.discoveries.run("eap", selection=Selection(n=40))
    session.expand("logits", keep=["m1->logits", "input->logits"])
    steps = 0
    while proposal := session.discoveries.proposal():
        first = proposal[0]
        metric, faithfulness = session.discoveries.if_accepted(first.edge)
        status = session.discoveries.accept([first.edge])
        assert status.circuit_metric == pytest.approx(metric, abs=1e-5)
        assert status.faithfulness == pytest.approx(faithfulness, abs=1e-4)
        assert session.circuit.has(first.edge) == first.keep
        steps += 1
    assert set(session.circuit.edges()) == set(held.circuit.edges())
    assert (
        session.commands()[-1].startswith("Kept ") and "as eap proposes" in session.commands()[-1]
    )
    for _ in range(steps):
        session.undo()
    assert set(session.circuit.edges()) == {"m1->logits", "input->logits"}
    assert (
        session.discoveries.accept([p.edge for p in session.discoveries.proposal()]).edges
        == held.circuit.n_edges
    )
    assert "edges as eap proposes" in session.commands()[-1]
    again = session.discoveries.accept([held.circuit.edges()[0]])
    assert "as proposed already" in again.message


def test_an_open_input_is_closed_on_the_accepted_edge_alone(session: Session) -> None:
    session.discoveries.run("eap", selection=Selection(n=40))
    first = session.discoveries.proposal()[0]
    assert first.closes
    session.discoveries.accept([first.edge])
    assert session.circuit.edges() == [first.edge]
    assert "logits" not in session.circuit.open


def test_what_is_refused_is_proposed_no_more_until_it_is_again(session: Session) -> None:
    session.discoveries.run("eap", selection=TOP)
    all_of_it = [p.edge for p in session.discoveries.proposal()]
    session.discoveries.refuse(all_of_it[:2])
    assert [p.edge for p in session.discoveries.proposal()] == all_of_it[2:]
    assert not any(c.proposed for c in session.candidates("logits") if c.edge in all_of_it[:2])
    session.discoveries.refuse(all_of_it[:1], False)
    assert [p.edge for p in session.discoveries.proposal()] == [all_of_it[0], *all_of_it[2:]]
    with pytest.raises(WorkbenchError):
        session.discoveries.refuse(["m9->logits"])


def test_taking_it_whole_is_one_undoable_command(session: Session) -> None:
    session.expand("logits")
    session.set_group("g", ["m1"], "a role")
    before = session.circuit
    held = session.discoveries.run("eap", selection=Selection(n=40))
    status = session.discoveries.take(held.number)
    assert session.circuit == held.circuit and status.closed
    assert status.circuit_metric == pytest.approx(held.metric, abs=1e-5)
    assert session.circuit.groups == before.groups
    assert session.commands()[-1] == "Took the circuit of eap."
    assert session.discoveries.proposal() == []
    assert "is this one" in session.discoveries.take(held.number).message
    session.undo()
    assert session.circuit == before
    session.redo()
    assert session.circuit == held.circuit


def test_all_of_it_is_there_after_a_kill(session: Session, slow: SlowMethod) -> None:
    eap = session.discoveries.run("eap", selection=Selection("greedy", n=20, signed=True))
    cancel = threading.Event()

    def cancel_late(fraction: float) -> None:
        if fraction > 0.4:
            cancel.set()

    partial = session.discoveries.run(
        "slow", Options(seed=4), TOP, cancel=cancel, on_piece=cancel_late
    )
    session.discoveries.show(eap.number)
    refused = session.discoveries.proposal()[1].edge
    session.discoveries.refuse([refused])
    session.discoveries.accept([session.discoveries.proposal()[0].edge])
    session.discoveries.take(partial.number)
    session.undo()
    proposal = session.discoveries.proposal()
    # A killed process closes nothing and leaves drafts and halves.
    folder = session.path.with_suffix(".found")
    (folder / "9.npz").write_bytes(b"half a resu")
    (folder / ".9.json.new").write_text("{")
    (folder / "8.json").write_text('{"name": "torn')
    session._journal.close()
    with resume_session(session.path, model=tiny()[0]) as resumed:
        assert "Result 8 cannot be read" in resumed.status().message
        assert "Result 9" not in resumed.status().message
        assert [held.name for held in resumed.discoveries.results] == ["eap", "slow"]
        for was, now in zip(
            (session.discoveries.results), resumed.discoveries.results, strict=True
        ):
            assert now.circuit == was.circuit
            assert np.array_equal(now.found.edges, was.found.edges, equal_nan=True)
            for field in (
                "number", "options", "selection", "fraction", "seconds", "failure", "metric",
                "faithfulness", "refused", "complete",
            ):  # fmt: skip
                assert getattr(now, field) == getattr(was, field), field
        assert resumed.discoveries.shown is resumed.discoveries.results[0]
        assert resumed.discoveries.proposal() == proposal and refused not in [
            p.edge for p in proposal
        ]
        assert resumed.circuit == session.circuit
        assert resumed.redo().edges == partial.circuit.n_edges
        resumed.discoveries.remove(1)
        assert resumed.discoveries.run("eap", selection=TOP).number == 10
    with resume_session(session.path, model=tiny()[0]) as again:
        assert [held.name for held in again.discoveries.results] == ["slow", "eap"]


def test_the_journal_knows_of_taking_and_accepting_only(session: Session) -> None:
    held = session.discoveries.run("eap", selection=TOP)
    assert read(session.path).entries == []
    session.discoveries.refuse([session.discoveries.proposal()[0].edge])
    edge = session.discoveries.proposal()[0].edge
    session.discoveries.accept([edge])
    session.discoveries.take(held.number)
    steps = [entry["step"] for entry in read(session.path).entries]
    assert [step["command"] for step in steps] == ["accept", "take"]
    assert steps[0]["result"] == "eap" and steps[0]["edges"] == [edge]


def test_a_result_is_exported_with_its_method_and_scores(session: Session, tmp_path: Path) -> None:
    held = session.discoveries.run("eap", selection=TOP)
    path = tmp_path / "found.json"
    session.discoveries.export(held.number, path)
    circuit = load_circuit(path, session.graph)
    assert circuit == held.circuit and circuit.scores is not None
    where = circuit.mask
    assert np.allclose(circuit.scores[where], held.found.edges[where])
    said = circuit.provenance
    assert said["discovery"]["method"] == "eap" and said["discovery"]["asked"] == 12
    assert said["evaluation"]["faithfulness"] == held.faithfulness
    assert session.exported == [path]


def test_a_full_disk_costs_the_resuming_only(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("workbench.session.result_files.save_findings", fails)
    held = session.discoveries.run("eap", selection=TOP)
    assert held.complete and "no space left" in held.failure
    assert session.discoveries.take(held.number).edges == held.circuit.n_edges
