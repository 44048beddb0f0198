"""q, k and v of a head together, and edges between groups at one role: one command each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cases.session_cases import fresh_metric, new_session, tiny
from workbench.circuits.names import at_role
from workbench.errors import WorkbenchError
from workbench.session.commands import Command
from workbench.session.session import Session
from workbench.session.start import resume_session

THREE = [f"m0->a1.h0<{which}>" for which in "qkv"]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = new_session(tmp_path)
    for node in reversed(made.graph.nodes):
        if node != "input":
            made.keep_all(node)
    return made


def test_the_three_go_and_come_as_one(session: Session) -> None:
    before = set(session.circuit.parts())
    metric, faithfulness = session.if_inputs_toggled("m0->a1.h0<k>")
    status = session.toggle_inputs("m0->a1.h0<k>")
    assert set(session.circuit.parts()) == before - set(THREE)
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    assert metric == pytest.approx(status.circuit_metric, abs=1e-5)
    assert faithfulness == pytest.approx(status.faithfulness, abs=1e-5)
    session.undo()
    assert set(session.circuit.parts()) == before
    session.toggle(THREE[1])
    # Not all of them are kept: the others come.
    session.toggle_inputs(THREE[0])
    assert set(session.circuit.parts()) == before
    session.toggle_inputs("m0->m1")
    assert set(session.circuit.parts()) == before - {"m0->m1"}


def test_at_one_role_it_is_these_three_there(session: Session) -> None:
    role, *others = session.roles
    before = set(session.circuit.parts())
    expected = session.if_inputs_toggled(at_role(THREE[2], role))
    status = session.toggle_inputs(at_role(THREE[2], role))
    left = {at_role(edge, other) for edge in THREE for other in others}
    assert set(session.circuit.parts()) == (before - set(THREE)) | left
    assert expected[0] == pytest.approx(status.circuit_metric, abs=1e-5)
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    command = session.log[-1].command
    assert Command.from_json(command.to_json()) == command
    assert status.message == f"Dropped all m0 → a1.h0 at {role}."
    path, parts = session.path, session.circuit.parts()
    session.close()
    with resume_session(path, model=tiny()[0]) as resumed:
        assert resumed.circuit.parts() == parts
        resumed.toggle_inputs(at_role(THREE[0], role))
        assert set(resumed.circuit.parts()) == before


def test_an_open_head_is_closed_as_a_toggle_does(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    session.keep_all("logits")
    expected = session.if_inputs_toggled(THREE[0])
    status = session.toggle_inputs(THREE[0])
    assert set(THREE) <= set(session.circuit.edges())
    assert not {f"a1.h0<{which}>" for which in "qkv"} & session.circuit.open
    assert expected[0] == pytest.approx(status.circuit_metric, abs=1e-5)


def test_edges_between_groups_at_one_role(session: Session) -> None:
    role = session.roles[-1]
    session.set_group("early", ["a0.h0", "m0"])
    every = session.edges_between(["early"], ["a1.h0", "m1"])[1]
    session.set_between(["early"], ["a1.h0", "m1"], "drop", role=role)
    assert session.edges_between(["early"], ["a1.h0", "m1"], role=role) == (0, every)
    assert session.edges_between(["early"], ["a1.h0", "m1"]) == (every, every)
    session.set_between(["early"], ["a1.h0", "m1"], role=role)
    assert not session.circuit.at
    with pytest.raises(WorkbenchError, match="cannot be at 'Z'"):
        session.set_between(["early"], ["m1"], "drop", role="Z")
