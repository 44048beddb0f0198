"""Edges at roles in a session: one command each, undone, replayed, compared, told in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.pair import Pair
from tests.support.cases.session_cases import fresh_metric, new_session, tiny
from tests.support.toy_session import CLEAN, CORRUPTED, NAMES, SHARES, toy_session, weights
from workbench.circuits.circuit import Circuit
from workbench.circuits.comparison import compare
from workbench.circuits.graph import Graph
from workbench.circuits.names import at_role
from workbench.circuits.parts import circuit_of_parts, drop_parts, edge_of, on_prompts
from workbench.errors import WorkbenchError
from workbench.session.changed_parts import changed_parts
from workbench.session.command import Command
from workbench.session.commands import SetReference
from workbench.session.kept_states import Packed
from workbench.session.proposal import accepted, proposed
from workbench.session.recorded import RecordedSession
from workbench.session.rule_commands import ExpandAll
from workbench.session.session import Session
from workbench.session.start import resume_session
from workbench.session.state import Change, State

GRAPH = Graph(4, 2)
EDGE = "m0->a2.h1<k>"
LIVE = tuple(SHARES)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with toy_session(tmp_path, layers=4, heads=2)[0] as made:
        made.keep_all("logits")
        made.keep_all("a2.h1")
        yield made


def at(session: Session, edge: str = EDGE) -> tuple[str, ...] | None:
    return session.circuit.at.kept.get(edge)


def kept_in_journal(session: Session) -> Circuit:
    recorded = RecordedSession.read(session.path)
    return recorded.circuit(recorded.history.present)


def test_a_role_is_dropped_and_kept_alone(session: Session) -> None:
    before = session.status()
    status = session.toggle(f"{EDGE}@S2")
    lost = SHARES["S2"] * float(weights(GRAPH)[GRAPH.parse_edge(EDGE)])
    assert status.circuit_metric == pytest.approx(before.circuit_metric - lost, abs=1e-5)
    assert (status.edges, status.at_roles) == (before.edges, 1)
    assert status.message == f"Dropped {EDGE}@S2."
    assert at(session) == tuple(name for name in NAMES if name != "S2")
    assert session.toggle(f"{EDGE}@S2").message == f"Kept {EDGE}@S2."
    assert at(session) is None and session.circuit.has(EDGE)
    session.toggle(EDGE)
    assert session.toggle(f"{EDGE}@END").message == f"Kept {EDGE}@END."
    assert at(session) == ("END",) and session.circuit.parts().count(f"{EDGE}@END") == 1
    assert session.toggle(EDGE).message == f"Dropped {EDGE}."
    assert at(session) is None and not session.circuit.has(EDGE)
    session.undo()
    assert at(session) == ("END",)
    session.reopen("a2.h1", "k")
    assert at(session) is None
    session.undo()
    assert at(session) == ("END",) and kept_in_journal(session) == session.circuit


def test_candidates_at_roles_have_values_of_their_own(session: Session) -> None:
    assert session.candidates("a2.h1", by_role=True) == [] and not session.estimated_by_role
    assert session.sweep("a2.h1", by_role=True)
    rows = {row.edge: row for row in session.candidates("a2.h1", by_role=True)}
    whole = {row.edge: row for row in session.candidates("a2.h1")}
    assert rows.keys() == {f"{edge}@{role}" for edge in whole for role in LIVE}
    for edge, row in whole.items():
        parts = [rows[f"{edge}@{role}"] for role in LIVE]
        assert sum(part.eap for part in parts) == pytest.approx(row.eap, abs=1e-5)
        assert all(part.kept and part.at == (role,) for part, role in zip(parts, LIVE, strict=True))
        assert row.exact is None and all(part.exact is not None for part in parts)
    session.toggle(f"{EDGE}@END")
    rows = {row.edge: row for row in session.candidates("a2.h1", by_role=True)}
    assert [rows[f"{EDGE}@{role}"].kept for role in LIVE] == [True, True, False]
    assert rows[f"{EDGE}@S2"].exact is not None, "in the full model it does not depend on that"
    assert {"along", "within"} <= {s for s in ("along", "within") if session.sweep("m1", setting=s)}
    assert session.drop_costs(by_role=True)
    costs = {row.edge: row.drop_cost for row in session.candidates("a2.h1", by_role=True)}
    assert costs[f"{EDGE}@END"] is None and costs[f"{EDGE}@S2"] is not None


def test_what_the_logits_read_is_not_told_apart(session: Session) -> None:
    session.estimate_by_role()
    assert {row.edge for row in session.candidates("logits", by_role=True)} == {
        row.edge for row in session.candidates("logits")
    }


def test_a_threshold_goes_by_role(session: Session) -> None:
    session.estimate_by_role()
    rows = session.candidates("a1.h0", by_role=True)
    sizes = sorted((abs(row.eap) for row in rows), reverse=True)
    session.set_threshold((sizes[6] + sizes[7]) / 2)
    strongest = {row.edge for row in rows if abs(row.eap) > session.threshold}
    assert session.preview("a1.h0", by_role=True) == len(strongest) == 7
    done = session.expand("a1.h0", by_role=True)
    into = {name for name in session.circuit.parts() if "->a1.h0<" in name}
    assert into == strongest
    edges = len({edge_of(name) for name in into})
    assert done.message == f"Expanded a1.h0: {edges} edges kept, {edges} at some roles."
    session.keep_all("a1.h0")
    assert not any("->a1.h0<" in edge for edge in session.circuit.at.kept)
    session.keep_above("a1.h0", by_role=True)
    assert {name for name in session.circuit.parts() if "->a1.h0<" in name} == strongest
    # By whole edges, what passes stays at its roles.
    session.keep_above("a1.h0")
    stayed = {edge for edge in session.circuit.at.kept if "->a1.h0<" in edge}
    assert stayed and stayed <= {edge_of(name) for name in strongest}


def test_an_open_input_is_closed_on_edges_at_roles(session: Session) -> None:
    session.set_threshold(1e9)
    status = session.toggle("m0->a1.h1<q>@S2")
    assert [name for name in session.circuit.parts() if "->a1.h1<q>" in name] == ["m0->a1.h1<q>@S2"]
    assert "switched: 1 edge kept, 1 at some roles" in status.message


def test_a_node_comes_back_at_its_roles(session: Session) -> None:
    session.toggle(f"{EDGE}@S2")
    before = session.circuit
    session.toggle_node("m0")
    assert not session.circuit.at and not session.circuit.has(EDGE)
    session.toggle_node("m0")
    assert session.circuit == before


def test_expanding_all_by_role_is_one_command(session: Session) -> None:
    session.clear()
    status = session.expand_all("top-k", 4, by_role=True)
    assert status.closed and status.at_roles > 0
    command = session.log[-1].command
    assert isinstance(command, ExpandAll)
    for step in command.steps:
        into = [n for n in session.circuit.parts() if n.split("->")[1].startswith(step.node)]
        assert len(into) == step.edges <= 4
    assert "at some roles" in command.describe()
    assert kept_in_journal(session) == session.circuit
    session.undo()
    assert session.circuit == Circuit.start(GRAPH)
    assert session.expand_all("threshold", 0.05, setting="full", by_role=True).at_roles > 0
    session.undo()
    assert session.expand_all("loss", 0.2, by_role=True).closed


edges = st.sampled_from(["m0->a2.h1<k>", "input->a2.h1<k>", "m0->a1.h0<q>", "m1->m2", "a0.h0->m1"])
roles = st.sampled_from(["", "IO", "S2", "END"])
step = st.one_of(
    st.tuples(st.just("toggle"), st.builds(at_role, edges, roles)),
    st.tuples(
        st.sampled_from(["reopen", "keep_all", "toggle_node", "expand by role", "drop_all"]),
        st.sampled_from(["a2.h1", "a1.h0", "m1", "m0"]),
    ),
    st.tuples(st.sampled_from(["undo", "redo", "clear"]), st.just("")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, max_size=12))
def test_random_edits_are_undone_redone_and_replayed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    session, engine = toy_session(tmp_path_factory.mktemp("s"), layers=4, heads=2)
    with session:
        session.keep_all("logits")
        for what, on in steps:
            try:
                if what == "expand by role":
                    session.expand(on, by_role=True)
                else:
                    getattr(session, what)(*([on] if on else []))
            except WorkbenchError:
                pass
        end = session.circuit
        assert set(end.at.kept) <= set(end.edges())
        assert session.status().circuit_metric == pytest.approx(engine.evaluate(end).metric)
        assert kept_in_journal(session) == end
        n_done = len(session.commands())
        while session.status().can_undo:
            session.undo()
        assert session.circuit == Circuit.start(GRAPH) and not session.circuit.at.kept
        for _ in range(n_done):
            session.redo()
        assert session.circuit == end and session.circuit.at.names == NAMES
        assert Packed.of(session._history.state).unpacked(session._history.state).circuit == end


def state(*parts: str) -> State:
    return State(circuit_of_parts(GRAPH, parts, NAMES), 0.1)


def test_a_change_is_told_read_and_taken_back() -> None:
    one, other = state(EDGE, "m0->m1@S2", "m0->m2"), state(f"{EDGE}@END", "m0->m1", "m1->m2@S2")
    change = Change.between(one, other)
    assert change.edits_circuit and change.roles == NAMES
    assert change.apply(one).circuit == other.circuit
    assert change.inverse().apply(other).circuit == one.circuit
    assert Change.from_json(json.loads(json.dumps(change.to_json()))) == change
    assert [change.keeps(name) for name in ("m0->m1", "m0->m1@END", "m1->m2@S2", EDGE)] == [
        *(True, True, True, False)
    ]
    kept, dropped = changed_parts(change)
    others = [name for name in NAMES if name != "S2"]
    assert kept == ["m1->m2@S2", *(f"m0->m1@{role}" for role in others)]
    assert dropped == ["m0->m2", *(f"{EDGE}@{role}" for role in NAMES if role != "END")]
    with pytest.raises(WorkbenchError, match="at other roles than were then"):
        replace(change, added=(), removed=()).apply(other)
    lost = replace(change, added=())
    with pytest.raises(WorkbenchError, match="it is not kept"):
        lost.apply(one)
    left = Change(removed=("m0->m1",))
    with pytest.raises(WorkbenchError, match="at roles that was dropped"):
        left.apply(one)
    with pytest.raises(WorkbenchError, match="not the record of a change"):
        Change.from_json({"at": [["m0->m1", "S2"]]})


def test_a_journal_of_before_has_no_roles() -> None:
    line = {
        "command": "toggle",
        "edge": "m0->m1",
        "setting": "full",
        "change": {"added": ["m0->m1"]},
    }
    command = Command.from_json(line)
    assert command.change.at == () and command.to_json() == line
    reference = {"command": "reference", "path": "c.json", "edges": ["m0->m1"], "open": []}
    found = Command.from_json(reference)
    assert isinstance(found, SetReference) and found.reference(GRAPH).circuit.edges() == ["m0->m1"]


def test_roles_of_no_pair_are_refused(session: Session) -> None:
    before = session.circuit
    for name in (f"{EDGE}@XX", f"{EDGE}@s2"):
        with pytest.raises(WorkbenchError, match=r"no pair has it; there are \.\.IO, IO"):
            session.toggle(name)
        with pytest.raises(WorkbenchError, match="no pair has it"):
            session.expand("a1.h0", keep=["m0->a1.h0<k>@XX"])
    assert session.circuit == before


def test_a_reference_is_compared_role_by_role(session: Session) -> None:
    session.estimate_by_role()
    mine = session.circuit
    others = mine.copy()
    drop_parts(others, [f"{EDGE}@S2"])
    compared = compare(mine, others)
    assert compared.at_other_roles == (EDGE,) and compared.edges.missing == ()
    command = SetReference.of(Path("c.json"), others)
    again = Command.from_json(json.loads(json.dumps(command.to_json())))
    assert isinstance(again, SetReference) and again.reference(GRAPH).circuit == others
    session._perform(command, 0.0)
    rows = {row.edge: row.reference for row in session.candidates("a2.h1", by_role=True)}
    assert [rows[f"{EDGE}@{role}"] for role in LIVE] == ["extra", "both", "both"]
    session.toggle(f"{EDGE}@S2")
    session.toggle(f"{EDGE}@END")
    rows = {row.edge: row.reference for row in session.candidates("a2.h1", by_role=True)}
    assert [rows[f"{EDGE}@{role}"] for role in LIVE] == [None, "both", "missing"]


def test_a_proposal_goes_role_by_role_where_roles_differ() -> None:
    one, found = state(EDGE, "m0->m1@S2"), state(f"{EDGE}@END", "m0->m1@S2", "m0->m2")
    rows = proposed(one.circuit, found.circuit, weights(GRAPH), ())
    dropped = [f"{EDGE}@{role}" for role in NAMES if role != "END"]
    assert [row.edge for row in rows] == ["m0->m2", *dropped]
    assert [row.keep for row in rows] == [True] + [False] * len(dropped)
    assert accepted(one, found.circuit, ["m0->m2", *dropped]).circuit == found.circuit
    assert [r.edge for r in proposed(one.circuit, found.circuit, weights(GRAPH), dropped)] == [
        "m0->m2"
    ]


def test_the_snippet_rebuilds_the_roles(session: Session) -> None:
    session.toggle(f"{EDGE}@S2")
    text = session.snippet()
    wanted = [
        line for line in text.splitlines() if line.startswith(("circuit", "from workbench.c"))
    ]
    scope = {"Circuit": Circuit, "model": session.loaded_model}
    start = text.index("circuit = ")
    exec("from workbench.circuits.edge_roles import EdgeRoles", scope)
    exec(text[start : text.index("\nprint")], scope)
    assert scope["circuit"] == session.circuit and len(wanted) >= 2


def test_the_tree_has_roles_beside_edges_or_in_rows(session: Session) -> None:
    session.toggle(f"{EDGE}@S2")
    (row,) = [row for row in session.tree() if row.edge == EDGE]
    assert row.at == tuple(name for name in NAMES if name != "S2")
    session.estimate_by_role()
    rows = [row for row in session.tree(by_role=True) if edge_of(row.edge or "") == EDGE]
    assert {row.edge for row in rows} == {f"{EDGE}@S2..END", f"{EDGE}@END"}
    assert [row.repeated for row in rows][1:] == [True]
    assert all(row.estimated for row in rows)
    assert session.sweep("a2.h1", by_role=True)
    known = [row for row in session.tree(by_role=True) if edge_of(row.edge or "") == EDGE]
    assert not any(row.estimated for row in known)
    assert CLEAN > CORRUPTED


def test_roles_that_no_pair_has_any_more_are_kept_for_when_they_come_back(tmp_path: Path) -> None:
    with new_session(tmp_path) as session:
        session.keep_all("logits")
        session.keep_all("a1.h0")
        # Without spans, roles are by what the prompts show.
        bare = [
            Pair(pair.corrupted, pair.clean, pair.wrong_answers, pair.answers)
            for pair in session.loaded_pairs
        ]
        session.toggle("m0->a1.h0<k>")
        session.toggle("m0->a1.h0<k>@S2")
        session.toggle("input->a1.h0<v>")
        session.toggle("input->a1.h0<v>@END")
        before, value = session.circuit, session.status().circuit_metric
        assert before.at.kept["m0->a1.h0<k>"] == ("S2",)
        for i, pair in enumerate(bare):
            session.pairs.change(i, pair)
        assert "S2" not in session.roles and session.circuit == before
        status = session.status()
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        here = on_prompts(session.circuit, session.roles)
        assert not here.has("m0->a1.h0<k>") and here.has("input->a1.h0<v>")
        assert session.sweep("a1.h0", by_role=True)
        session.toggle(f"m0->a1.h0<k>@{session.roles[0]}")
        assert session.circuit.at.kept["m0->a1.h0<k>"] == (session.roles[0], "S2")
        session.undo()
        assert session.circuit == before
        for _ in bare:
            session.undo()
        assert session.roles[-1] == "END" and "S2" in session.roles
        assert session.status().circuit_metric == pytest.approx(value, abs=1e-6)
        assert session.circuit == before


def test_an_edge_at_all_roles_of_the_pairs_left_is_told_apart_when_others_return(
    tmp_path: Path,
) -> None:
    with new_session(tmp_path) as session:
        session.keep_all("logits")
        session.keep_all("a1.h0")
        several = session.roles
        session.pairs.only(0)
        own = session.roles
        assert {*own} < {*several}
        session.undo()
        session.toggle("m0->a1.h0<k>")
        for role in own:
            session.toggle(f"m0->a1.h0<k>@{role}")
        before, value = session.circuit, session.status().circuit_metric
        status = session.pairs.only(0)
        assert session.roles == own
        assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
        session.toggle("input->a1.h0<v>@END")
        session.undo()
        session.undo()
        assert session.circuit == before
        assert session.status().circuit_metric == pytest.approx(value, abs=1e-6)
        session.redo()
        session.toggle("m0->a1.h0<k>@END")
        end = session.circuit
        session.close()
        with resume_session(session.path, model=tiny()[0]) as resumed:
            assert resumed.circuit == end


def test_roles_in_another_order_are_the_same_roles(tmp_path: Path) -> None:
    """What a journal says of an edge was written when other pairs gave the roles another order."""
    there = state("m0->m1@IO", "m0->m1@S1")
    turned = replace(there, circuit=replace(there.circuit, at=there.circuit.at.named(NAMES[::-1])))
    assert turned.circuit.at.kept["m0->m1"] != there.circuit.at.kept["m0->m1"]
    gone = there.with_edges(drop=["m0->m1"])
    assert not Change.between(there, turned)
    assert Change.between(there, gone).apply(turned) == gone


def test_a_file_with_a_role_of_no_pair_is_refused(session: Session, tmp_path: Path) -> None:
    circuit = circuit_of_parts(GRAPH, ["m0->m1@XX", "m1->logits"], ("XX", "END"))
    before = session.circuit
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("workbench.formats.chosen.load_chosen", lambda *_: circuit)
        with pytest.raises(WorkbenchError, match="cannot be at 'XX'"):
            session.load(tmp_path / "c.json")
    assert session.circuit == before
