"""Expanding all that is open by a rule: each rule against its definition, worked out anew here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cases.assessment_cases import MAKERS, made_model, made_task
from tests.support.cases.session_cases import FAMILIES, fresh_metric, new_session, same, tiny
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import LOGITS
from workbench.errors import WorkbenchError
from workbench.session.commands import ExpandAll
from workbench.session.expander import Progressed
from workbench.session.rules import RULES
from workbench.session.session import Session
from workbench.session.start import build_session, resume_session
from workbench.session.views import Status

SETTINGS = ("eap", "full", "along", "within")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path) as made:
        yield made


def nearest_open(session: Session) -> str | None:
    """The open node nearest to the logits among those that reach them."""
    nodes = session.frontier()
    order = session.graph.nodes.index
    return max(nodes, key=order) if nodes else None


def by_hand(session: Session, threshold: float, setting: str) -> Status:
    session.set_threshold(threshold)
    while (node := nearest_open(session)) is not None:
        session.expand(node, setting=setting)
    return session.status()


def last(session: Session) -> ExpandAll:
    command = session._history.done[-1]
    assert isinstance(command, ExpandAll)
    return command


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_threshold_is_what_one_does_by_hand(tmp_path: Path, family: str, setting: str) -> None:
    with new_session(tmp_path, family, "hand.jsonl") as hand:
        value = hand.threshold / 2
        wanted = by_hand(hand, value, setting)
    with new_session(tmp_path, family) as session:
        status = session.expand_all("threshold", value, setting=setting)
        assert session.circuit == hand.circuit
        assert 0 < status.edges < session.graph.n_edges
        assert status.closed and not session.frontier()
        assert status.circuit_metric == pytest.approx(wanted.circuit_metric, abs=1e-5)
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        assert last(session).steps[-1].faithfulness == pytest.approx(status.faithfulness, abs=1e-5)
        assert len(last(session).steps) == len(hand.commands()) - 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_threshold_of_the_session_is_meant_where_none_is_said(
    tmp_path: Path, family: str
) -> None:
    with new_session(tmp_path, family) as session:
        session.set_threshold(0.123)
        session.expand_all()
        assert last(session).value == 0.123


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("k", [1, 3])
def test_the_k_strongest_edges_into_each_node(tmp_path: Path, family: str, k: int) -> None:
    with new_session(tmp_path, family) as session:
        session.expand_all("top-k", k)
        circuit, graph, score = session.circuit, session.graph, session.circuit.scores
        assert score is not None
        expanded = {step.node for step in last(session).steps}
        assert expanded == {graph.node_of(d) for d in graph.destinations if d not in circuit.open}
        for node in expanded:
            into = {
                graph.edge_name(s, d): abs(float(score[s, d]))
                for d in map(graph.destination_index, graph.destinations_of(node))
                for s in range(graph.n_parents(d))
            }
            best = sorted(into, key=lambda edge: -into[edge])[:k]
            kept = {edge for edge in circuit.edges() if edge in into}
            assert kept == {edge for edge in best if into[edge] > 0}
        assert session.status().circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    family=st.sampled_from(tuple(FAMILIES)),
    loss=st.one_of(st.just(0.0), st.floats(1e-4, 1.5)),
    before=st.lists(st.tuples(st.integers(0, 10**6), st.booleans()), max_size=4),
    setting=st.sampled_from(("eap", "full")),
)
def test_no_more_than_the_loss_is_lost(
    tmp_path_factory: pytest.TempPathFactory,
    family: str,
    loss: float,
    before: list[tuple[int, bool]],
    setting: str,
) -> None:
    with new_session(tmp_path_factory.mktemp("loss"), family) as session:
        edges = list(session.graph.edges())
        for place, closing in before:  # from anywhere, not from the start alone
            edge = edges[place % len(edges)]
            if closing:
                session.toggle(edge)
            else:
                session.expand(session.graph.node_of(edge.partition("->")[2]))
        first, begun = session.status(), session.circuit
        status = session.expand_all("loss", loss, setting=setting)
        assert first.faithfulness is not None and status.faithfulness is not None
        lost = abs(1 - status.faithfulness) - abs(1 - first.faithfulness)
        assert lost <= max(loss, 2e-4)
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        assert set(begun.edges()) <= set(session.circuit.edges())
        if begun == Circuit.start(session.graph):
            assert status.closed  # with all edges nothing is lost: every node can be expanded


@pytest.mark.parametrize("family", FAMILIES)
def test_a_larger_loss_allows_a_smaller_circuit(tmp_path: Path, family: str) -> None:
    with new_session(tmp_path, family) as session:
        sizes = []
        for loss in (0.0, 0.1, 0.5, 5.0):
            sizes.append(session.expand_all("loss", loss).edges)
            assert all(step.faithfulness is not None for step in last(session).steps)
            assert session.circuit.pruned() == session.circuit  # dead ends are not kept
            session.undo()
        assert sizes[0] > sizes[-1]
        assert sizes[1] < session.graph.n_edges


def test_what_is_closed_and_kept_already_stays(session: Session) -> None:
    session.expand("logits", keep=["m2->logits", "a1.h0->logits"])
    session.expand("m2", keep=[])
    session.expand_all("top-k", 2)
    circuit = session.circuit
    into_logits = {edge for edge in circuit.edges() if edge.endswith("->logits")}
    assert into_logits == {"m2->logits", "a1.h0->logits"}
    assert not [edge for edge in circuit.edges() if edge.endswith("->m2")]
    assert {step.node for step in last(session).steps}.isdisjoint({"logits", "m2"})


@pytest.mark.parametrize("rule", RULES)
def test_one_undo_takes_all_back_and_it_resumes(tmp_path: Path, rule: str) -> None:
    with new_session(tmp_path) as session:
        session.expand("logits")
        before, status = session.circuit, session.status()
        session.expand_all(rule)
        after = session.circuit
        assert after != before and len(session.commands()) == 2
        session.undo()
        assert session.circuit == before
        assert session.status().circuit_metric == pytest.approx(status.circuit_metric, abs=1e-6)
        session.redo()
        assert session.circuit == after
        steps = last(session).steps
        session.close()
        with resume_session(session.path, model=tiny()[0]) as again:
            assert same(again, session)
            assert last(again).steps == steps
            assert again.commands() == session.commands()


def test_progress_goes_from_the_logits_backward(session: Session) -> None:
    told: list[Progressed] = []
    session.expand_all("threshold", 0.0, progress=told.append)
    assert told[0].node == LOGITS and told[0].steps == () and told[0].fraction == 0
    assert told[-1].node is None and told[-1].fraction == 1
    assert [p.fraction for p in told] == sorted(p.fraction for p in told)
    assert told[-1].steps == last(session).steps
    assert told[-1].edges == session.status().edges == session.graph.n_edges
    names = [step.node for step in told[-1].steps]
    assert names == [n for n in reversed(session.graph.nodes) if n in names]
    assert session.status().seconds > 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("family", MAKERS)
def test_prompts_of_different_lengths(tmp_path: Path, family: str, rule: str) -> None:
    with build_session(made_model(family), made_task(), journal=tmp_path / "j.jsonl") as session:
        assert len(session._engine.batch.groups) > 1
        status = session.expand_all(rule, setting="within" if rule == "threshold" else "full")
        assert status.closed and status.edges
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        cuts = session.pruner.cuts()
        share = session.pruner.faithfulness(cuts, len(cuts.levels) // 2)
        status = session.pruner.prune(cuts, len(cuts.levels) // 2)
        assert status.faithfulness == pytest.approx(share, abs=1e-5)
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)


class StopAfter:
    """Is set once so many steps were told."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0

    def told(self, progressed: Progressed) -> None:
        self.done = len(progressed.steps)

    def is_set(self) -> bool:
        return self.done >= self.steps


