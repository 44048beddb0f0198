"""A cut through edges at roles: each stays or goes by its own score, worked out anew here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tasks.pair import Pair
from tests.support.cases.session_cases import FAMILIES, fresh_metric, new_session, same, tiny
from tests.support.toy_session import NAMES, SHARES, toy_session
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import at_role
from workbench.circuits.parts import edge_of
from workbench.discovery.selection import Selection
from workbench.session.commands import Prune
from workbench.session.pruning import COST, EFFECT, ESTIMATE, Cuts
from workbench.session.session import Session
from workbench.session.start import resume_session

EDGE = "m0->a2.h1<k>"


@pytest.fixture(params=FAMILIES)
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    with new_session(tmp_path, request.param) as made:
        made.expand_all("top-k", 5)
        for node in ("a1.h0", "a1.h1"):
            made.reopen(node)
            made.estimate_by_role()
            rows = made.candidates(node, by_role=True)
            strongest = sorted(rows, key=lambda row: -abs(row.eap))[:8]
            made.expand(node, keep=[row.edge for row in strongest])
        yield made


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Session]:
    with toy_session(tmp_path, layers=4, heads=2)[0] as made:
        made.keep_all("logits")
        made.keep_all("a2.h1")
        yield made


def scored(session: Session, *, by_role: bool, best: bool) -> dict[str, float]:
    """Every kept edge that goes whole, and edge at a role that goes alone, as the table has it."""
    circuit = session.circuit
    found: dict[str, float] = {}
    nodes = {session.graph.node_of(edge.split("->")[1]) for edge in circuit.edges()}
    for node in nodes:
        whole = [row for row in session.candidates(node) if row.kept]
        apart = {edge_of(row.edge) for row in session.candidates(node, by_role=True) if row.at}
        rows = [r for r in whole if not (r.at and r.edge in apart)]
        if by_role:
            rows = [r for r in whole if r.edge not in apart]
        named = {row.edge for row in rows}
        parts = [r for r in session.candidates(node, by_role=True) if r.kept and r.at]
        rows += [row for row in parts if edge_of(row.edge) not in named]
        found |= {row.edge: row.score if best else row.eap for row in rows}
    return found


def brute_force(session: Session, sizes: dict[str, float], least: float) -> Circuit:
    """What is weaker taken away one by one, and edges that carry nothing any more."""
    left = session.circuit.copy()
    gone = {name for name, size in sizes.items() if np.float32(abs(size)) < np.float32(least)}
    emptied = {edge_of(name) for name in gone} - {edge_of(n) for n in sizes.keys() - gone}
    for name in gone:
        if edge_of(name) not in emptied:
            left.toggle(name)
    for edge in emptied:
        left.toggle(edge)
    return left.pruned()


@pytest.mark.parametrize("by_role", [False, True])
@pytest.mark.parametrize("score", [ESTIMATE, EFFECT])
def test_every_cut_goes_by_scores_at_roles(session: Session, by_role: bool, score: str) -> None:
    session.sweep("a1.h0", by_role=True)  # some exact effects stand in place of estimates
    cuts = session.pruner.cuts(score, by_role=by_role)
    before, status = session.circuit, session.status()
    sizes = scored(session, by_role=by_role, best=score == EFFECT)
    assert cuts.n_kept == len(sizes) > 0 and cuts.unscored == 0 and before.at
    assert (len(sizes) > before.n_parts) == by_role
    assert cuts.levels == tuple(sorted({float(np.float32(abs(x))) for x in sizes.values()}))
    spread = status.model_metric - status.corrupted_metric
    for cut in range(0, len(cuts.levels), 7):
        wanted = brute_force(session, sizes, cuts.levels[cut])
        assert cuts.after(cut) == wanted
        share = session.pruner.faithfulness(cuts, cut)
        alone = (fresh_metric(session, wanted) - status.corrupted_metric) / spread
        assert share == pytest.approx(alone, abs=1e-4)
    assert session.circuit == before and session.status() == status


def test_a_cut_by_role_is_one_command(session: Session) -> None:
    before, n_commands = session.circuit, len(session.commands())
    cuts = session.pruner.cuts(by_role=True)
    cut = len(cuts.levels) // 2
    share = session.pruner.faithfulness(cuts, cut)
    status = session.pruner.prune(cuts, cut)
    command = session._history.done[-1]
    assert isinstance(command, Prune) and len(session.commands()) == n_commands + 1
    assert session.circuit == cuts.after(cut) and session.circuit.at
    assert f"{command.change.n_at_roles} left at fewer roles" in command.describe()
    assert status.faithfulness == pytest.approx(share, abs=1e-5)
    assert status.circuit_metric == pytest.approx(fresh_metric(session), abs=1e-5)
    session.undo()
    assert session.circuit == before
    session.redo()
    assert session.circuit == cuts.after(cut)
    session.close()
    model = next(tiny(f)[0] for f in FAMILIES if tiny(f)[0].name == session.model.name)
    with resume_session(session.path, model=model) as again:
        assert same(again, session)


def roles_after(cuts: Cuts, edge: str) -> list[tuple[str, ...] | None]:
    """At which roles an edge is kept after each cut; None: it is not."""
    after = [cuts.after(cut) for cut in range(len(cuts.levels))]
    return [one.at.kept.get(edge, NAMES) if one.has(edge) else None for one in after]


def test_roles_go_from_the_weakest_to_the_strongest(toy: Session) -> None:
    others = [e for e in toy.circuit.edges() if e != EDGE and not e.endswith("->logits")]
    for edge in others:
        toy.toggle(edge)
    toy.keep_all("m0")
    whole = toy.pruner.cuts(ESTIMATE)
    assert not whole.parts and {*roles_after(whole, EDGE)} <= {NAMES, None}
    cuts = toy.pruner.cuts(ESTIMATE, by_role=True)
    seen = list(dict.fromkeys(roles_after(cuts, EDGE)))
    order = sorted(SHARES, key=SHARES.__getitem__)
    wanted = [tuple(n for n in NAMES if n not in order[:gone]) for gone in range(len(order))]
    assert seen == [*wanted, None], "with the last role the edge goes, as it carries nothing"


def test_an_edge_where_nothing_is_carried_goes_first_and_costs_nothing(toy: Session) -> None:
    for role in NAMES:
        if role not in ("..IO", "S1"):
            toy.toggle(at_role(EDGE, role))
    other = "m0->a2.h1<v>"
    for role in NAMES:
        if role not in ("S1", "END"):
            toy.toggle(at_role(other, role))
    assert (toy.circuit.at.kept[EDGE], toy.circuit.at.kept[other]) == (
        ("..IO", "S1"),
        ("S1", "END"),
    )
    cuts = toy.pruner.cuts()
    scores = dict(cuts.parts)
    own = scores.pop(f"{other}@END")
    assert {*scores.values()} == {0.0} and len(scores) == 2 and cuts.unscored == 0
    above = next(cut for cut, level in enumerate(cuts.levels) if level > abs(own))
    assert not cuts.after(above).has(other) and cuts.after(0).at.kept[other] == ("S1", "END")
    first = next(cut for cut, level in enumerate(cuts.levels) if level)
    assert not cuts.after(first).has(EDGE)


def test_a_role_that_no_pair_has_is_not_cut(tmp_path: Path) -> None:
    here, away = "m0->a1.h0<k>", "input->a1.h0<v>"
    with new_session(tmp_path) as session:
        session.keep_all("logits")
        session.keep_all("a1.h0")
        for edge, roles in ((here, ("S2", "END")), (away, ("S2",))):
            session.toggle(edge)
            for role in roles:
                session.toggle(f"{edge}@{role}")
        # Without spans, roles are by what the prompts show, and S2 is none of them.
        for i, pair in enumerate(session.loaded_pairs):
            bare = Pair(pair.corrupted, pair.clean, pair.wrong_answers, pair.answers)
            session.pairs.change(i, bare)
        assert "S2" not in session.roles and {*session.circuit.at.kept[here]} == {"S2", "END"}
        cuts = session.pruner.cuts()
        assert cuts.unscored == 1 and f"{here}@S2" not in cuts.parts
        weakest = abs(cuts.parts[f"{here}@END"])
        above = next(cut for cut, level in enumerate(cuts.levels) if level > weakest)
        assert cuts.after(above).at.kept == {here: ("S2",), away: ("S2",)}


def test_scores_of_edges_at_roles_are_computed_where_they_are_not_known(toy: Session) -> None:
    assert not toy.pruner.ready(ESTIMATE, by_role=True) and toy.pruner.ready(ESTIMATE)
    pruner = toy.pruner
    assert pruner.offered(by_role=True) == (EFFECT, ESTIMATE, COST)
    toy.drop_costs()
    assert pruner.ready(COST) and not pruner.ready(COST, by_role=True)
    costs = pruner.cuts(COST, by_role=True)
    rows = {row.edge: row.drop_cost for row in toy.candidates("a2.h1", by_role=True)}
    assert costs.parts and all(costs.parts[name] == rows[name] for name in costs.parts)
    assert pruner.ready(COST, by_role=True)


def test_a_result_cuts_by_what_it_has_scored(session: Session) -> None:
    # One that knows whole edges alone drops them whole, also those kept at some roles.
    session.discoveries.run("eap", selection=Selection(n=5))
    pruner = session.pruner
    whole = pruner.cuts("eap", by_role=True)
    assert not whole.parts and whole.n_kept == session.circuit.n_edges
    for cut in range(0, len(whole.levels), 9):
        assert set(whole.after(cut).at.kept.items()) <= set(session.circuit.at.kept.items())
    session.discoveries.run("eap", selection=Selection(n=5, by_role=True))
    found = session.discoveries.shown
    assert found is not None and found.found.at_roles is not None
    cuts = pruner.cuts(found.name)
    assert cuts.parts.keys() == {name for name in session.circuit.parts() if "@" in name}
    for name, value in cuts.parts.items():
        edge, role = name.split("@")
        where = (found.found.roles.index(role), *session.graph.parse_edge(edge))
        assert value == found.found.at_roles[where]
