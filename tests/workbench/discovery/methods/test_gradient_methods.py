"""The methods that go by gradients, beside a model that is written out and run pair by pair."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.support.cases.batches import batch_of
from tests.support.cases.engine_cases import FAMILIES, Case, ablated_case, case, some_edges
from tests.support.cases.family_cases import usual_case
from tests.support.references.attribution import GIM, PLAIN, RELP, Pass, Slow
from tests.support.references.family import FamilyReference
from workbench.base.work import finish
from workbench.circuits.circuit import Circuit, all_edges
from workbench.discovery.catalogue import METHODS, methods_per_pair
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.pair_scores import pair_scores
from workbench.discovery.gradients.scoring import streamed_scores
from workbench.discovery.options import Options
from workbench.engine.evaluator import Edit, Evaluator
from workbench.errors import Cancelled, WorkbenchError
from workbench.experiment.ablations import PATCHING
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import Group

pytestmark = pytest.mark.slow

methods = pytest.mark.parametrize("method", methods_per_pair())
STEPS = 3

Scores = NDArray[np.float64]


def found(experiment: Experiment, method: str, steps: int = STEPS) -> Findings:
    findings = Findings.of(experiment.graph, method, experiment.metric_name)
    finish(METHODS[method].load()(experiment, findings, Options(steps=steps)))
    return findings


def written_out(c: Case, of_pair: Callable[[Slow, Any, Any, Any], dict[str, Tensor]]) -> Scores:
    """[pair, source, destination]: what `of_pair` says of each pair by itself."""
    slow, graph = Slow(c.model.hf), c.graph
    out = np.full((c.experiment.n_pairs, graph.n_sources, graph.n_destinations), np.nan)
    for group, right, wrong in zip(c.experiment.batch.groups, c.answers, c.wrong, strict=True):
        for row, place in enumerate(group.indices):
            good, bad = list(right[row]), list(wrong[row])

            def metric(logits: Tensor, good: Any = good, bad: Any = bad) -> Tensor:
                return logits[good].mean() - logits[bad].mean()

            clean, corrupted = (slow.embed(t[row]) for t in (group.clean, group.corrupted))
            for edge, score in of_pair(slow, clean, corrupted, metric).items():
                out[(place, *graph.parse_edge(edge))] = float(score)
    return out


def by_edge(c: Case, clean: Pass, corrupted: Pass, slopes: dict[str, Tensor]) -> dict[str, Tensor]:
    edges = {}
    for edge in c.graph.edges():
        source, _, destination = edge.partition("->")
        moved = corrupted.writes[source] - clean.writes[source]
        edges[edge] = (moved * slopes[destination]).sum()
    return edges


def reference(c: Case, method: str) -> Scores:
    """The scores of every pair, by the definition of the method."""
    rule = {"gim": GIM, "relp": RELP}.get(method, PLAIN)

    def of_pair(slow: Slow, clean: Tensor, corrupted: Tensor, metric: Any) -> dict[str, Tensor]:
        here, there = (slow.run(x, metric, rule) for x in (clean, corrupted))
        if method in ("eap", "gim", "relp"):
            return by_edge(c, here, there, here.slopes())
        if method == "eap-ig-activations":
            return of_sources(slow, clean, metric, here, there)
        shares = (0.0, 1.0) if method == "clean-corrupted" else [k / STEPS for k in range(STEPS)]
        runs = [slow.run(corrupted + s * (clean - corrupted), metric).slopes() for s in shares]
        mean = {d: torch.stack([run[d] for run in runs]).mean(0) for d in runs[0]}
        return by_edge(c, here, there, mean)

    def of_sources(
        slow: Slow, clean: Tensor, metric: Any, here: Pass, there: Pass
    ) -> dict[str, Tensor]:
        edges: dict[str, Tensor] = {}
        for source in slow.sources():
            ends = there.writes[source], here.writes[source]
            runs = [
                slow.run(
                    clean, metric, replaced={source: ends[0] + k / STEPS * (ends[1] - ends[0])}
                ).slopes()
                for k in range(1, STEPS + 1)
            ]
            mean = {d: torch.stack([run[d] for run in runs]).mean(0) for d in runs[0]}
            own = by_edge(c, here, there, mean)
            edges |= {edge: s for edge, s in own.items() if edge.startswith(f"{source}->")}
        return edges

    return written_out(c, of_pair)


def assert_scores(actual: Any, expected: Any, share: float = 2e-5) -> None:
    """Within a share of the largest score; NaN where and only where there is no edge."""
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=share * float(np.nanmax(np.abs(expected)))
    )


@cache
def references(family: str, method: str) -> Scores:
    return reference(case(family), method)


@methods
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_scores_of_every_edge_equal_the_model_written_out(family: str, method: str) -> None:
    c, expected = case(family), references(family, method)
    findings = found(c.experiment, method)
    assert findings.complete and findings.edges.dtype == np.float32
    assert_scores(findings.edges, expected.mean(0))
    pairs = finish(pair_scores(c.experiment, method, Options(steps=STEPS)))
    real = np.flatnonzero(all_edges(c.graph))
    assert_scores(pairs, expected.reshape(len(expected), -1)[:, real])
    assert_scores(pairs.mean(0), findings.edges.reshape(-1)[real], 1e-6)


def test_the_methods_differ() -> None:
    scores = [references("llama", method).mean(0) for method in methods_per_pair()]
    for i, one in enumerate(scores):
        for other in scores[:i]:
            assert np.nanmax(np.abs(one - other)) > 0.01 * np.nanmax(np.abs(one))


@methods
@pytest.mark.parametrize("family", ["llama", "neox"])
def test_how_pairs_are_sliced_does_not_matter(
    family: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = case(family).experiment
    whole = found(experiment, method).edges
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": 1})
    assert_scores(found(experiment, method).edges, whole, 3e-6)


@methods
def test_a_pair_scores_the_same_in_any_company(method: str) -> None:
    c = case("gpt2")
    every = finish(pair_scores(c.experiment, method, Options(steps=STEPS)))
    for group in c.experiment.batch.groups:
        for row, place in enumerate(group.indices):
            alone = Experiment(c.model, _only(group, row))
            (own,) = finish(pair_scores(alone, method, Options(steps=STEPS)))
            assert_scores(own, every[place], 1e-5)


def _only(group: Any, row: int) -> Any:
    one = slice(row, row + 1)
    start = group.first_difference
    answers = group.answers[one], group.wrong_answers[one]
    return batch_of([Group((0,), group.clean[one], group.corrupted[one], *answers, start)])


@methods
def test_streaming_gives_the_same(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    c = case("llama")
    module = importlib.import_module(METHODS[method].find.partition(":")[0])
    expected = np.nan_to_num(found(c.experiment, method).edges)
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": 1})
    scores = streamed_scores(c.model, c.experiment.batch, module.scorer(Options(steps=STEPS)))
    assert_scores(finish(scores), expected, 3e-6)


@methods
def test_metrics_that_change_in_steps_are_refused(method: str) -> None:
    c = case("gpt2")
    experiment = Experiment(c.model, c.experiment.batch, metric="accuracy")
    with pytest.raises(WorkbenchError, match="slope"):
        found(experiment, method)
    with pytest.raises(WorkbenchError, match="slope"):
        finish(pair_scores(experiment, method, Options()))


@methods
@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_other_ablations_are_as_the_catalogue_says(method: str, ablation: str) -> None:
    experiment = ablated_case("gpt2", ablation).experiment
    if ablation in METHODS[method].ablations:
        assert np.nanmax(np.abs(found(experiment, method).edges)) > 0.01
        return
    with pytest.raises(WorkbenchError, match=f"patching only, not with {ablation}"):
        found(experiment, method)


def extrapolated(experiment: Experiment, method: str, steps: int) -> Scores:
    """The integral that a method's sums go to: its error in 1/m is taken off."""
    coarse, fine = (found(experiment, method, m).edges.astype("f8") for m in (steps, 2 * steps))
    return 2 * fine - coarse


