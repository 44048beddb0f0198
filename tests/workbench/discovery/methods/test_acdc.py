"""ACDC: each trial is what it says, and the search keeps what the plain loop keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.cases.engine_cases import FAMILIES as SMALL_FAMILIES
from tests.support.cases.engine_cases import Case, case
from tests.support.cases.search_cases import FAMILIES, experiment
from workbench.base.work import finish
from workbench.bundled_models.known import TRUE_EDGES
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import LOGITS, Graph
from workbench.discovery.catalogue import find_method
from workbench.discovery.findings import Findings
from workbench.discovery.methods import acdc, acdc_sequential
from workbench.discovery.options import Options
from workbench.discovery.search import backward
from workbench.engine.evaluator import Evaluator
from workbench.engine.kept_edges import is_kept
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task
from workbench.models.model import load_model
from workbench.prompts.batch import make_batch

pytestmark = pytest.mark.slow


def found(method: Any, on: Experiment, options: Options) -> Findings:
    findings = Findings.of(on.graph, "acdc", on.metric_name)
    finish(method.find(on, findings, options))
    return findings


def in_order(graph: Graph) -> list[str]:
    """All edges in the order that the documentation promises, from names alone."""
    stages = [[LOGITS]]
    for layer in reversed(range(graph.n_layers)):
        heads = [f"a{layer}.h{head}" for head in range(graph.n_heads)]
        stages += [[f"m{layer}"], [f"{head}<{which}>" for which in "qkv" for head in heads]]
    edges = set(graph.edges())
    return [
        edge
        for stage in stages
        for destination in stage
        for source in reversed(graph.sources)
        if (edge := f"{source}->{destination}") in edges
    ]


def without_ties(on: Experiment, options: Options) -> tuple[Options, Findings]:
    """What the plain loop finds at this threshold, or at the next above it at which no decision
    hangs on a rounding error. (KL is computed in float32.)
    """
    noise = 1e-5 if options.measure == "kl" else 1e-11
    while True:
        expected = found(acdc_sequential, on, options)
        damage = expected.needed * expected.edges
        damage = np.abs(damage) if options.absolute else damage
        assert options.threshold is not None
        if np.nanmin(np.abs(damage - options.threshold)) > noise:
            return options, expected
        options = Options(
            threshold=options.threshold + 3 * noise,
            absolute=options.absolute,
            measure=options.measure,
        )


CASES = tuple(
    (family, measure, absolute, (0.01, 0.1, 0.3, 0.03)[(2 * number + place) % 4], start)
    for number, family in enumerate(FAMILIES)
    for place, (measure, absolute, start) in enumerate(
        # A few edges at a time, and many.
        (("metric", False, 1.0), ("metric", True, 60.0), ("kl", False, 60.0), ("kl", True, 1.0))
    )
    if (number + place) % 2 == 0  # each family by both measures, each combination in some families
)


@pytest.mark.parametrize(("family", "measure", "absolute", "tau", "start"), CASES)
def test_it_keeps_what_the_plain_loop_keeps(
    family: str,
    measure: Any,
    absolute: bool,
    tau: float,
    start: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acdc, "_START", {"cpu": start})
    on = experiment(family)
    options, expected = without_ties(on, Options(threshold=tau, absolute=absolute, measure=measure))
    actual = found(acdc, on, options)
    assert expected.kept is not None and expected.kept.sum() < expected.tried
    assert actual.kept is not None and np.array_equal(actual.kept, expected.kept)
    np.testing.assert_allclose(actual.edges, expected.edges, rtol=0, atol=4e-6)
    assert actual.tried == expected.tried == np.isfinite(expected.edges).sum()
    assert actual.needed == expected.needed
    assert actual.remarks == expected.remarks
    assert actual.complete and expected.complete


@pytest.mark.parametrize(("tau", "kept"), [(-1e9, "all"), (1e9, "none")])
def test_at_the_ends_of_the_range_of_thresholds(tau: float, kept: str) -> None:
    on = experiment("neox")
    findings = found(acdc, on, Options(threshold=tau))
    assert findings.kept is not None
    assert int(findings.kept.sum()) == (on.graph.n_edges if kept == "all" else 0)
    assert findings.tried == (on.graph.n_edges if kept == "all" else on.graph.n_sources)


@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_it_does_so_with_constants_outside(ablation: str) -> None:
    plain = experiment("llama")
    on = Experiment(plain.model, plain.batch, metric="prob_diff", ablation=ablation)
    options, expected = without_ties(on, Options(threshold=0.002))
    kept = found(acdc, on, options).kept
    assert kept is not None and expected.kept is not None
    assert np.array_equal(kept, expected.kept)


def test_a_heavy_batch_is_cut_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    on = experiment("llama")
    options = Options(threshold=0.04)
    expected = found(acdc, on, options)
    made: list[int] = []
    trials = backward.Backward.trials

    def counted(self: backward.Backward, dropped: NDArray[np.bool_]) -> NDArray[np.float64]:
        made.append(len(dropped))
        return trials(self, dropped)

    monkeypatch.setattr(backward.Backward, "trials", counted)
    monkeypatch.setattr(backward, "what_if_bytes", lambda device: 1)
    kept = found(acdc, on, options).kept
    assert kept is not None and expected.kept is not None
    assert np.array_equal(kept, expected.kept)
    assert set(made) == {1}
    assert len(made) == expected.tried


def retraced(findings: Findings, on: Experiment) -> list[tuple[str, set[str], float]]:
    """Every trial in order: the edge, the circuit before it, and the change it is said to make."""
    graph = findings.graph
    here, trials = set(graph.edges()), []
    for edge in in_order(graph):
        node = graph.node_of(edge.partition("->")[2])
        if node != LOGITS and not any(e.startswith(f"{node}->") for e in here):
            here.discard(edge)
            assert np.isnan(findings.edges[graph.parse_edge(edge)]), "skipped, so not tried"
            continue
        change = float(findings.edges[graph.parse_edge(edge)])
        assert np.isfinite(change), edge
        trials.append((edge, set(here), change))
        # The metric is a logit difference: it falls where an edge was needed.
        if -change < 0.05:
            here.discard(edge)
    assert findings.kept is not None
    kept = Circuit.from_edges(graph, here).pruned()
    assert np.array_equal(kept.mask, findings.kept)
    assert findings.tried == len(trials)
    return trials


@pytest.mark.parametrize(
    ("family", "method"),
    [*((family, acdc) for family in SMALL_FAMILIES), ("gpt2", acdc_sequential)],
    ids=[*SMALL_FAMILIES, "sequential"],
)
def test_every_trial_is_what_a_run_of_the_plain_model_gives(family: str, method: Any) -> None:
    c: Case = case(family)
    findings = found(method, c.experiment, Options(threshold=0.05))
    trials = retraced(findings, c.experiment)
    for edge, here, change in trials[:: max(1, len(trials) // 15)]:
        before, after = c.circuit_metric(here).mean(), c.circuit_metric(here - {edge}).mean()
        assert change == pytest.approx(after - before, abs=4e-5), edge


def test_kl_is_the_measure_s_own() -> None:
    c = case("gpt2")
    findings = found(acdc, c.experiment, Options(threshold=0.01, measure="kl"))
    assert findings.needed == 1
    every = set(c.graph.edges())
    first = in_order(c.graph)[0]
    kls = []
    for reference in c.references:
        p = reference.clean_logits.double().log_softmax(-1)
        q = reference.circuit(every - {first}).double().log_softmax(-1)
        kls += (p.exp() * (p - q)).sum(-1).tolist()
    change = float(findings.edges[c.graph.parse_edge(first)])
    assert change == pytest.approx(float(np.mean(kls)), abs=1e-5)


def test_the_circuit_so_far_is_that_of_as_many_trials_of_the_plain_loop() -> None:
    on = experiment("gpt2")
    options, _ = without_ties(on, Options(threshold=0.04, absolute=True))
    plain = Findings.of(on.graph, "acdc", on.metric_name)
    after = {}
    for _ in acdc_sequential.find(on, plain, options):
        assert plain.kept is not None
        after[plain.tried] = plain.kept.copy()
    findings = Findings.of(on.graph, "acdc", on.metric_name)
    fractions = []
    for fraction in acdc.find(on, findings, options):
        fractions.append(fraction)
        assert findings.kept is not None
        assert np.array_equal(findings.kept, after[findings.tried])
        if not findings.complete:
            assert findings.remarks == []
    assert fractions == sorted(fractions) and fractions[0] > 0 and fractions[-1] <= 1
    assert len(fractions) > 10


def test_stopped_in_the_middle_it_leaves_a_circuit() -> None:
    on = experiment("llama")
    findings = Findings.of(on.graph, "acdc", on.metric_name)
    work = acdc.find(on, findings, Options(threshold=0.04))
    for _ in range(12):
        next(work)
    work.close()
    assert not findings.complete and findings.kept is not None
    dropped = np.isfinite(findings.edges) & ~findings.kept
    assert 0 < dropped.sum() < findings.tried < on.graph.n_edges
    # Dropping them one after the other made the metric change by the sum of what was measured.
    value = Evaluator(on, Circuit(on.graph, is_kept(findings.kept))).value().metric
    total = float(findings.edges[dropped].astype(np.float64).sum())
    assert value - on.clean.metric == pytest.approx(total, abs=1e-5)


def test_without_a_threshold_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(WorkbenchError, match="threshold"):
        found(acdc, experiment("gpt2"), Options())


@pytest.mark.parametrize("absolute", [False, True], ids=["signed", "absolute"])
@pytest.mark.parametrize("measure", ["metric", "kl"])
def test_it_finds_the_circuit_that_was_written_down(measure: Any, absolute: bool) -> None:
    model = load_model("known", device="cpu", dtype="float32")
    batch = make_batch(load_task("induction", model, pairs=16), model.tokenizer)
    on = Experiment(model, batch)
    findings = found(acdc, on, Options(threshold=0.05, measure=measure, absolute=absolute))
    assert findings.kept is not None
    assert set(Circuit(on.graph, is_kept(findings.kept)).edges()) == set(TRUE_EDGES)


def test_the_catalogue_knows_it() -> None:
    assert find_method("acdc").load() is acdc.find
