"""Searches over edges at roles keep what plain loops and the model's own modules say."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.support.cases.batches import ROLES
from tests.support.cases.search_cases import experiment
from tests.support.references.by_role import by_role, circuit_with
from workbench import load_model, load_task
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES, TRUE_PARTS
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_roles import EdgeRoles
from workbench.discovery.catalogue import find_method, methods_per_pair
from workbench.discovery.findings import Findings
from workbench.discovery.methods import acdc
from workbench.discovery.options import Options
from workbench.discovery.request import DiscoveryRequest
from workbench.discovery.run import discovery
from workbench.discovery.search import lazy_ranking
from workbench.discovery.search.units import Units
from workbench.discovery.selection import select
from workbench.engine.evaluator import Edit, Evaluator
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch

EVERYTHING = 10**6


def begun(method: str, on: Experiment, **options: Any) -> tuple[Findings, Any]:
    findings = Findings.about(on, method, by_role=True)
    return findings, find_method(method).load()(on, findings, Options(**options))


def found(method: str, on: Experiment, **options: Any) -> Findings:
    findings, work = begun(method, on, **options)
    finish(work)
    return findings


def in_order(on: Experiment) -> list[str]:
    """All edges at roles in the order of the documentation, from names alone."""
    graph = on.graph
    stages = [["logits"]]
    for layer in reversed(range(graph.n_layers)):
        heads = [f"a{layer}.h{head}" for head in range(graph.n_heads)]
        stages += [[f"m{layer}"], [f"{head}<{which}>" for which in "qkv" for head in heads]]
    edges = set(graph.edges())
    return [
        f"{edge}@{role}"
        for stage in stages
        for destination in stage
        for source in reversed(graph.sources)
        if (edge := f"{source}->{destination}") in edges
        for role in reversed(ROLES)
    ]


def split(on: Experiment) -> Circuit:
    """The whole model."""
    circuit = Circuit.full(on.graph)
    circuit.at = EdgeRoles(ROLES)
    return circuit


def parts(circuit: Circuit) -> set[str]:
    """The edges at roles of a circuit, of whole ones each."""
    return {
        f"{edge}@{role}" for edge in circuit.edges() for role in circuit.at.kept.get(edge, ROLES)
    }


def plain_loop(on: Experiment, tau: float, absolute: bool) -> Circuit:
    """Every edge at a role dropped by itself, none of them skipped."""
    evaluator = Evaluator(on, split(on))
    here = evaluator.value().metric
    for name in in_order(on):
        edit = Edit(toggle=(name,))
        value = evaluator.commit(edit).metric
        damage = abs(value - here) if absolute else here - value
        if damage < tau:
            here = value
        else:
            evaluator.commit(edit)
    return evaluator.circuit


def same_by_value(on: Experiment, findings: Findings, plain: Circuit) -> None:
    """A loop's circuit without its dead ends is what a search kept."""
    kept = select(findings, None).circuit
    units = Units(on, findings)
    chosen = units.of_circuit(plain)
    assert parts(kept) == parts(units.circuit(units.pruned(chosen)))


@pytest.mark.parametrize(
    ("family", "absolute", "tau", "start"),
    [
        ("gpt2", False, 0.03, 60.0),
        pytest.param("olmo2", True, 0.05, 60.0, marks=pytest.mark.slow),
        pytest.param("neox", True, 0.05, 1.0, marks=pytest.mark.slow),
    ],
)
def test_acdc_keeps_what_the_plain_loop_keeps(
    family: str, absolute: bool, tau: float, start: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acdc, "_START", {"cpu": start})
    on = experiment(family)
    findings = found("acdc", on, threshold=tau, absolute=absolute)
    assert findings.complete and findings.tried > 90
    selected = select(findings, None)
    assert selected.unit == "edges at roles" and selected.circuit.at and selected.kept > 5
    same_by_value(on, findings, plain_loop(on, tau, absolute))
    damage = np.abs(np.abs(findings.at_roles) - tau)  # type: ignore[arg-type]
    assert np.nanmin(damage) > 1e-9, "no decision hangs on a rounding error"


@pytest.mark.slow
@pytest.mark.parametrize(("ablation", "tau"), [("zero", 0.002), ("mean", 0.0003)])
def test_acdc_does_so_with_constants_outside(ablation: str, tau: float) -> None:
    plain = experiment("llama")
    on = Experiment(plain.model, plain.batch, metric="prob_diff", ablation=ablation)
    findings = found("acdc", on, threshold=tau)
    assert 0 < select(findings, None).kept < findings.tried
    same_by_value(on, findings, plain_loop(on, tau, False))


@pytest.mark.parametrize("family", ["gpt2", "gemma2"])
def test_acdc_s_trials_are_what_the_model_s_own_modules_give(family: str) -> None:
    reference = by_role(family)
    on = reference.case.experiment
    findings = found("acdc", on, threshold=0.05)
    assert findings.at_roles is not None
    here, trials = split(on), []
    for name in in_order(on):
        edge, _, role = name.partition("@")
        change = findings.at_roles[ROLES.index(role), *on.graph.parse_edge(edge)]
        if np.isnan(change) or -change < 0.05:
            before = here.copy()
            here.toggle(name)
            if np.isfinite(change):
                trials.append((before, here.copy(), float(change)))
    for before, after, change in sorted(trials, key=lambda trial: -abs(trial[2]))[:6]:
        expected = reference.metric(after).mean() - reference.metric(before).mean()
        assert change == pytest.approx(expected, abs=1e-4)
    kept = select(findings, None).circuit
    assert reference.metric(kept).mean() == pytest.approx(reference.metric(here).mean(), abs=1e-4)


