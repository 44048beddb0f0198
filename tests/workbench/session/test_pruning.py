"""One cut through all kept edges: what it drops and what that scores, worked out anew here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.cases.session_cases import FAMILIES, fresh_metric, new_session, same, tiny
from workbench.circuits.circuit import Circuit
from workbench.discovery.selection import Selection
from workbench.errors import Cancelled, WorkbenchError
from workbench.session.commands import Prune
from workbench.session.pruning import COST, EFFECT, ESTIMATE
from workbench.session.session import Session
from workbench.session.start import resume_session


@pytest.fixture(params=FAMILIES)
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path, request.param) as made:
        made.expand_all("top-k", 4)
        yield made


def kept_from(session: Session, least: float) -> Circuit:
    """Edges whose |EAP estimate| is at least this, without dead ends."""
    circuit = session.circuit
    assert circuit.scores is not None
    sizes = {edge: abs(circuit.scores[circuit.graph.parse_edge(edge)]) for edge in circuit.edges()}
    dropped = [edge for edge, size in sizes.items() if size < least]
    left = circuit.copy()
    for edge in dropped:
        left.mask[circuit.graph.parse_edge(edge)] = False
    return left.pruned()


def test_every_cut_is_what_is_at_least_so_large_and_its_value_exact(session: Session) -> None:
    cuts = session.pruner.cuts(ESTIMATE)
    before, status = session.circuit, session.status()
    assert list(cuts.levels) == sorted(set(cuts.levels)) and cuts.unscored == 0
    for cut in range(0, len(cuts.levels), 5):
        wanted = kept_from(session, cuts.levels[cut])
        assert cuts.after(cut) == wanted
        share = session.pruner.faithfulness(cuts, cut)
        metric = fresh_metric(session, wanted)
        spread = status.model_metric - status.corrupted_metric
        assert share == pytest.approx((metric - status.corrupted_metric) / spread, abs=1e-4)
    assert session.circuit == before and session.status() == status


def test_a_cut_is_one_command(session: Session) -> None:
    before = session.circuit
    cuts = session.pruner.cuts()
    assert cuts.score == EFFECT
    cut = len(cuts.levels) // 2
    share = session.pruner.faithfulness(cuts, cut)
    status = session.pruner.prune(cuts, cut)
    command = session._history.done[-1]
    assert isinstance(command, Prune) and (command.score, command.cut) == (EFFECT, cuts.levels[cut])
    assert session.circuit == cuts.after(cut)
    assert status.faithfulness == pytest.approx(share, abs=1e-5)
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    assert status.dead_edges == 0 and "Pruned below" in command.describe()
    session.undo()
    assert session.circuit == before
    session.redo()
    session.close()
    model = next(tiny(f)[0] for f in FAMILIES if tiny(f)[0].name == session.model.name)
    with resume_session(session.path, model=model) as again:
        assert same(again, session)


def test_the_first_cut_takes_dead_ends_alone(session: Session) -> None:
    node = next(row.name for row in session.tree() if row.name.startswith("m"))
    session.drop_all(node)
    status = session.status()
    cuts = session.pruner.cuts(ESTIMATE)
    pruned = session.pruner.prune(cuts, 0)
    assert pruned.dead_edges == 0 and pruned.edges == status.edges - status.dead_edges
    assert pruned.circuit_metric == pytest.approx(status.circuit_metric, abs=1e-5)
    assert "No edge is below" in session.pruner.prune(session.pruner.cuts(ESTIMATE), 0).message


def scores(session: Session) -> list[str]:
    return list(session.pruner.scores)


def test_scores_are_offered_whatever_is_known_of_them(session: Session) -> None:
    pruner = session.pruner
    assert scores(session) == [EFFECT, ESTIMATE, COST]
    session.discoveries.run("eap-ig", selection=Selection(n=5))
    assert scores(session) == [EFFECT, ESTIMATE, COST, "eap-ig"]
    assert pruner.ready(ESTIMATE) and not pruner.ready(COST)
    costs = pruner.cuts(COST)
    rows = {c.edge: c.drop_cost for c in session.candidates("logits") if c.kept}
    assert pruner.ready(COST) and None not in rows.values()
    levels = [round(level, 5) for level in costs.levels]
    assert all(round(abs(cost or 0.0), 5) in levels for cost in rows.values())
    assert len(costs.levels) <= session.status().edges
    session.toggle(session.circuit.edges()[0])
    assert not pruner.ready(COST)  # stale
    with pytest.raises(WorkbenchError, match="no score"):
        pruner.cuts("nonsense")


def test_effects_of_all_kept_edges_are_exact_before_it_cuts_by_them(session: Session) -> None:
    edges = session.circuit.edges()
    cuts = session.pruner.cuts()
    assert not cuts.unscored and len(edges) == cuts.n_kept
    rows = {c.edge: c.exact for node in session.graph.nodes for c in session.candidates(node)}
    for edge in edges:
        assert rows[edge] == cuts.values[session.graph.parse_edge(edge)]


def test_scores_that_are_computed_first_can_be_stopped(session: Session) -> None:
    cancel = threading.Event()
    told: list[tuple[int, int]] = []

    def on_chunk(_: object, done: int, total: int) -> None:
        told.append((done, total))
        cancel.set()

    with session.decider.watched(cancel, on_chunk), pytest.raises(Cancelled):
        session.pruner.cuts(COST)
    assert told[0] == (0, session.status().edges) and not session.pruner.ready(COST)


def test_edges_that_the_score_does_not_know_stay(session: Session) -> None:
    cuts = session.pruner.cuts(ESTIMATE)
    values = cuts.values.copy()
    into_logits = [edge for edge in session.circuit.edges() if edge.endswith("->logits")]
    for edge in into_logits:
        values[session.graph.parse_edge(edge)] = np.nan
    partial = replace(cuts, score="partial", values=values)
    assert partial.unscored == len(into_logits)
    last = partial.after(len(partial.levels) - 1)
    kept = cuts.circuit.mask & np.isnan(values)
    assert (last.mask <= (kept | (np.abs(values) == partial.levels[-1]))).all()


def test_a_cut_of_another_circuit_is_refused(session: Session) -> None:
    cuts = session.pruner.cuts()
    session.toggle(session.circuit.edges()[0])
    with pytest.raises(WorkbenchError, match="changed meanwhile"):
        session.pruner.prune(cuts, len(cuts.levels) - 1)


def test_nothing_is_kept(tmp_path: Path) -> None:
    with new_session(tmp_path) as session:
        cuts = session.pruner.cuts()
        assert cuts.levels == ()
        assert session.pruner.faithfulness(cuts, 0) == pytest.approx(1, abs=1e-5)
        assert "No edge" in session.pruner.prune(cuts, 0).message