@pytest.mark.parametrize("rule", RULES)
def test_what_is_stopped_keeps_a_beginning_of_the_whole(tmp_path: Path, rule: str) -> None:
    with new_session(tmp_path) as session:
        session.expand_all(rule, setting="full")
        whole, steps = session.circuit, last(session).steps
        session.undo()
        stop = StopAfter(2)
        status = session.expand_all(rule, setting="full", progress=stop.told, cancel=stop)
        assert last(session).steps == steps[:2]
        assert "Stopped after 2 nodes" in status.message and "still open" in status.message
        part = session.circuit
        closed = {session.graph.node_of(d) for d in set(session.graph.destinations) - part.open}
        assert closed == {step.node for step in steps[:2]}
        assert set(part.edges()) >= {
            edge
            for edge in whole.edges()
            if session.graph.node_of(edge.partition("->")[2]) in closed
        }
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        session.expand_all(rule, setting="full")  # goes on where it was stopped
        assert session.status().closed
        session.undo()
        session.undo()
        assert session.circuit == Circuit.start(session.graph)


def test_stopped_before_anything_is_done(session: Session) -> None:
    stop = threading.Event()
    stop.set()
    status = session.expand_all(cancel=stop)
    assert "before the first node" in status.message
    assert not session.commands() and not status.can_undo


def test_nothing_left_to_expand(session: Session) -> None:
    session.expand_all("threshold", 0.0)
    assert "Nothing is left" in session.expand_all("top-k").message
    assert len(session.commands()) == 1


def test_a_command_that_edits_ends_it_and_comes_after_it(session: Session) -> None:
    def edit(progressed: Progressed) -> None:
        if len(progressed.steps) == 2 and session.expander.running:
            session.note("m0", "a note does not end it")
            assert session.expander.running
            session.toggle("m0->m1")
            assert not session.expander.running

    status = session.expand_all("threshold", 0.0, progress=edit)
    first, second, third = session._history.done
    assert isinstance(second, ExpandAll) and len(second.steps) == 2
    assert (first.kind, third.kind) == ("note", "toggle")
    assert "Stopped after 2 nodes" in status.message
    assert session.status().circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    session.undo()
    session.undo()
    assert session.circuit == Circuit.start(session.graph)
    assert session.circuit.notes == {"m0": "a note does not end it"}


