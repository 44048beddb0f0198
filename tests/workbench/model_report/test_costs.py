"""Predicted costs beside the operations that torch counts in what is really done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from tests.support.tiny_models import tiny_llama
from workbench.circuits.circuit import Circuit, all_edges
from workbench.discovery.estimates import eap
from workbench.engine.evaluator import Edit, Evaluator
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import load_task
from workbench.experiment.room import AFTERWARDS, Shape, shapes_of
from workbench.model_report import footprint
from workbench.model_report.costs import count
from workbench.model_report.facts import memory_facts
from workbench.model_report.footprint import of_model
from workbench.models.folder import sharing_weights
from workbench.models.model import Model
from workbench.prompts.batch import Batch, make_batch


class Products(TorchDispatchMode):
    """Counts the operations of matrix products; torch's own counter stumbles over hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.addmm_.default:
            self.total += 2 * args[1].numel() * args[2].shape[1]
        elif func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def counted(work: Callable[[], object]) -> float:
    with Products() as products:
        work()
    return products.total


@pytest.fixture(scope="module")
def made() -> tuple[Model, Batch, float]:
    hf, tokenizer = tiny_llama(layers=4)
    model = Model.from_hf(hf, tokenizer)
    batch = make_batch(load_task("ioi", model, pairs=6), tokenizer)
    plain = sharing_weights(hf)

    def forward() -> None:
        with torch.no_grad():
            for group in batch.groups:
                plain(group.clean)

    return model, batch, counted(forward)


def test_costs_are_those_that_torch_counts(made: tuple[Model, Batch, float]) -> None:
    model, batch, forward = made
    costs = count(model.parts, shapes_of(batch, "patching"))
    experiment = Experiment(model, batch)
    runs = counted(lambda: Experiment(model, batch)) / forward
    assert costs.runs == pytest.approx(runs, rel=0.01)
    scores = counted(lambda: eap(experiment)) / forward
    assert costs.eap == pytest.approx(scores, rel=0.25)
    every = counted(lambda: Evaluator(experiment, Circuit.full(model.graph))) / forward
    assert costs.all_edges == pytest.approx(every, rel=0.05)
    real = all_edges(model.graph)
    half = Circuit(model.graph, real & (np.random.default_rng(0).random(real.shape) < 0.5))
    nothing = counted(lambda: Evaluator(experiment, half)) / forward
    assert nothing <= costs.circuit <= 3 * nothing
    evaluator = Evaluator(experiment, half)
    edges = list(model.graph.edges())[::29]
    changes = [Edit(toggle=(edge,)) for edge in edges]
    edits = [counted(partial(evaluator.commit, change)) / forward for change in changes]
    assert 0 < np.mean(edits) <= costs.edge < costs.circuit


def test_whether_pairs_fit_is_said(
    made: tuple[Model, Batch, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _, _ = made
    monkeypatch.setattr(footprint, "WORTH_A_LOOK", 0)

    def said(pairs: int, free: float) -> str:
        monkeypatch.setattr("workbench.models.device.free_memory", lambda device: int(free))
        facts = memory_facts(of_model(model, pairs, 12))
        start = [label.strip() for label, _ in facts].index("room")
        return " ".join(words for _, words in facts[start : start + 2])

    one = AFTERWARDS * footprint.runs_bytes(model.parts, Shape(1, 12))
    assert "all at once" in said(20, 30 * one)
    assert "in pieces of up to 6 pairs" in said(20, 10.5 * one)
    assert "fits with 10 pairs" in said(20, 10.5 * one)
    assert "not one pair fits" in said(20, 0.5 * one)
