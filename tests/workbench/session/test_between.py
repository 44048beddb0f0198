"""All edges from one group of nodes to another, as one command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cases.session_cases import fresh_metric, new_session, tiny
from workbench.errors import WorkbenchError
from workbench.session.commands import Command
from workbench.session.group_commands import members
from workbench.session.session import Session
from workbench.session.start import resume_session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return new_session(tmp_path)


def opened_all(session: Session) -> None:
    """Everything kept and nothing open."""
    for node in reversed(session.graph.nodes):
        if node != "input":
            session.keep_all(node)


def pairs_of(session: Session, sources: list[str], readers: list[str]) -> set[str]:
    """Every edge of the graph from one to the other, by its name."""
    ends = [f"{s}->{d}" for s in sources for r in readers for d in session.graph.destinations_of(r)]
    return set(ends) & set(session.graph.edges())


def test_edges_between_groups_are_dropped_and_come_back_with_one_undo(session: Session) -> None:
    opened_all(session)
    session.set_group("early", ["a0.h0", "a0.h1"])
    session.set_group("late", ["a1.h0", "m1"])
    before = set(session.circuit.edges())
    wanted = pairs_of(session, ["a0.h0", "a0.h1"], ["a1.h0", "m1"])
    assert session.edges_between(["early"], ["late"]) == (8, 8)
    assert len(wanted) == 2 * 3 + 2
    status = session.set_between(["early"], ["late"], "drop")
    assert set(session.circuit.edges()) == before - wanted
    assert session.edges_between(["early"], ["late"], "qv") == (0, 6)
    assert status.message == "Dropped 8 edges early → late."
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    session.undo()
    assert set(session.circuit.edges()) == before
    session.redo()
    kept = session.set_between(["early", "input"], ["late"], inputs="v")
    assert set(session.circuit.edges()) == before - {
        edge for edge in wanted if edge.endswith(("<q>", "<k>"))
    }
    assert kept.message.startswith("Kept all early, input → late<v>: 4 edges added")
    again = session.set_between(["early"], ["late"], inputs="v")
    assert again.message == "Nothing to change between them."


def test_keeping_closes_what_is_open_as_a_toggle_does(session: Session, tmp_path: Path) -> None:
    session.sweep("logits")
    preview = session.preview("logits")
    session.set_between(["m0", "a1.h0"], ["logits"])
    edges = set(session.circuit.edges())
    assert {"m0->logits", "a1.h0->logits"} <= edges
    assert "logits" not in session.circuit.open
    assert preview <= len(edges) <= preview + 2
    other = new_session(tmp_path / "other")
    for edge in ("m0->logits", "a1.h0->logits"):
        if not other.circuit.has(edge):
            other.toggle(edge)
            if not other.circuit.has(edge):  # the preview had it, and it was switched off
                other.toggle(edge)
    assert set(other.circuit.edges()) == edges
    other.close()


def test_dropping_leaves_open_destinations_alone(session: Session) -> None:
    session.expand("logits", keep=["m1->logits"])
    status = session.set_between(["input", "m0"], ["m1"], "drop")
    assert status.message == "Nothing to change between them."
    assert "m1" in session.circuit.open


def test_it_is_in_the_journal_and_resumed(session: Session) -> None:
    opened_all(session)
    session.set_between(["a0.h0"], ["m1", "logits"], "drop", inputs="qk")
    edges, path = session.circuit.edges(), session.path
    command = session.log[-1].command
    assert Command.from_json(command.to_json()) == command
    session.close()
    with resume_session(path, model=tiny()[0]) as resumed:
        assert resumed.circuit.edges() == edges
        resumed.undo()
        assert len(resumed.circuit.edges()) == len(edges) + 2


@pytest.mark.parametrize(
    ("sources", "readers", "how", "said"),
    [
        (["m1"], ["a0.h0"], {}, "No edge leads from the first to the second"),
        (["logits"], ["input"], {}, "No edge leads"),
        ([], ["m1"], {}, "on both sides"),
        (["a9.h9"], ["m1"], {}, "a9.h9"),
        (["m0"], ["a1.h0"], {"inputs": "z"}, "letters of 'qkv'"),
        (["m0"], ["a1.h0"], {"did": "flip"}, "kept or dropped"),
    ],
)
def test_what_is_refused(
    session: Session, sources: list[str], readers: list[str], how: dict[str, str], said: str
) -> None:
    before = session.circuit.edges()
    with pytest.raises(WorkbenchError, match=said):
        session.set_between(sources, readers, **how)
    assert session.circuit.edges() == before


def test_a_name_of_a_group_stands_for_its_nodes(session: Session) -> None:
    session.set_group("m1", ["a0.h0", "m0"])  # a group may be called as a node is
    assert members(session.circuit.groups, ["m1", "m0", "input"]) == ["a0.h0", "m0", "input"]