def test_undo_while_it_runs_takes_it_back(session: Session) -> None:
    session.expand("logits")
    before = session.circuit

    def undo(progressed: Progressed) -> None:
        if len(progressed.steps) == 1 and session.expander.running:
            session.undo()

    session.expand_all("threshold", 0.0, progress=undo)
    assert session.circuit == before
    assert len(session.commands()) == 1 and session.status().can_redo


def test_closing_keeps_what_it_has(tmp_path: Path) -> None:
    session = new_session(tmp_path)

    def close(progressed: Progressed) -> None:
        if len(progressed.steps) == 3 and session.expander.running:
            session.close()

    session.expand_all("threshold", 0.0, progress=close)
    with resume_session(session.path, model=tiny()[0]) as again:
        assert len(last(again).steps) == 3
        assert again.status().circuit_metric == pytest.approx(fresh_metric(again), abs=1e-5)


def test_others_read_and_sweep_meanwhile(session: Session) -> None:
    """Their numbers are of the session's circuit, not of what is being tried."""
    session.expand("logits")
    edges = session.circuit.edges()
    session.drop_costs()
    costs = {c.edge: c.drop_cost for c in session.candidates("logits") if c.edge in edges}
    session.toggle(edges[0])
    session.toggle(edges[0])  # what was computed is stale, and computed anew below

    def look(progressed: Progressed) -> None:
        if len(progressed.steps) == 2 and session.expander.running:
            assert session.drop_costs()
            now = {c.edge: c.drop_cost for c in session.candidates("logits") if c.edge in edges}
            assert now == {edge: pytest.approx(cost, abs=1e-5) for edge, cost in costs.items()}
            assert session.circuit.edges() == edges

    session.expand_all("top-k", 2, progress=look)
    assert session.status().closed


def test_two_at_once_are_refused(session: Session) -> None:
    def another(progressed: Progressed) -> None:
        with pytest.raises(WorkbenchError, match="under way"):
            session.expand_all()

    session.expand_all("top-k", 1, progress=another)
    assert not session.expander.running


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize("steps", [0, 2])
def test_a_failure_in_the_middle(
    session: Session, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    session.expand("logits", keep=["m2->logits", "m1->logits"])
    before = session.circuit
    scratch = session._engine.scratch

    def failing(circuit: Circuit) -> object:
        made = scratch(circuit)
        evaluator = made._at()
        done: list[Circuit] = []
        becoming = evaluator.becoming

        def fails(circuit: Circuit) -> object:
            if len(done) == steps:
                raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            done.append(circuit)
            return becoming(circuit)

        monkeypatch.setattr(evaluator, "becoming", fails)
        return made

    monkeypatch.setattr(session._engine, "scratch", failing)
    if steps == 0:
        with pytest.raises(WorkbenchError, match="not enough memory"):
            session.expand_all("threshold", 0.0)
        assert session.circuit == before and len(session.commands()) == 1
    else:
        status = session.expand_all("threshold", 0.0)
        assert status.message.endswith("There was not enough memory to go on.")
        assert len(last(session).steps) == 2
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    assert not session.expander.running
    monkeypatch.undo()
    session.expand_all("threshold", 0.0)
    assert session.status().closed


@pytest.mark.parametrize(
    ("rule", "value", "setting", "says"),
    [
        ("best", None, "eap", "no rule"),
        ("top-k", 0, "eap", "1 or more"),
        ("top-k", 2.5, "eap", "whole number"),
        ("threshold", -1.0, "eap", "0 or more"),
        ("loss", float("nan"), "eap", "finite"),
        ("threshold", None, "nearly", "no setting"),
    ],
)
def test_what_there_is_not_is_refused(
    session: Session, rule: str, value: float | None, setting: str, says: str
) -> None:
    with pytest.raises(WorkbenchError, match=says):
        session.expand_all(rule, value, setting=setting)
    assert not session.expander.running and not session.commands()


def test_exact_effects_in_the_full_model_are_kept(session: Session) -> None:
    session.expand_all("top-k", 1, setting="full")
    graph = session.graph
    for step in last(session).steps:
        assert all(c.exact is not None for c in session.candidates(step.node))
    assert np.isnan(session._effects.exact("full")).sum() > 0
    assert session._effects.exact("full").shape == (graph.n_sources, graph.n_destinations)


def test_going_to_another_state_ends_it(session: Session) -> None:
    session.expand("logits")

    def go(progressed: Progressed) -> None:
        if len(progressed.steps) == 2 and session.expander.running:
            session.go_to(0)

    session.expand_all("threshold", 0.0, progress=go)
    assert session.circuit == Circuit.start(session.graph)
    session.redo()
    session.redo()
    assert len(last(session).steps) == 2
