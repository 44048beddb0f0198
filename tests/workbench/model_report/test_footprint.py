"""The predicted memory beside the bytes of the tensors that there really are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.cases.batches import batch_of
from tests.support.unusual_models import MODELS
from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph
from workbench.engine.evaluator import Evaluator
from workbench.engine.plan import Positions, make_plan
from workbench.experiment.experiment import Experiment
from workbench.experiment.room import Shape
from workbench.metrics.catalogue import METRICS
from workbench.model_report.footprint import Footprint, _needed, predict
from workbench.models.architecture import storage_bytes
from workbench.prompts.batch import Group
from workbench.transformer.families import parts_of
from workbench.transformer.recording import Recording

NAMES = (
    *("gpt2", "llama", "gpt_neox", "gemma2", "gemma3", "olmo2", "cohere", "qwen2_moe"),
    "deepseek_v2",
)
BATCHES = ((Shape(4, 9, 0),), (Shape(3, 11, 4),), (Shape(2, 6, 1), Shape(3, 9, 5)))


def batch(shapes: tuple[Shape, ...], vocabulary: int) -> Any:
    """Random prompts of these shapes."""
    generator = torch.Generator().manual_seed(0)
    groups, first = [], 0
    for shape in shapes:
        clean = torch.randint(2, vocabulary, (shape.pairs, shape.tokens), generator=generator)
        corrupted = clean.clone()
        corrupted[:, shape.start :] = (clean[:, shape.start :] + 1) % vocabulary
        indices = tuple(range(first, first + shape.pairs))
        answers = ((3,),) * shape.pairs, ((4,),) * shape.pairs
        groups.append(Group(indices, clean, corrupted, *answers, shape.start))
        first += shape.pairs
    return batch_of(groups)


def experiment(name: str, shapes: tuple[Shape, ...], dtype: torch.dtype) -> Experiment:
    parts = parts_of(MODELS[name]().to(dtype))
    model: Any = SimpleNamespace(parts=parts, graph=parts.graph())
    return Experiment(model, batch(shapes, parts.w_u.shape[1]))


def tensors_of(recording: Recording) -> Iterator[Tensor]:
    for run in (recording.whole, recording.clean, recording.corrupted):
        yield from (run.embedding, run.final)
        for layer in run.layers:
            yield from (value for value in vars(layer).values() if value is not None)
    for rotation in recording.rotary:
        yield from rotation or ()


def most_cells(made: Experiment) -> int:
    """Bytes of the cells of the whole graph, made at once or grown input by input."""
    full = Circuit.full(made.graph)
    grown = Evaluator(made, Circuit.empty(made.graph))
    most = Evaluator(made, full).memory()
    for destination in range(made.graph.n_destinations):
        circuit = grown.circuit.copy()
        circuit.mask[:, destination] = full.mask[:, destination]
        grown.become(circuit)
        most = max(most, grown.memory())
    return most


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_prediction_and_tensors(name: str, dtype: torch.dtype) -> None:
    for shapes in BATCHES:
        made = experiment(name, shapes, dtype)
        predicted = predict(made.parts, shapes)
        runs = sum(storage_bytes(tensors_of(recording)) for recording in made.recordings)
        assert predicted.runs == pytest.approx(runs, rel=0.01)
        most = most_cells(made)
        assert most <= predicted.circuit <= 1.5 * most


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 5])
def test_where_sources_are_needed_is_what_the_plan_says(layers: int, parallel: bool) -> None:
    graph = Graph(layers, 3, parallel)
    plan = make_plan(graph, all_edges(graph), np.zeros(graph.n_destinations, dtype=bool))
    assert _needed(graph) == (
        (plan.need == Positions.ALL).sum(),
        (plan.need == Positions.LAST).sum(),
    )


def test_the_worst_case_is_prompts_that_differ_from_the_first_token_on() -> None:
    parts = parts_of(MODELS["llama"]())
    worst, usual = (predict(parts, [Shape(8, 20, start)]) for start in (0, 15))
    for part in ("runs", "circuit", "eap"):
        assert getattr(worst, part) > getattr(usual, part)
    assert worst.peak > usual.peak
    assert predict(parts, [Shape(8, 20)]) == worst


def test_the_peak_is_what_stands_beside_one_another() -> None:
    def footprint(circuit: int, what_if: int, eap: int) -> Footprint:
        return Footprint((Shape(1, 1),), "logit_diff", 100, 10, circuit, what_if, eap)

    assert footprint(20, 30, 40).peak == 160
    assert footprint(20, 30, 60).peak == 170


def test_metrics_of_the_whole_vocabulary_take_more() -> None:
    parts = parts_of(MODELS["llama"]())
    parts = replace(parts, w_u=torch.zeros(parts.d_model, 50_000))
    of = {name: predict(parts, [Shape(64, 60)], name).what_if for name in METRICS}
    assert of["kl"] == of["prob_diff"] == of["accuracy"] > of["logit_diff"]
