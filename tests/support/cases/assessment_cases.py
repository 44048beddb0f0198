"""A tiny model with real prompts of two lengths, and its circuits' logits by the bridge's hooks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from tasks.task import Task
from tests.support.cases.readout_cases import PAIRS
from tests.support.references.engine import Reference
from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench import load_model, load_task
from workbench.base.work import Work, finish
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import make_batch

MAKERS = {
    "gpt2": lambda: tiny_gpt2(layers=2, heads=2),
    "llama": lambda: tiny_llama(layers=2, heads=4, n_kv_heads=2),
}


def made_task(metric: str = "logit_diff", pairs: tuple[int, ...] | None = None) -> Task:
    chosen = PAIRS if pairs is None else tuple(PAIRS[i] for i in pairs)
    return Task("tiny", chosen, metric, "Pairs of two lengths.")


@cache
def made_model(family: str) -> Model:
    return Model.from_hf(*MAKERS[family](), name=f"tiny {family}", device="cpu")


@dataclass(frozen=True, eq=False)
class Case:
    """An experiment, and for each group of its pairs the plain model to hold it to."""

    experiment: Experiment
    references: list[Reference]

    @property
    def graph(self) -> Graph:
        return self.experiment.graph

    def logits(self, edges: set[str] | None = None, *, corrupted: bool = False) -> Tensor:
        """[pair, vocabulary] at the last position in the task's order: of a circuit's edges, or of
        the clean or the corrupted run of the model.
        """
        out = torch.empty(self.experiment.n_pairs, len(self.experiment.model.tokenizer))
        for group, reference in zip(self.experiment.batch.groups, self.references, strict=True):
            if edges is not None:
                rows = reference.circuit(edges)
            else:
                rows = reference.corrupted_logits if corrupted else reference.clean_logits
            out[list(group.indices)] = rows
        return out

    def answers(self, pair: int) -> tuple[list[int], list[int]]:
        """Token ids of a pair's answers and wrong answers, from their text."""
        tokenizer = self.experiment.model.tokenizer
        made = self.experiment.batch.task.pairs[pair]
        right, wrong = (
            [tokenizer(text)["input_ids"][0] for text in side]
            for side in (made.answers, made.wrong_answers)
        )
        return right, wrong

    def logit_diffs(self, edges: set[str] | None = None, *, corrupted: bool = False) -> list[float]:
        """The logit difference of each pair, written out."""
        found = []
        for i, row in enumerate(self.logits(edges, corrupted=corrupted)):
            right, wrong = self.answers(i)
            found.append(
                sum(float(row[t]) for t in right) / len(right)
                - sum(float(row[t]) for t in wrong) / len(wrong)
            )
        return found


@cache
def case(
    family: str = "gpt2", metric: str = "logit_diff", pairs: tuple[int, ...] | None = None
) -> Case:
    """`pairs` picks some of `readout_cases.PAIRS`."""
    hf, tokenizer = MAKERS[family]()
    batch = make_batch(made_task(metric, pairs), tokenizer)
    references = [Reference(hf, group.clean, group.corrupted) for group in batch.groups]
    return Case(Experiment(made_model(family), batch, metric), references)


@cache
def known() -> Model:
    return load_model("known", device="cpu", dtype="float32")


@cache
def known_experiment(pairs: int = 12, ablation: str = "patching") -> Experiment:
    """The hand-written model on its task."""
    task = load_task("induction", known(), pairs=pairs)
    return Experiment(known(), make_batch(task, known().tokenizer), ablation=ablation)


def level_experiment() -> Experiment:
    """One whose clean and corrupted runs score the same, so that there is no faithfulness."""
    plain = case("gpt2").experiment
    experiment = Experiment(plain.model, plain.batch)
    experiment.corrupted = experiment.clean
    return experiment


def refused(work: Work[Any]) -> None:
    """A circuit with open destinations is refused in one sentence that says what to do."""
    with pytest.raises(WorkbenchError, match="expand or close every open input"):
        finish(work)