def test_growth_that_looks_at_everything_again_is_plainly_greedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lazy_ranking, "_TOGETHER", EVERYTHING)
    on = experiment("gpt2", 1)
    graph, model = on.graph, on.clean.metric
    findings, work = begun("greedy-growth", on, edges=5)
    circuits: list[set[str]] = []
    for _ in work:
        units = Units(on, findings)
        assert findings.kept is not None
        now = parts(units.circuit(units.arrays(findings.kept)))
        if not findings.complete and (not circuits or now != circuits[-1]):
            circuits.append(now)
    assert len(circuits) >= 5
    for before, after in pairwise(circuits):
        (name,) = after - before
        reached = {"logits"} | {edge.partition("->")[0] for edge in before}
        entered = {edge.partition("->")[2].partition("@")[0] for edge in before}
        still = set(graph.destinations) - {"logits"} - entered
        gains: dict[str, float] = {}
        for edge in graph.edges():
            destination = edge.partition("->")[2]
            if graph.node_of(destination) not in reached:
                continue
            errors = []
            evaluator = Evaluator(on, opened(on, before, still - {destination}))
            errors.append(abs(evaluator.value().metric - model))
            others = [f"{edge}@{role}" for role in ROLES if f"{edge}@{role}" not in before]
            values = evaluator.what_if([Edit(toggle=(other,)) for other in others]).mean(axis=1)
            gains |= {
                other: errors[0] - abs(value - model)
                for other, value in zip(others, values, strict=True)
            }
        assert gains[name] == pytest.approx(max(gains.values()), abs=1e-9)


def opened(on: Experiment, names: set[str], open_: set[str]) -> Circuit:
    circuit = circuit_with(on.graph, sorted(names))
    circuit.open = frozenset(open_)
    return circuit


def test_pruning_that_looks_at_everything_again_is_plainly_greedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lazy_ranking, "_TOGETHER", EVERYTHING)
    on = experiment("neox", 1)
    findings, work = begun("greedy-pruning", on, edges=6)
    circuits: list[Circuit] = []
    for _ in work:
        units = Units(on, findings)
        if findings.kept is not None:
            now = units.circuit(units.arrays(findings.kept))
            if not circuits or now != circuits[-1]:
                circuits.append(now)
    assert len(circuits) > 5 and 10 < len(parts(circuits[0])) <= 24
    for before, after in pairwise(circuits):
        evaluator, names = Evaluator(on, before), sorted(parts(before))
        here = evaluator.value().metric
        changes = evaluator.what_if([Edit(toggle=(name,)) for name in names]).mean(axis=1) - here
        gone = {name: changes[names.index(name)] for name in parts(before) - parts(after)}
        least = min(gone.values(), key=abs)
        assert abs(least) == pytest.approx(np.abs(changes).min(), abs=1e-12)
        assert Evaluator(on, after).value().metric == pytest.approx(here + least, abs=1e-9)


@pytest.mark.parametrize("method", ["greedy-growth", "greedy-pruning", "edge-pruning"])
def test_it_ends_with_at_most_as_many_as_asked_for(method: str) -> None:
    findings = found(method, experiment("llama"), edges=15, steps=25)
    selected = select(findings, None)
    assert findings.complete and 0 < selected.kept <= 15
    assert selected.kept == len(parts(selected.circuit))
    assert findings.at_roles is not None
    sizes = np.abs(findings.at_roles[:, np.isfinite(findings.edges)])
    np.testing.assert_array_equal(np.abs(findings.edges[np.isfinite(findings.edges)]),
                                  np.nanmax(sizes, axis=0))  # fmt: skip


@pytest.fixture(scope="module")
def known() -> Experiment:
    model = load_model("known", device="cpu", dtype="float32")
    return Experiment(model, make_batch(load_task("induction", model, pairs=8), model.tokenizer))


EDGES_IN_ALL = {"edges": len(TRUE_PARTS)}


@pytest.mark.parametrize(
    ("method", "choices"),
    [
        ("acdc", {"threshold": 0.05}),
        ("acdc", {"threshold": 0.05, "measure": "kl", "absolute": True}),
        ("greedy-growth", EDGES_IN_ALL),
        ("greedy-pruning", EDGES_IN_ALL),
        pytest.param("edge-pruning", EDGES_IN_ALL | {"steps": 300}, marks=pytest.mark.slow),
        *((name, EDGES_IN_ALL) for name in (*methods_per_pair(), "exact")),
    ],
)
def test_the_true_circuit_is_found_at_its_positions(
    known: Experiment, method: str, choices: Any
) -> None:
    request = DiscoveryRequest.parse(method, by_role=True, **choices)
    request = request.checked(metric="logit_diff", ablation="patching")
    selected = finish(discovery(known, request)).selected
    assert set(selected.circuit.parts()) == set(TRUE_PARTS)
    assert {name.partition("@")[0] for name in TRUE_PARTS} == set(TRUE_EDGES)


def test_a_flag_asks_for_it_and_what_cannot_be_told_apart_is_refused() -> None:
    request = DiscoveryRequest.parse("acdc", threshold=0.1, by_role=True)
    assert request.by_role and request.checked(metric=None, ablation="patching").by_role
    with pytest.raises(WorkbenchError, match="atp scores nodes, which are not told apart by role"):
        DiscoveryRequest.parse("atp", nodes=5, by_role=True).checked(
            metric=None, ablation="patching"
        )
    on = experiment("gpt2")
    findings = Findings.about(on, "acdc", by_role=True)
    findings.same_input = True
    with pytest.raises(WorkbenchError, match="input is the same in both runs"):
        finish(find_method("acdc").load()(on, findings, Options(threshold=0.1)))
