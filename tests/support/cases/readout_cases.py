"""A tiny model of each family with recorded pairs of two lengths, and its independent reference."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from tasks.pair import Pair
from tasks.task import Task
from tests.support.references.readout import Reference, Written
from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_neox
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import make_batch


def _unembedding_bias() -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """GPT-2 with a bias on the unembedding, as some of its relatives have."""
    hf, tokenizer = tiny_gpt2(layers=2, heads=2)
    head = nn.Linear(hf.config.n_embd, len(tokenizer))
    with torch.no_grad():
        head.weight.copy_(hf.lm_head.weight)
        head.bias.normal_(generator=torch.Generator().manual_seed(1))
    hf.lm_head = head.requires_grad_(False)
    return hf, tokenizer


FAMILIES = {
    "gpt2": lambda: tiny_gpt2(layers=2, heads=3),
    "llama": lambda: tiny_llama(layers=2, heads=4, n_kv_heads=2),
    "neox": lambda: tiny_neox(layers=2, heads=3),
    "gpt2 with unembedding bias": _unembedding_bias,
    "neox sequential": lambda: tiny_neox(layers=2, heads=2, parallel=False),
}

# Two lengths in turns, so that a group's rows are not the pairs' numbers; answers vary in number;
# the second group's prompts share a longer beginning.
PAIRS = (
    Pair("The keys near the table", "The key near the table", (" are", " were"), (" is", " was")),
    Pair(
        "The war went from the year 1741", "The war went from the year 1701", (" John",), (" Mary",)
    ),
    Pair(
        "The books from the store", "The book from the store", (" have",), (" has", " is", " was")
    ),
    Pair(
        "The war went from the year 1766",
        "The war went from the year 1712",
        (" Mary", " Tom"),
        (" John",),
    ),
    Pair("The key near the store", "The keys near the store", (" is", " was"), (" are",)),
)
ANSWER_SPACE = (" are", " is", " John", " Mary", " Anna")


@dataclass(frozen=True, eq=False)
class Case:
    """One model's experiment, with the reference's view of its pairs."""

    experiment: Experiment
    reference: Reference

    @cache  # noqa: B019, the cases live as long as the tests
    def written(self, pair: int, run: str = "clean") -> Written:
        """What the reference says one prompt wrote."""
        group, row = self.experiment.batch.locate(pair)
        return self.reference.run((group.clean if run == "clean" else group.corrupted)[row])

    def answers(self, pair: int) -> tuple[list[int], list[int]]:
        """Token ids of a pair's answers and wrong answers, from its text."""
        tokenizer = self.experiment.model.tokenizer
        sides = PAIRS[pair].answers, PAIRS[pair].wrong_answers
        right, wrong = ([tokenizer(text)["input_ids"][0] for text in side] for side in sides)
        return right, wrong


@cache
def case(family: str, metric: str = "logit_diff", pairs: tuple[int, ...] | None = None) -> Case:
    """The case of one family; `pairs` picks some of `PAIRS`."""
    hf, tokenizer = FAMILIES[family]()
    reference = Reference(copy.deepcopy(hf))
    chosen = PAIRS if pairs is None else tuple(PAIRS[i] for i in pairs)
    task = Task(
        name="readouts",
        pairs=chosen,
        metric=metric,
        description="Pairs of two lengths.",
        answer_space=ANSWER_SPACE,
    )
    model = Model.from_hf(hf, tokenizer, name=f"tiny {family}")
    batch = make_batch(task, tokenizer)
    return Case(Experiment(model, batch, metric), reference)
