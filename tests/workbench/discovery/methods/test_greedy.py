"""Greedy growth and pruning: every step is what it says, and looking at everything again makes them
the plain greedy algorithms.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.support.cases.engine_cases import Case, case
from tests.support.cases.search_cases import experiment
from workbench.base.work import Work, finish
from workbench.bundled_models.known import TRUE_EDGES
from workbench.circuits.circuit import Circuit
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.methods import greedy_growth, greedy_pruning
from workbench.discovery.options import Options
from workbench.discovery.search import lazy_ranking
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import is_kept
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task
from workbench.models.model import load_model
from workbench.prompts.batch import make_batch

METHODS = {"greedy-growth": greedy_growth, "greedy-pruning": greedy_pruning}
both = pytest.mark.parametrize("method", METHODS)
EVERYTHING = 10**6


def started(method: str, on: Experiment, edges: int) -> tuple[Findings, Work[None]]:
    findings = Findings.of(on.graph, method, on.metric_name)
    return findings, METHODS[method].find(on, findings, Options(edges=edges))


def found(method: str, on: Experiment, edges: int) -> Findings:
    findings, work = started(method, on, edges)
    finish(work)
    return findings


def steps(findings: Findings, work: Work[None]) -> list[set[str]]:
    """The circuits that the search went through, dead ends and all."""
    circuits: list[set[str]] = []
    for _ in work:
        if findings.kept is not None:
            kept = set(Circuit(findings.graph, is_kept(findings.kept)).edges())
            if not circuits or kept != circuits[-1]:
                circuits.append(kept)
    return circuits


def score(findings: Findings, edge: str) -> float:
    return float(findings.edges[findings.graph.parse_edge(edge)])


def open_beside(on: Experiment, edges: set[str]) -> set[str]:
    """What growth still has open when these are chosen."""
    return set(on.graph.destinations) - {"logits"} - {e.partition("->")[2] for e in edges}


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox"])
def test_every_edge_that_was_added_gave_what_runs_of_the_plain_model_say(family: str) -> None:
    c: Case = case(family)
    circuits = steps(*(pair := started("greedy-growth", c.experiment, 12)))
    findings = pair[0]
    assert circuits[0] == set()
    for before, after in pairwise(circuits):
        (edge,) = after - before
        left = open_beside(c.experiment, after)
        without = c.circuit_metric(before, left).mean()
        with_it = c.circuit_metric(after, left).mean()
        assert score(findings, edge) == pytest.approx(without - with_it, abs=5e-5), edge
        model = c.experiment.clean.metric
        assert abs(with_it - model) < abs(without - model) + 5e-5, edge


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox"])
def test_every_edge_that_was_dropped_did_what_runs_of_the_plain_model_say(family: str) -> None:
    c: Case = case(family)
    circuits = steps(*(pair := started("greedy-pruning", c.experiment, 5)))
    findings = pair[0]
    assert len(circuits) > 3
    for before, after in pairwise(circuits):
        gone = before - after
        here = c.circuit_metric(before).mean()
        # One edge was dropped and took its dead ends with it.
        changes = {edge: c.circuit_metric(before - {edge}).mean() - here for edge in gone}
        first = [edge for edge in gone if pruned(c, before - {edge}) == after]
        assert any(score(findings, e) == pytest.approx(changes[e], abs=5e-5) for e in first)
        assert c.circuit_metric(after).mean() == pytest.approx(here + changes[first[0]], abs=5e-5)


def pruned(c: Case, edges: set[str]) -> set[str]:
    return set(Circuit.from_edges(c.graph, edges).pruned().edges())


def value(on: Experiment, edges: set[str], opened: set[str]) -> float:
    """By an evaluator that has seen nothing else."""
    circuit = Circuit.from_edges(on.graph, edges)
    circuit.open = frozenset(opened)
    return Evaluator(on, circuit).value().metric


def test_growth_that_looks_at_everything_again_is_plainly_greedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lazy_ranking, "_TOGETHER", EVERYTHING)
    on = experiment("gpt2", 1)
    graph, model = on.graph, on.clean.metric
    circuits = steps(*started("greedy-growth", on, 4))
    assert len(circuits) >= 4
    kept: set[str] = set()
    for after in circuits[1:]:
        reached = {"logits"} | {edge.partition("->")[0] for edge in kept}
        gains = {}
        for edge in set(graph.edges()) - kept:
            destination = edge.partition("->")[2]
            if graph.node_of(destination) in reached:
                opened = open_beside(on, kept) - {destination}
                errors = [abs(value(on, e, opened) - model) for e in (kept, kept | {edge})]
                gains[edge] = errors[0] - errors[1]
        kept = kept | {max(gains, key=lambda edge: gains[edge])}
        assert after == kept


def test_pruning_that_looks_at_everything_again_is_plainly_greedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lazy_ranking, "_TOGETHER", EVERYTHING)
    on = experiment("neox", 1)
    circuits = steps(*started("greedy-pruning", on, 5))
    kept = circuits[0]
    assert 10 < len(kept) <= 20
    for after in circuits[1:]:
        here = value(on, kept, set())
        change = {edge: abs(value(on, kept - {edge}, set()) - here) for edge in kept}
        least = min(change, key=lambda edge: change[edge])
        kept = set(Circuit.from_edges(on.graph, kept - {least}).pruned().edges())
        assert after == kept


@both
@pytest.mark.parametrize("n", [1, 4, 9])
def test_it_ends_with_at_most_as_many_as_asked_for(method: str, n: int) -> None:
    on = experiment("llama")
    findings = found(method, on, n)
    assert findings.complete and findings.kept is not None
    circuit = Circuit(on.graph, is_kept(findings.kept))
    assert circuit.n_edges <= n
    assert circuit == circuit.pruned()
    assert findings.tried == np.isfinite(findings.edges).sum()
    assert np.isfinite(findings.edges[findings.kept]).all()


@both
def test_stopped_in_the_middle_it_leaves_a_circuit(method: str) -> None:
    on = experiment("llama")
    findings, work = started(method, on, 12)
    for _ in range(9):
        fraction = next(work)
    work.close()
    assert 0 < fraction < 1 and not findings.complete
    assert findings.kept is not None and findings.kept.any()


@both
def test_fractions_never_leave_their_range(method: str) -> None:
    _, work = started(method, experiment("neox"), 5)
    fractions = list(work)
    assert fractions == sorted(fractions) and fractions[-1] <= 1


@both
def test_it_finds_the_circuit_that_was_written_down(method: str) -> None:
    model = load_model("known", device="cpu", dtype="float32")
    batch = make_batch(load_task("induction", model, pairs=16), model.tokenizer)
    findings = found(method, Experiment(model, batch), len(TRUE_EDGES))
    assert findings.kept is not None
    assert set(Circuit(findings.graph, is_kept(findings.kept)).edges()) == set(TRUE_EDGES)


@pytest.mark.parametrize("metric", ["kl", "accuracy"])
def test_pruning_begins_by_the_logit_difference_where_the_metric_has_no_slope(metric: str) -> None:
    plain = experiment("gpt2")
    on = plain.with_metric(metric)
    begun = steps(*started("greedy-pruning", on, 10))[0]
    assert begun == steps(*started("greedy-pruning", plain, 10))[0]


def test_a_small_model_is_pruned_from_the_whole() -> None:
    on = experiment("neox")
    findings, work = started("greedy-pruning", on, on.graph.n_edges // 2)
    next(work)
    next(work)
    assert findings.kept is not None and findings.kept.sum() == on.graph.n_edges
    work.close()


@both
@pytest.mark.parametrize("edges", [None, 0])
def test_it_has_to_be_told_how_many(method: str, edges: int | None) -> None:
    on = experiment("gpt2")
    findings = Findings.of(on.graph, method, on.metric_name)
    with pytest.raises(WorkbenchError, match="how many edges"):
        finish(METHODS[method].find(on, findings, Options(edges=edges)))


@both
def test_the_catalogue_knows_it(method: str) -> None:
    module: Any = METHODS[method]
    assert find_method(method).load() is module.find
