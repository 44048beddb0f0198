"""Effects of nodes in a session: kept, gone on with, stopped; nodes dropped together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_sessions import tiny_session
from workbench.effects.map_results import NodeMap
from workbench.effects.node_map import node_map
from workbench.effects.requests import MapRequest, RepairRequest, RoleRequest
from workbench.effects.role_map import role_map
from workbench.effects.role_map_results import RoleMap
from workbench.effects.self_repair import self_repair
from workbench.errors import Cancelled, WorkbenchError
from workbench.session.session import Session
from workbench.session.start import resume_session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with tiny_session(tmp_path) as made:
        yield made


@pytest.mark.parametrize("ablation", [None, "zero"])
def test_a_map_comes_in_pieces_and_is_kept(session: Session, ablation: str | None) -> None:
    request, seen = MapRequest("logits", ablation), list[NodeMap]()
    assert session.node_effects.known_map(request) is None
    found = session.node_effects.map(request, on_map=seen.append)
    assert seen[0].n_exact == 0 and seen[-1] is found and found.complete
    assert session.node_effects.known_map(request) is found
    assert session.node_effects.map(request) is found
    wanted = node_map(session._engine.experiment, "logits", ablation=ablation)
    np.testing.assert_allclose(found.exact, wanted.exact, atol=1e-6)


def test_a_map_that_was_stopped_goes_on(session: Session) -> None:
    stop, request = threading.Event(), MapRequest()

    def enough(found: NodeMap) -> None:
        if found.n_exact:
            stop.set()

    with pytest.raises(Cancelled):
        session.node_effects.map(request, cancel=stop, on_map=enough)
    known = session.node_effects.known_map(request)
    assert known is not None and 0 < known.n_exact < len(known.exact)
    seen: list[NodeMap] = []
    found = session.node_effects.map(request, on_map=seen.append)
    assert seen[0].n_exact >= known.n_exact, "it does not begin anew"
    wanted = node_map(session._engine.experiment)
    np.testing.assert_allclose(found.exact, wanted.exact, atol=1e-5)


def test_direct_and_total_effects_are_those_of_the_library(session: Session) -> None:
    wanted = self_repair(session._engine.experiment)
    assert session.node_effects.known_of("m0") is None
    one = session.node_effects.repair_of("a1.h0")
    assert [row.node for row in one.rows] == ["a1.h0"]
    assert one.rows[0].total == pytest.approx(wanted.row("a1.h0").total, abs=1e-5)
    found = session.node_effects.repair(RepairRequest())
    for mine, theirs in zip(found.rows, wanted.rows, strict=True):
        assert mine.total == pytest.approx(theirs.total, abs=1e-5)
        assert mine.direct == pytest.approx(theirs.direct, abs=1e-5)
    assert session.node_effects.repair_of("a1.h0") is found, "the whole table has it"
    direct = session.node_effects.direct()
    assert direct is not None
    np.testing.assert_allclose(direct.values, [row.direct for row in wanted.rows], atol=1e-5)
    assert direct.noticed == pytest.approx(wanted.rows[0].noticed, rel=1e-5)


def test_candidates_into_the_logits_tell_direct_effects_after_a_sweep(session: Session) -> None:
    assert all(c.direct is None for c in session.candidates("logits"))
    session.sweep("logits")
    wanted = self_repair(session._engine.experiment)
    for candidate in session.candidates("logits"):
        assert candidate.direct == pytest.approx(wanted.row(candidate.source).direct, abs=1e-5)
    assert all(c.direct is None for c in session.candidates("m2"))


def test_the_logits_have_no_row(session: Session) -> None:
    session.node_effects.repair(RepairRequest())
    assert session.node_effects.known_of("logits") is None
    for node in ("logits", "a9.h9"):
        with pytest.raises(WorkbenchError):
            session.node_effects.repair_of(node)


def test_other_pairs_have_effects_of_their_own(session: Session) -> None:
    before = session.node_effects.repair(RepairRequest())
    session.pairs.only(0)
    assert session.node_effects.known_repair(RepairRequest()) is None
    after = session.node_effects.repair(RepairRequest())
    assert after.n_pairs == 1 and before.n_pairs == 4
    assert after.row("m2").total != pytest.approx(before.row("m2").total, abs=1e-6)


def test_joint_effects(session: Session) -> None:
    found = session.node_effects.joint(["a1.h0", "m2"])
    alone = self_repair(session._engine.experiment, ["a1.h0", "m2", "a1.h0+m2"])
    assert found.alone == pytest.approx([r.metric for r in alone.rows[:2]], abs=1e-5)
    assert found.together == pytest.approx(alone.rows[2].metric, abs=1e-5)


def test_nodes_are_dropped_together_and_come_back_as_one(session: Session) -> None:
    session.keep_all("logits")
    session.keep_all("m2")
    before = session.circuit
    status = session.drop_together(["m2", "a1.h0"])
    assert "m2, a1.h0" in status.message
    edges = session.circuit.edges()
    assert not [e for e in edges if e.startswith(("m2->", "a1.h0->")) or e.endswith("->m2")]
    assert set(before.edges()) - set(edges) == {
        e for e in before.edges() if e.startswith(("m2->", "a1.h0->")) or e.endswith("->m2")
    }
    session.undo()
    assert session.circuit == before
    session.redo()
    assert session.circuit.edges() == edges
    session.toggle_node("m2")
    assert session.circuit.has("m2->logits"), "a node that was dropped so is restored by itself"


def test_what_is_open_is_closed_without_them(session: Session) -> None:
    session.set_threshold(0.0)
    assert "logits" in session.circuit.open
    session.drop_together(["m2", "a1.h0"])
    circuit = session.circuit
    assert "logits" not in circuit.open
    into = {e.partition("->")[0] for e in circuit.edges()}
    assert into == set(session.graph.sources) - {"m2", "a1.h0"}
    session.undo()
    assert "logits" in session.circuit.open


def test_it_is_there_again_after_resuming(tmp_path: Path) -> None:
    with tiny_session(tmp_path) as session:
        session.drop_together(["m2", "a1.h0"])
        circuit, path, model = session.circuit, session.path, session.loaded_model
    with resume_session(path, model=model) as again:
        assert again.circuit == circuit
        assert again.commands()[-1].startswith("Dropped m2, a1.h0 together")


@pytest.mark.parametrize("nodes", [[], ["logits"], ["a9.h9"], ["m0", "nothing"]])
def test_what_cannot_be_dropped_is_refused(session: Session, nodes: list[str]) -> None:
    before = session.circuit
    with pytest.raises(WorkbenchError):
        session.drop_together(nodes)
    assert session.circuit == before


def test_a_map_by_role_is_kept_and_goes_on_where_it_was_stopped(session: Session) -> None:
    stop, request = threading.Event(), RoleRequest("head", "zero")

    def enough(found: RoleMap) -> None:
        if found.done > 0:
            stop.set()

    with pytest.raises(Cancelled):
        session.node_effects.roles(request, cancel=stop, on_map=enough)
    known = session.node_effects.known_roles(request)
    assert known is not None and 0 < known.done < 1
    seen: list[RoleMap] = []
    found = session.node_effects.roles(request, on_map=seen.append)
    assert seen[0].done >= known.done, "it does not begin anew"
    wanted = role_map(session._engine.experiment, "head", ablation="zero")
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-5)
    assert session.node_effects.roles(request) is found
    with pytest.raises(WorkbenchError):
        session.node_effects.roles(RoleRequest("key"))
