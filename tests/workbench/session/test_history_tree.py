"""The tree of states: nothing is forgotten, any state is built again exactly, undo is as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.cases.session_cases import fresh_metric, new_session, same, tiny
from tests.support.toy_session import toy_session
from tests.workbench.session.test_resume import agree
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.session import kept_states
from workbench.session.commands import (
    Command,
    GoTo,
    NameState,
    Note,
    Redo,
    SetThreshold,
    Toggle,
    Undo,
    joined,
)
from workbench.session.header import Header
from workbench.session.history import History
from workbench.session.journal import read
from workbench.session.session import Session
from workbench.session.start import replayed, resume_session
from workbench.session.state import Change, State
from workbench.session.state_rows import state_rows
from workbench.session.state_tree import Measured

GRAPH = Graph(2, 2)
EDGES = list(GRAPH.edges())


def closed() -> State:
    return State(Circuit.from_edges(GRAPH, EDGES[:4]), 0.5)


def toggle(state: State, edge: str) -> Command:
    kept = state.circuit.has(edge)
    change = Change(removed=(edge,)) if kept else Change(added=(edge,))
    return Toggle(edge=edge, setting="full", change=change)


def threshold(state: State, value: float) -> Command:
    after = replace(state, threshold=value)
    return SetThreshold(value=value, change=Change.between(state, after))


def note(state: State, text: str) -> Command:
    after = state.with_words(notes={"": text})
    return Note(target="", text=text, change=Change.between(state, after))


def do(history: History, command: Command) -> None:
    history.record(command, history.effect(command)[1])


class TwoStacks:
    """Undo and redo as they were before there was a tree, to hold the tree to."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.done: list[Command] = []
        self.undone: list[Command] = []

    def do(self, command: Command) -> bool:
        if isinstance(command, Undo):
            if not self.done:
                return False
            self.undone.append(self.done.pop())
            self.state = self.undone[-1].change.inverse().apply(self.state)
        elif isinstance(command, Redo):
            if not self.undone:
                return False
            self.done.append(self.undone.pop())
            self.state = self.done[-1].change.apply(self.state)
        else:
            self.undone.clear()
            self.state = command.change.apply(self.state)
            both = joined(self.done[-1], command) if self.done else None
            if both is None:
                self.done.append(command)
            else:
                self.done[-1] = both
        return True


STEPS = st.lists(
    st.tuples(st.sampled_from(["undo", "redo", "toggle", "threshold", "note"]), st.integers(0, 20)),
    max_size=40,
)


def made(state: State, what: str, number: int) -> Command:
    if what == "toggle":
        return toggle(state, EDGES[number % len(EDGES)])
    if what == "threshold":
        return threshold(state, 0.01 + 0.03 * number + state.threshold / 2)
    return {"undo": Undo(), "redo": Redo()}.get(what) or note(state, f"{number} {len(what)}")


@given(STEPS)
def test_without_go_to_undo_and_redo_are_those_of_two_stacks(steps: list[tuple[str, int]]) -> None:
    history, stacks = History(closed()), TwoStacks(closed())
    for what, number in steps:
        command = made(history.state, what, number)
        if isinstance(command, Note) and not command.change:
            continue
        if stacks.do(command):
            do(history, command)
        else:
            with pytest.raises(WorkbenchError, match="nothing to"):
                history.effect(command)
        assert agree(history.state, stacks.state)
        assert history.done == stacks.done
        assert (history.can_undo, history.can_redo) == (bool(stacks.done), bool(stacks.undone))
        # Redo leads where the two stacks lead, all the way.
        node = history.way()[-1]
        ahead = []
        while node.onward is not None:
            node = node.onward
            ahead.append(node.command)
        assert ahead == stacks.undone[::-1]


