"""Exact effects of all edges: against runs of the plain model, in an order that helps."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.cases.engine_cases import FAMILIES, ablated_case, case
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES
from workbench.circuits.circuit import all_edges
from workbench.discovery.catalogue import find_method
from workbench.discovery.estimates import estimates, known_estimates
from workbench.discovery.findings import Findings
from workbench.discovery.methods import exact
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task
from workbench.models.model import load_model
from workbench.prompts.batch import make_batch


def found(on: Experiment) -> Findings:
    findings = Findings.of(on.graph, "exact", on.metric_name)
    finish(exact.find(on, findings, Options()))
    return findings


@pytest.mark.parametrize("family", FAMILIES)
def test_every_score_is_what_a_run_of_the_plain_model_gives(family: str) -> None:
    c = case(family)
    findings = found(c.experiment)
    assert findings.complete and findings.tried == c.graph.n_edges
    assert np.array_equal(np.isfinite(findings.edges), all_edges(c.graph))
    every = set(c.graph.edges())
    clean = c.metric([r.clean_logits for r in c.references]).mean()
    for edge in sorted(every)[::9]:
        expected = c.circuit_metric(every - {edge}).mean() - clean
        assert findings.edges[c.graph.parse_edge(edge)] == pytest.approx(expected, abs=4e-5), edge


def test_a_constant_outside() -> None:
    c = ablated_case("llama", "mean")
    findings = found(c.experiment)
    every = set(c.graph.edges())
    clean = c.metric([r.clean_logits for r in c.references]).mean()
    for edge in sorted(every)[::31]:
        expected = c.circuit_metric(every - {edge}).mean() - clean
        assert findings.edges[c.graph.parse_edge(edge)] == pytest.approx(expected, abs=4e-5), edge


def order(on: Experiment) -> list[tuple[int, int]]:
    """Edges as they come, those of one piece by column."""
    findings = Findings.of(on.graph, "exact", on.metric_name)
    came: list[tuple[int, int]] = []
    fractions = []
    for fraction in exact.find(on, findings, Options()):
        known = set(came)
        new = [(int(s), int(d)) for s, d in np.argwhere(np.isfinite(findings.edges))]
        came += [edge for edge in new if edge not in known]
        assert findings.tried == len(came)
        fractions.append(fraction)
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1)
    assert findings.complete
    return came


def test_the_last_destinations_come_first_or_the_edges_of_largest_eap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = case("gpt2").experiment
    on = Experiment(plain.model, plain.batch)
    assert known_estimates(on) is None
    layers = [on.graph.destination_table[column].node.layer for _, column in order(on)]
    assert layers == sorted(layers, reverse=True)
    size = np.abs(estimates(on))
    assert known_estimates(on) is not None
    monkeypatch.setattr(exact, "_FIRST", 20)
    came = order(on)
    sizes = np.array([size[edge] for edge in came])
    assert sizes[:20].min() >= sizes[20:].max()
    assert sizes[:80].min() >= sizes[80:].max()
    assert len(set(came)) == on.graph.n_edges


def test_on_the_model_that_was_written_down_the_largest_are_the_true_edges() -> None:
    model = load_model("known", device="cpu", dtype="float32")
    batch = make_batch(load_task("induction", model, pairs=8), model.tokenizer)
    findings = found(Experiment(model, batch))
    graph = findings.graph
    edges = sorted(graph.edges(), key=lambda edge: float(findings.edges[graph.parse_edge(edge)]))
    assert set(edges[: len(TRUE_EDGES)]) == set(TRUE_EDGES)


def test_the_catalogue_knows_it() -> None:
    assert find_method("exact").load() is exact.find