@pytest.mark.parametrize("family", ["gpt2", "neox", "neox-sequential"])
def test_gradients_along_the_inputs_add_up_to_the_whole_change(family: str) -> None:
    """Completeness (Sundararajan et al. 2017): every way from the input begins with an edge out of
    it, so their scores add up to what corrupting the prompt does.
    """
    experiment = case(family).experiment
    change = experiment.corrupted.metric - experiment.clean.metric
    total = np.nansum(extrapolated(experiment, "eap-ig", 32)[0])
    assert total == pytest.approx(change, abs=0.01)
    assert abs(np.nansum(found(experiment, "eap").edges[0]) - change) > 0.05, "EAP alone does not"


@pytest.mark.parametrize("ablation", ["patching", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_along_an_output_add_up_to_the_node_s_effect(family: str, ablation: str) -> None:
    """The same of each node by itself: the edges out of it, and what ablating it does."""
    assert_effects(case(family).experiment if ablation == PATCHING else other(family, ablation))


@pytest.mark.parametrize("name", ["gemma2", "gemma3_text", "olmo2", "falcon new", "stablelm"])
def test_gradients_along_an_output_in_other_families(name: str) -> None:
    assert_effects(usual_case(name).experiment)


def other(family: str, ablation: str) -> Experiment:
    return ablated_case(family, ablation).experiment


def assert_effects(experiment: Experiment) -> None:
    """The edges out of every node but the input, whose path is too winding for few steps."""
    evaluator = Evaluator(experiment, Circuit.full(experiment.graph))
    graph = experiment.graph
    edits = [
        Edit(toggle=tuple(e for e in graph.edges() if e.startswith(f"{source}->")))
        for source in graph.sources[1:]
    ]
    exact = evaluator.what_if(edits).mean(1) - experiment.clean.metric
    totals = np.nansum(extrapolated(experiment, "eap-ig-activations", 16)[1:], axis=1)
    assert np.abs(exact).max() > 0.1
    np.testing.assert_allclose(totals, exact, rtol=0, atol=0.01 * np.abs(exact).max())


@pytest.mark.parametrize(
    "name", ["gemma2", "gemma3_text", "olmo2", "qwen3_moe", "phi", "falcon new", "granite"]
)
def test_the_corrupted_end_is_the_slope_of_the_reference_there(name: str) -> None:
    """Central differences at the corrupted run: the reference with its prompts exchanged."""
    c, share = usual_case(name), 0.01
    both, clean = (found(c.experiment, m).edges for m in ("clean-corrupted", "eap"))
    first = found(c.experiment, "eap-ig", 1).edges
    at_corrupted = 2 * both - clean
    assert_scores(first, at_corrupted, 1e-5)
    swapped = [FamilyReference(c.model.hf, g.corrupted, g.clean) for g in c.experiment.batch.groups]
    for edge in some_edges(c.graph, 3, seed=12):
        slopes = [(r.nudged(edge, -share) - r.nudged(edge, share)) / (2 * share) for r in swapped]
        expected = float(c.metric(slopes).mean())
        assert first[c.graph.parse_edge(edge)] == pytest.approx(expected, rel=0.03, abs=3e-3)


def test_partial_scores_are_means_over_the_pairs_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": 1})
    c = case("llama")
    every = np.array(references("llama", "eap-ig"))
    order = [place for group in c.experiment.batch.groups for place in group.indices]
    findings = Findings.of(c.graph, "eap-ig", "logit_diff")
    work, seen, fractions = METHODS["eap-ig"].load(), 0, []
    for fraction in work(c.experiment, findings, Options(steps=STEPS)):
        fractions.append(fraction)
        done = int(fraction * len(order) + 1e-9)
        if done == 0:
            assert np.isnan(findings.edges).all()
        elif done > seen:
            assert_scores(findings.copy().edges, every[order[:done]].mean(0))
            seen = done
        if done == 3:
            break
    assert seen == 3 and not findings.complete
    assert fractions == sorted(fractions) and len(fractions) == 3 * STEPS


def test_cancel_between_pieces() -> None:
    stop = threading.Event()
    c = case("gpt2")
    findings = Findings.of(c.graph, "eap", "logit_diff")
    work = METHODS["eap"].load()(c.experiment, findings, Options())
    with pytest.raises(Cancelled):
        finish(work, lambda fraction: stop.set(), stop)
    assert not findings.complete


def test_options_and_methods_that_do_not_fit() -> None:
    c = case("gpt2")
    with pytest.raises(WorkbenchError, match="one step at least, not 0"):
        found(c.experiment, "eap-ig", 0)
    with pytest.raises(WorkbenchError, match="acdc does not score single pairs"):
        finish(pair_scores(c.experiment, "acdc", Options()))
    with pytest.raises(WorkbenchError, match="no method 'nonsense'"):
        finish(pair_scores(c.experiment, "nonsense", Options()))
    for method in ("gim", "relp"):
        with pytest.raises(WorkbenchError, match="Qwen3MoeSparseMoeBlock"):
            found(usual_case("qwen3_moe").experiment, method)