WALK = st.lists(
    st.tuples(
        st.sampled_from(["undo", "redo", "toggle", "toggle", "threshold", "note", "go", "name"]),
        st.integers(0, 40),
    ),
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WALK)
def test_any_state_of_the_tree_is_built_again_exactly(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(kept_states, "FIRST_SPACING", 2)
    monkeypatch.setattr(kept_states, "MOST", 3)
    history = History(closed())
    known = {0: history.state}
    journal: list[Command] = []
    for what, number in steps:
        entry = number % (history.n_entries + 1)
        command = made(history.state, what, number) if what not in ("go", "name") else None
        if what == "go":
            command = GoTo(state=entry)
        elif what == "name":
            command = NameState(state=entry, name=f"name {number}"[: number % 8])
        assert command is not None
        before = history.state
        try:
            change, after = history.effect(command)
        except WorkbenchError:
            continue
        assert agree(change.apply(before), after)
        assert history.describe(command)
        history.record(command, after)
        journal.append(command)
        known[history.present] = history.state
        assert agree(history.state, before) or history.present == history.n_entries or change
    for entry in range(history.n_entries + 1):
        assert agree(history.state_at(entry), known[history.number_of(entry)])
    assert len(history._kept) <= 3
    rows = state_rows(history)
    assert [row.n for row in rows] == sorted(known)
    by_number = {row.n: row for row in rows}
    for row in rows[1:]:
        assert row.parent is not None and row.parent < row.n
        assert row.depth == by_number[row.parent].depth + 1
        here, above = known[row.n], known[row.parent]
        assert agree(history.commands_to(row.n)[-1].change.apply(above), here)
    current = [row for row in rows if row.is_current]
    assert [row.n for row in current] == [history.present]
    on_path = [row for row in rows if row.on_current_path]
    assert [row.depth for row in on_path] == list(range(current[0].depth + 1))
    again = History(closed())
    for command in journal:  # as they come out of a journal
        again.replay(Command.from_json(json.loads(json.dumps(command.to_json()))), MEASURED)
    assert agree(again.state, history.state)
    assert [shape(row) for row in state_rows(again)] == [shape(row) for row in rows]
    for entry in range(history.n_entries + 1):
        assert agree(again.state_at(entry), history.state_at(entry))


MEASURED = Measured()


def shape(row: Any) -> tuple[Any, ...]:
    return (row.n, row.parent, row.branch, row.did, row.name, row.is_current, row.is_ahead)


def test_a_command_after_undo_begins_a_branch_and_redo_goes_where_one_was_last() -> None:
    history = History(closed())
    for text in ("one", "two", "three"):  # states 1, 2, 3
        do(history, note(history.state, text))
    do(history, Undo())
    do(history, Undo())  # entries 4, 5; at state 1
    do(history, note(history.state, "other"))  # state 6
    rows = {row.n: row for row in state_rows(history)}
    assert {n: row.parent for n, row in rows.items()} == {0: None, 1: 0, 2: 1, 3: 2, 6: 1}
    assert {n: row.branch for n, row in rows.items()} == {0: 0, 1: 0, 2: 0, 3: 0, 6: 1}
    assert not history.can_redo
    do(history, GoTo(state=3))
    assert history.state.circuit.notes[""] == "three"
    do(history, Undo())
    assert history.state.circuit.notes[""] == "two", "undo is one step up from there"
    do(history, Undo())
    do(history, Redo())
    do(history, Redo())
    assert history.state.circuit.notes[""] == "three", "redo goes along the branch left last"
    do(history, GoTo(state=0))
    rows = {row.n: row for row in state_rows(history)}
    assert [n for n, row in rows.items() if row.is_ahead] == [1, 2, 3]
    do(history, GoTo(state=4))  # an undo: the state that it led to
    assert history.present == 2


def test_thresholds_join_but_never_take_a_state_away_that_was_come_back_to() -> None:
    history = History(closed())
    do(history, threshold(history.state, 0.4))
    do(history, threshold(history.state, 0.3))  # joins: state 1
    assert [row.n for row in state_rows(history)] == [0, 1]
    assert history.number_of(2) == 1
    do(history, note(history.state, "below"))  # state 3
    do(history, Undo())
    do(history, threshold(history.state, 0.2))  # entry 5: beside state 1, which has a state below
    assert {row.n: row.parent for row in state_rows(history)} == {0: None, 1: 0, 3: 1, 5: 0}
    assert history.state_at(1).threshold == 0.3
    do(history, NameState(state=5, name="here"))
    do(history, threshold(history.state, 0.1))  # what has a name stays
    assert history.state_at(5).threshold == 0.2
    do(history, Undo())
    assert history.present == 5


def test_names_are_found_renamed_and_refused_twice() -> None:
    history = History(closed())
    do(history, note(history.state, "one"))
    do(history, NameState(state=1, name="first"))
    assert history.number_named("first") == 1 and history.called(1) == "state 1 'first'"
    with pytest.raises(WorkbenchError, match="has the name 'first' already"):
        history.effect(NameState(state=0, name="first"))
    do(history, NameState(state=1, name="other"))
    do(history, NameState(state=0, name="first"))
    assert (history.number_named("first"), history.called(0)) == (0, "the start 'first'")
    do(history, NameState(state=1, name=""))
    assert history.number_named("other") is None
    for number in (-1, 99):
        with pytest.raises(WorkbenchError, match="There is no state"):
            history.effect(GoTo(state=number))


def test_memory_has_a_bound_and_a_long_chain_breaks_nothing() -> None:
    history = History(closed())
    for i in range(20_000):
        command = toggle(history.state, EDGES[i % 2])
        history.replay(command, MEASURED)
    assert len(history._kept) <= kept_states.MOST
    kept = sorted(depth for depth, _ in history._kept._kept.values())
    assert max(b - a for a, b in pairwise(kept)) <= 256
    assert history.state_at(9_999).circuit != history.state_at(10_000).circuit
    del history


# In a session.


def test_going_to_a_state_is_exact_stays_in_the_journal_and_can_be_left_again(
    tmp_path: Path,
) -> None:
    session = new_session(tmp_path)
    session.expand("logits")  # 1
    session.toggle("m1->logits")  # 2
    left = session.circuit
    session.undo()  # 3
    session.drop_all("logits")  # 4
    status = session.go_to(2)
    assert status.message == "Went to state 2; state 4 stays on its branch."
    assert session.circuit == left
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    assert session.go_to(2).message == "This is state 2."
    session.name_state(4, "  nothing\nkept ")
    with pytest.raises(WorkbenchError, match="no state 99"):
        session.go_to(99)
    rows = {row.n: row for row in session.history()}
    assert rows[4].name == "nothing kept" and rows[2].is_current
    assert session.state_name(4) == "state 4 'nothing kept'"
    assert rows[1].change == pytest.approx((rows[1].faithfulness or 0) - 1)
    assert rows[4].faithfulness == pytest.approx(
        session._engine.experiment.faithfulness(fresh_metric(session, session.state_at(4)))
    )
    assert all(row.seconds is not None and row.when for row in list(rows.values())[1:])
    assert session.differences(1, 2).removed + session.differences(1, 2).added == ("m1->logits",)
    assert session.differences(2, 1) == session.differences(1, 2).inverse()
    session.close()
    with resume_session(session.path, model=tiny()[0]) as resumed:
        assert same(session, resumed)
        assert resumed.history() == session.history()
        assert (resumed.status().can_undo, resumed.status().can_redo) == (True, False)
        resumed.undo()
        assert resumed.status().can_redo


WALKS = st.lists(
    st.tuples(
        st.sampled_from(["expand", "toggle", "toggle_node", "undo", "redo", "go", "go", "load"]),
        st.integers(0, 200),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=WALKS, family=st.sampled_from(["gpt2", "neox"]))
def test_a_walk_over_the_tree_scores_as_a_fresh_evaluation_at_each_state(
    tmp_path: Path, steps: list[tuple[str, int]], family: str
) -> None:
    path = tmp_path / "journal.jsonl"
    path.unlink(missing_ok=True)
    with new_session(tmp_path, family) as session:
        graph = session.graph
        edges, nodes = list(graph.edges()), list(graph.nodes)
        for what, number in steps:
            try:
                if what == "go":
                    session.go_to(number % (session.n_entries + 1))
                elif what == "toggle":
                    session.toggle(edges[number % len(edges)])
                elif what in ("undo", "redo"):
                    getattr(session, what)()
                elif what == "load":
                    session.keep_all("logits")
                else:
                    getattr(session, what)(nodes[number % len(nodes)])
            except WorkbenchError:
                continue
            now = session.status().circuit_metric
            assert now == pytest.approx(fresh_metric(session), abs=1e-5)
        for row in session.history():
            circuit = session.state_at(row.n)
            metric = fresh_metric(session, circuit)
            share = session._engine.experiment.faithfulness(metric)
            assert row.faithfulness == pytest.approx(share, abs=1e-4)
            assert row.edges == circuit.n_edges


def test_a_journal_of_an_older_version_gives_a_tree_too(tmp_path: Path) -> None:
    session = session_with_branches(tmp_path)
    session.close()
    lines = session.path.read_text().splitlines()
    entries = [json.loads(line) for line in lines[1:]]
    old = [e for e in entries if e["step"]["command"] not in ("go-to", "name-state")]
    for n, entry in enumerate(old, start=1):
        entry["n"] = n
        del entry["seconds"]
    session.path.write_text("\n".join([lines[0], *map(json.dumps, old)]) + "\n")
    reading = read(session.path)
    history = replayed(Header.from_json(reading.header), reading, session.path)
    rows = state_rows(history)
    assert {row.n: row.parent for row in rows} == {0: None, 1: 0, 2: 1, 4: 1}
    assert [row.seconds for row in rows] == [None] * 4
    made = (old[0], old[1], old[3])
    assert [row.faithfulness for row in rows[1:]] == [entry["faithfulness"] for entry in made]


JOURNALS = Path(__file__).with_name("journals")


def test_a_real_journal_of_the_version_before_the_tree_resumes_after_each_line(
    tmp_path: Path,
) -> None:
    """Written by that version, with what its session was after each command."""
    path = tmp_path / "old.jsonl"
    lines = (JOURNALS / "without_tree.jsonl").read_text(encoding="utf-8").splitlines()
    states = json.loads((JOURNALS / "without_tree.states.json").read_text(encoding="utf-8"))
    assert len(states) == len(lines)
    for n, then in enumerate(states):
        path.write_text("\n".join(lines[: n + 1]) + "\n", encoding="utf-8")
        reading = read(path)
        history = replayed(Header.from_json(reading.header), reading, path)
        circuit = history.state.circuit
        assert circuit.edges() == then["edges"] and sorted(circuit.open) == then["open"]
        assert (history.state.threshold, circuit.notes) == (then["threshold"], then["notes"])
        groups = [[g.name, g.role, list(g.nodes)] for g in circuit.groups]
        assert groups == then["groups"]
        assert [command.describe() for command in history.done] == then["commands"]
        assert (history.can_undo, history.can_redo) == (then["can_undo"], then["can_redo"])
        assert history.measured(n).faithfulness == pytest.approx(then["faithfulness"])
    # What it had forgotten is there again, each state as it was right after its command.
    for row in state_rows(history):
        circuit = history.state_at(row.n).circuit
        if row.n and lines[row.n].find('"threshold","value"') < 0:
            assert circuit.edges() == states[row.n]["edges"]
    assert len([row for row in state_rows(history) if not row.on_current_path]) >= 5


def session_with_branches(folder: Path) -> Session:
    """States 0, 1, 2 and, beside 2, 4 with a name; it is at 2."""
    session, _ = toy_session(folder, layers=3, heads=2)
    session.expand("logits", keep=["m2->logits"])
    session.drop_all("logits")
    session.undo()
    session.keep_all("logits")
    session.name_state(4, "all")
    session.go_to(2)
    return session
