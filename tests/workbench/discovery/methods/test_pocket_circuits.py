"""Circuits found in trained weights, on real prompts, against the reference on bridge hooks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from tests.support.references.engine import Reference
from workbench import Circuit, load_model, load_task
from workbench.base.progress import silent
from workbench.bundled_models.pocket.split import COMBINATIONS
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.patching import edge_effects
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model, read_model
from workbench.session.open import Opened, open_engine

EVERY = pytest.mark.parametrize("name", COMBINATIONS)
PAIRS = 6
KEPT = (5, 20, 80)
CLOSE = 2e-4
"""In units of logits of about 15, or of probabilities."""


@cache
def pocket() -> Model:
    return load_model("pocket", device="cpu", dtype="float32")


@cache
def opened(name: str) -> Opened:
    task = load_task(name, pocket(), pairs=PAIRS)
    return open_engine(pocket(), task, ExperimentSettings("pocket", task.name), silent)


@cache
def reference(name: str) -> Reference:
    (group,) = opened(name).engine.experiment.batch.groups
    hf, _, _ = read_model("pocket", device="cpu", dtype="float32")
    return Reference(hf, group.clean, group.corrupted)


def metric_of(name: str, logits: torch.Tensor) -> np.ndarray:
    """The task's metric [pair] of logits [pair, vocabulary], written out."""
    (group,) = opened(name).engine.experiment.batch.groups
    values = []
    for row, right, wrong in zip(logits.double(), group.answers, group.wrong_answers, strict=True):
        if opened(name).info.metric == "prob_diff":
            p = row.softmax(-1)
            values.append(float(p[list(right)].sum() - p[list(wrong)].sum()))
        else:
            values.append(float(row[list(right)].mean() - row[list(wrong)].mean()))
    return np.array(values)


def strongest(name: str, n: int) -> Circuit:
    """The `n` edges with the largest EAP scores."""
    graph, eap = pocket().graph, opened(name).eap
    edges = sorted(graph.edges(), key=lambda edge: -abs(eap[graph.parse_edge(edge)]))
    return Circuit.from_edges(graph, edges[:n])


@EVERY
def test_found_circuits_equal_the_reference(name: str) -> None:
    evaluator = Evaluator(opened(name).engine.experiment, Circuit.empty(pocket().graph))
    for n in KEPT:
        circuit = strongest(name, n)
        expected = metric_of(name, reference(name).circuit(set(circuit.edges()), ()))
        value = evaluator.become(circuit)
        np.testing.assert_allclose(value.per_pair, expected, rtol=0, atol=CLOSE)
    assert abs(evaluator.value().metric - opened(name).info.corrupted_metric) > 0.1


@EVERY
def test_what_if_equals_the_reference(name: str) -> None:
    circuit = strongest(name, 20)
    evaluator = Evaluator(opened(name).engine.experiment, circuit)
    kept = circuit.edges()
    drops = [Edit(toggle=(edge,)) for edge in kept]
    found = evaluator.what_if(drops)
    for edge, values in zip(kept, found, strict=True):
        expected = metric_of(name, reference(name).circuit(set(kept) - {edge}, ()))
        np.testing.assert_allclose(values, expected, rtol=0, atol=CLOSE)


@EVERY
def test_exact_effects_in_the_full_model_equal_the_reference(name: str) -> None:
    graph = pocket().graph
    edges = strongest(name, 12).edges()
    evaluator = Evaluator(opened(name).engine.experiment, Circuit.full(graph))
    every, clean = set(graph.edges()), opened(name).info.model_metric
    for names, effects in edge_effects(evaluator, edges, "full"):
        for edge, effect in zip(names, effects, strict=True):
            expected = metric_of(name, reference(name).circuit(every - {edge}, ())).mean() - clean
            assert effect == pytest.approx(expected, abs=CLOSE), edge
