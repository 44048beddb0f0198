"""q, k and v of a head as one candidate: exact effects, estimates, keeping and dropping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.references.node import NodeReference
from tests.support.tiny_sessions import tiny_session
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import TOGETHER
from workbench.circuits.parts import members_of
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.errors import WorkbenchError
from workbench.session.session import Session
from workbench.session.start import resume_session

HEAD = "a2.h1"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    made = tiny_session(tmp_path)
    made.expand("logits", keep=[f"{HEAD}->logits", "m1->logits", "a1.h0->logits"])
    return made


def test_candidates_are_the_three_as_one_with_their_exact_effect(session: Session) -> None:
    single = {row.edge: row for row in session.candidates(HEAD)}
    rows = session.candidates(HEAD, TOGETHER)
    assert len(rows) == len(single) // 3
    for row in rows:
        members = members_of(session.graph, row.edge)
        assert row.edge == f"{row.source}->{HEAD}" and row.exact is None and row.open
        assert row.eap == pytest.approx(sum(single[name].eap for name in members), abs=1e-6)
    assert session.sweep(HEAD, TOGETHER)
    experiment = session._engine.experiment
    full = Evaluator(experiment, Circuit.full(session.graph))
    found = session.candidates(HEAD, TOGETHER)
    assert [abs(row.score) for row in found] == sorted((abs(r.score) for r in found), reverse=True)
    apart = 0.0
    for row in found:
        edit = Edit(toggle=tuple(members_of(session.graph, row.edge)))
        wanted = float(full.what_if([edit])[0].mean()) - experiment.clean.metric
        assert row.exact == pytest.approx(wanted, abs=1e-5)
    assert session.sweep(HEAD)
    exact = {row.edge: row.exact for row in session.candidates(HEAD)}
    for row in found:
        three = sum(exact[name] or 0.0 for name in members_of(session.graph, row.edge))
        apart = max(apart, abs(three - (row.exact or 0.0)))
    assert apart > 1e-4, "it is not the sum of the three"


def test_the_input_of_a_head_of_the_first_layer_is_all_that_it_reads_by_hooks(
    session: Session,
) -> None:
    """There q, k and v of a head together are the whole head: patching it is the same."""
    experiment = session._engine.experiment
    base = Evaluator(experiment, Circuit.empty(session.graph))
    ((_, found),) = edge_effects(base, ["input->a0.h1"])
    changes: list[float] = []
    for group in experiment.batch.groups:
        reference = NodeReference(experiment.model.hf, group.clean, group.corrupted)
        logits = reference.patched("a0.h1"), reference.clean_logits
        for row, (right, wrong) in enumerate(zip(group.answers, group.wrong_answers, strict=True)):
            one, other = (
                float(x[row, list(right)].mean() - x[row, list(wrong)].mean()) for x in logits
            )
            changes.append(one - other)
    assert found[0] == pytest.approx(np.mean(changes), abs=1e-5)


def test_within_the_circuit_it_is_all_three_dropped_less_all_three_kept(session: Session) -> None:
    session.expand(HEAD, keep=["m0->a2.h1<q>", "m0->a2.h1<v>", "input->a2.h1<k>"])
    for name in ("m0->a2.h1", "a0.h1->a2.h1", "m0->a1.h0"):
        members = members_of(session.graph, name)
        evaluator = Evaluator(session._engine.experiment, session.circuit)
        ((_, found),) = edge_effects(evaluator, [name], "within")
        without, whole = session.circuit.copy(), session.circuit.copy()
        for edge in members:
            s, d = session.graph.parse_edge(edge)
            if session.graph.destinations[d] in session.circuit.open:
                without.open -= {session.graph.destinations[d]}
                without.mask[: session.graph.n_parents(d), d] = True
            without.mask[s, d] = False
            whole.mask[s, d] = edge_is_closed = session.graph.destinations[d] not in whole.open
            assert edge_is_closed or name == "m0->a1.h0"
        wanted = evaluator.become(without).metric - evaluator.become(whole).metric
        assert found[0] == pytest.approx(wanted, abs=1e-5), name


def test_they_are_kept_and_dropped_as_one_with_one_undo(session: Session, tmp_path: Path) -> None:
    session.sweep(HEAD, TOGETHER)
    session.set_threshold(abs(session.candidates(HEAD, TOGETHER)[2].score) * 0.999)
    kept = {row.edge for row in session.candidates(HEAD, TOGETHER) if row.preview}
    assert len(kept) == session.preview(HEAD, TOGETHER) == 3
    session.expand(HEAD, TOGETHER)
    into = [edge for edge in session.circuit.edges() if f"->{HEAD}<" in edge]
    assert sorted(into) == sorted(e for name in kept for e in members_of(session.graph, name))
    assert {row.edge for row in session.candidates(HEAD, TOGETHER) if row.kept} == kept
    first = sorted(kept)[0]
    expected = session.if_inputs_toggled(first)
    status = session.toggle(first)
    assert status.circuit_metric == pytest.approx(expected[0], abs=1e-5)
    assert status.message.startswith(f"Dropped {first}")
    assert len([e for e in session.circuit.edges() if f"->{HEAD}<" in e]) == 6
    assert session.toggle(first).message.startswith(f"Kept {first}")
    session.toggle(f"{first}<k>")
    row = next(row for row in session.candidates(HEAD, TOGETHER) if row.edge == first)
    assert not row.kept, "not all three are"
    session.toggle(first)
    assert all(session.circuit.has(edge) for edge in members_of(session.graph, first))
    session.undo()
    assert not session.circuit.has(f"{first}<k>") and session.circuit.has(f"{first}<q>")
    session.redo()
    session.keep_above(HEAD, TOGETHER)
    assert session.drop_costs(together=HEAD)
    costs = {row.edge: row.drop_cost for row in session.candidates(HEAD, TOGETHER) if row.kept}
    for name, cost in costs.items():
        wanted = session.if_inputs_toggled(name)[0] - session.status().circuit_metric
        assert cost == pytest.approx(wanted, abs=1e-5)
    edges = session.circuit.edges()
    path = session.path
    session.close()
    again = resume_session(path, model=session._engine.model)
    assert again.circuit.edges() == edges


def test_of_an_open_head_all_of_its_inputs_are_closed_with_their_preview(session: Session) -> None:
    session.sweep(HEAD, TOGETHER)
    rows = session.candidates(HEAD, TOGETHER)
    session.set_threshold(abs(rows[1].score) * 0.999)
    session.toggle(rows[0].edge)  # which is previewed, and so goes
    assert {r.edge for r in session.candidates(HEAD, TOGETHER) if r.kept} == {rows[1].edge}
    session.undo()
    session.toggle(rows[3].edge)
    kept = {row.edge for row in session.candidates(HEAD, TOGETHER) if row.kept}
    assert kept == {rows[0].edge, rows[1].edge, rows[3].edge}


def test_what_cannot_be_together_is_refused(session: Session) -> None:
    session.estimate_by_role()
    with pytest.raises(WorkbenchError, match="not told apart by role"):
        session.candidates(HEAD, TOGETHER, by_role=True)
    with pytest.raises(WorkbenchError):
        session.toggle("m2->a1.h0")
    assert [row.edge for row in session.candidates("m1", TOGETHER)] == [
        row.edge for row in session.candidates("m1")
    ]
