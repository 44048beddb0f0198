"""How often edges are found again, counted anew from the same draws of pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.cases.assessment_cases import case, known, known_experiment, refused
from workbench import load_task
from workbench.assessment.parts.stability import assess_part, rephrased
from workbench.assessment.results.stability import BOOTSTRAP, REPHRASED
from workbench.assessment.settings import AssessmentSettings
from workbench.base.work import Work, finish
from workbench.bundled_models.known import TRUE_EDGES, true_circuit
from workbench.circuits.circuit import Circuit, all_edges
from workbench.discovery.estimates import eap
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment
from workbench.prompts.batch import make_batch


def by_eap(experiment: Experiment, method: str, options: Options) -> Work[NDArray[np.float32]]:
    """Scores of each pair from an experiment of that pair alone."""
    assert method == "eap"
    rows = []
    for i, pair in enumerate(experiment.batch.task.pairs):
        task = load_task("induction", known(), pairs=1)
        task = type(task)(task.name, (pair,), task.metric, task.description)
        alone = Experiment(known(), make_batch(task, known().tokenizer))
        rows.append(eap(alone)[all_edges(experiment.graph)])
        yield (i + 1) / experiment.n_pairs
    return np.array(rows)


def random_scores(
    experiment: Experiment, method: str, options: Options
) -> Work[NDArray[np.float32]]:
    """Of some edges large with any pair, of the others noise; drawn by the experiment's tokens."""
    yield 1.0
    edges = int(all_edges(experiment.graph).sum())
    tokens = sum(int(group.clean.sum()) for group in experiment.batch.groups)
    random = np.random.default_rng(tokens)
    scores = random.normal(size=(experiment.n_pairs, edges))
    scores[:, ::7] -= 1
    return scores.astype(np.float32)


def test_frequencies_are_counts_over_the_resamples() -> None:
    experiment = known_experiment()
    graph = experiment.graph
    names = [graph.edge_name(int(s), int(d)) for s, d in np.argwhere(all_edges(graph))]
    circuit = Circuit.from_edges(graph, names[::11])
    settings = AssessmentSettings(seed=4, resamples=30, n_repeats=3)
    found = finish(assess_part(experiment, circuit, settings, random_scores))
    scores = finish(random_scores(experiment, "eap", Options()))
    n = circuit.n_edges

    def best(pairs: list[int]) -> set[str]:
        means = [abs(float(np.mean([scores[p, e] for p in pairs]))) for e in range(len(names))]
        return {names[e] for e in sorted(range(len(names)), key=lambda e: -means[e])[:n]}

    draws = np.random.default_rng(4).integers(0, 12, (30, 12)).tolist()
    sets = [best(pairs) for pairs in draws]
    own, kept = best(list(range(12))), set(circuit.edges())
    bootstrap, other = found.resamplings
    assert (bootstrap.kind, other.kind) == (BOOTSTRAP, REPHRASED)
    assert (bootstrap.n, other.n, found.size) == (30, 3, n)
    assert [edge.edge for edge in bootstrap.edges] == circuit.edges()
    for edge in (*bootstrap.edges, *bootstrap.others):
        assert edge.share == pytest.approx(sum(edge.edge in s for s in sets) / 30)
    often = {e for e in names if sum(e in s for s in sets) >= 15} - kept
    assert often and {edge.edge for edge in bootstrap.others} == often
    for interval, reference in ((bootstrap.jaccard, kept), (bootstrap.jaccard_own, own)):
        values = sorted(len(s & reference) / len(s | reference) for s in sets)
        assert interval.mean == pytest.approx(np.mean(values))
        assert interval.low == pytest.approx(np.percentile(values, 2.5))
        assert interval.high == pytest.approx(np.percentile(values, 97.5))
    assert found == finish(assess_part(experiment, circuit, settings, random_scores))


def test_the_true_circuit_is_found_again() -> None:
    experiment = known_experiment(pairs=4)
    settings = AssessmentSettings(resamples=20, n_repeats=2)
    found = finish(assess_part(experiment, true_circuit(), settings, by_eap))
    for again in found.resamplings:
        assert {edge.edge for edge in again.edges} == set(TRUE_EDGES)
        assert all(edge.share == 1 for edge in again.edges) and again.others == ()
        assert again.jaccard.low == again.jaccard.mean == again.jaccard.high == 1
    assert json.loads(json.dumps(found.to_json()))["size"] == 11
    assert finish(assess_part(experiment, true_circuit(), settings)) == found


def test_other_pairs_of_the_same_task() -> None:
    experiment = known_experiment()
    first, second = rephrased(experiment, 1), rephrased(experiment, 2)
    prompts = [{pair.clean for pair in w.batch.task.pairs} for w in (experiment, first, second)]
    assert [len(some) for some in prompts] == [12, 12, 12]
    assert not prompts[0] & prompts[1] and not prompts[1] & prompts[2]
    assert first.metric_name == experiment.metric_name and first.ablation == experiment.ablation
    assert first.batch.prepend_bos == experiment.batch.prepend_bos


def test_what_cannot_be_done_is_said() -> None:
    experiment = case("gpt2").experiment
    circuit = Circuit.from_edges(experiment.graph, ["input->m0", "m0->logits"])
    settings = AssessmentSettings(resamples=5, n_repeats=2)
    found = finish(assess_part(experiment, circuit, settings, random_scores))
    assert [again.kind for again in found.resamplings] == [BOOTSTRAP]
    assert "not built in" in found.remarks[0]
    one = finish(assess_part(known_experiment(pairs=1), true_circuit(), settings, random_scores))
    assert [again.kind for again in one.resamplings] == [REPHRASED]
    assert "single pair" in one.remarks[0]
    empty = finish(
        assess_part(experiment, Circuit.empty(experiment.graph), settings, random_scores)
    )
    assert empty.resamplings == () and empty.remarks
    opened = Circuit.start(experiment.graph)
    refused(assess_part(experiment, opened, settings, random_scores))
