"""Scores of edges at roles, and circuits chosen from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.cases.batches import ROLES
from tests.support.cases.family_cases import usual_case
from tests.support.references.by_role import by_role, circuit_with
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.selection import Selection
from workbench.discovery.catalogue import METHODS, find_method
from workbench.discovery.findings import Findings
from workbench.discovery.findings_file import load_findings, save_findings
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.selection import select
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.kept_edges import as_bits, circuit_of, kept_edges
from workbench.engine.plan import make_plan, pruned_by_roles
from workbench.errors import WorkbenchError

BY_ROLE = [name for name, method in METHODS.items() if method.by_role]
SCORING = [name for name in BY_ROLE if METHODS[name].kind == "edges"]


def found(
    method: str, family: str = "llama", *, by_role: bool = True, edges: int | None = None
) -> Findings:
    experiment = usual_case(family).experiment
    findings = Findings.about(experiment, method, by_role=by_role)
    finish(find_method(method).load()(experiment, findings, Options(steps=3, edges=edges)))
    return findings


@pytest.mark.parametrize("method", [name for name in SCORING if name != "exact"])
def test_scores_by_role_add_up_to_the_whole_edges(method: str) -> None:
    by_role, whole = found(method), found(method, by_role=False)
    real = all_edges(whole.graph)
    assert by_role.at_roles is not None and np.isnan(by_role.at_roles[:, ~real]).all()
    assert np.abs(by_role.at_roles[:, real]).max(axis=1).min() > 1e-5
    for scores in (by_role.edges, by_role.at_roles.sum(axis=0)):
        np.testing.assert_allclose(scores[real], whole.edges[real], atol=3e-6)


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "mistral"])
def test_eap_by_role_is_the_slope_of_the_reference(family: str) -> None:
    findings, reference = found("eap", family), by_role(family)
    graph = findings.graph
    assert findings.at_roles is not None
    sizes = np.abs(np.nan_to_num(findings.at_roles)).reshape(-1)
    for place in np.argsort(-sizes)[:40:5]:
        role, s, d = np.unravel_index(place, findings.at_roles.shape)
        name = f"{graph.edge_name(int(s), int(d))}@{ROLES[role]}"
        there, back = (reference.nudged(name, share).mean() for share in (3e-3, -3e-3))
        slope = (there - back) / 6e-3  # norms of some families are in float32 whatever the model is
        assert findings.at_roles[role, s, d] == pytest.approx(slope, rel=2e-3), name


def test_exact_effects_by_role_are_those_of_the_reference() -> None:
    findings, reference = found("exact", "gpt2"), by_role("gpt2")
    graph = findings.graph
    assert findings.at_roles is not None and findings.complete
    clean = reference.case.metric([r.clean_logits for r in reference.case.references]).mean()
    for edge in ("input->a0.h0<k>", "m0->a1.h1<v>", "a0.h1->m1", "m1->logits"):
        for role, name in enumerate(ROLES):
            effect = reference.nudged(f"{edge}@{name}", 1.0).mean() - clean
            assert findings.at_roles[role, *graph.parse_edge(edge)] == pytest.approx(
                effect, abs=3e-5
            )


def test_what_is_chosen_is_the_best_and_dead_ends_go_role_by_role() -> None:
    findings = found("eap")
    selected = select(findings, Selection("top", 120, by_role=True))
    assert selected.unit == "edges at roles" and selected.chosen == 120
    assert 0 < selected.kept < 120 and selected.circuit.at
    circuit = selected.circuit
    assert selected.kept == sum(len(circuit.at.kept.get(edge, ROLES)) for edge in circuit.edges())
    experiment = usual_case("llama").experiment
    value = Evaluator(experiment, circuit).value().per_pair
    chosen = Circuit.empty(findings.graph)
    chosen.at = circuit.at
    assert findings.at_roles is not None
    scores = np.abs(findings.at_roles)
    for role, source, destination in np.argwhere(
        scores >= np.sort(scores, axis=None)[~np.isnan(np.sort(scores, axis=None))][-120]
    ):
        chosen.toggle(f"{findings.graph.edge_name(source, destination)}@{ROLES[role]}")
    np.testing.assert_allclose(Evaluator(experiment, chosen).value().per_pair, value, atol=1e-5)
    # Nothing that is left is without effect on what is computed.
    evaluator = Evaluator(experiment, circuit)
    toggled = [
        f"{edge}@{role}" for edge in circuit.edges() for role in circuit.at.kept.get(edge, ROLES)
    ]
    changes = evaluator.what_if([Edit(toggle=(name,)) for name in toggled]) - np.array(value)
    assert (np.abs(changes).max(axis=1) > 0).all()


def test_greedily_the_best_edge_at_a_role_that_is_read_comes_next() -> None:
    findings = found("eap")
    graph, layout, scores = findings.graph, findings.layout, findings.at_roles
    assert layout is not None and scores is not None
    worth = {
        f"{graph.edge_name(int(s), int(d))}@{ROLES[r]}": float(abs(scores[r, s, d]))
        for r, s, d in np.argwhere(~np.isnan(scores))
    }
    chosen: list[str] = []
    for _ in range(40):
        circuit = circuit_with(graph, chosen)
        need_in = make_plan(
            graph,
            as_bits(kept_edges(circuit)),
            np.zeros(graph.n_destinations, dtype=bool),
            layout=layout,
        ).need_in_at
        assert need_in is not None
        here = {
            name: value
            for name, value in worth.items()
            if name not in chosen
            and layout.positions(np.array([1 << ROLES.index(name.split("@")[1])], dtype=np.uint64))[
                0
            ]
            & need_in[graph.destination_index(name.split("@")[0].split("->")[1])]
        }
        chosen.append(max(here, key=lambda name: here[name]))
    selected = select(findings, Selection("greedy", 40, by_role=True))
    assert selected.chosen == 40 and 0 < selected.kept < 40
    left = pruned_by_roles(graph, as_bits(kept_edges(circuit_with(graph, chosen))), layout)
    assert selected.circuit == circuit_of(graph, left, ROLES)


@pytest.mark.parametrize("how", ["top", "greedy"])
def test_exactly_so_many_after_dead_ends_are_gone(how: Any) -> None:
    findings = found("eap")
    filled = select(findings, Selection(how, 60, fill=True, by_role=True))
    assert filled.kept <= 60 < filled.chosen
    more = select(findings, Selection(how, filled.chosen + 1, by_role=True))
    assert more.kept > 60 or more.chosen == filled.chosen
    assert select(findings, Selection(how, filled.chosen, by_role=True)).circuit == filled.circuit


def test_findings_by_role_are_kept_in_their_file(tmp_path: Any) -> None:
    findings = found("eap")
    save_findings(tmp_path / "scores.npz", findings)
    again, _ = load_findings(tmp_path / "scores.npz")
    assert again.roles == findings.roles and again.layout == findings.layout
    np.testing.assert_array_equal(again.at_roles, findings.at_roles)
    chosen = Selection("threshold", threshold=1e-3, by_role=True)
    assert select(again, chosen).circuit == select(findings, chosen).circuit
    searched = found("greedy-growth", "gpt2", edges=8)
    save_findings(tmp_path / "search.npz", searched)
    kept = select(load_findings(tmp_path / "search.npz")[0], None).circuit
    assert kept.at and kept == select(searched, None).circuit


def test_what_cannot_be_done_by_role_is_refused() -> None:
    request = DiscoveryRequest.parse("atp", nodes=10, by_role=True)
    with pytest.raises(WorkbenchError, match=r"scores nodes, .* by role; choose one of: eap,"):
        request.checked(metric=None, ablation="patching")
    with pytest.raises(WorkbenchError, match="was not asked to score edges by role"):
        select(found("eap", by_role=False), Selection("top", 5, by_role=True))
