"""Every tiny family with pairs of two lengths, and the reference for each group, made once."""

from __future__ import annotations

from functools import cache

import torch

from tests.support import recent_families, tiny_families
from tests.support.cases.batches import batch_of
from tests.support.cases.engine_cases import Case, in_float64
from tests.support.references.family import FamilyReference
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model
from workbench.prompts.batch import Group

MAKERS = {**tiny_families.MAKERS, **recent_families.MAKERS}
CASES = tuple(MAKERS)
ONE_OF_EACH = (
    "gpt2",
    "llama",
    "gpt_neo",
    "opt bare",
    "gemma2",
    "phi",
    "olmo2",
    "olmoe",
    "gpt_oss",
    "granite",
    "cohere2",
    "bloom",
    "llama4_text",
    "deepseek_v2",
)
"""Cases that together have every mechanism that any case has, as docs/families.md words them.

What is computed of parts alone, whatever family they are of, is tested on these; what an adapter
says, and runs against transformers and the reference, on all. `test_family_table.py` sees that no
mechanism is missing: a family that brings a new one is added here.
"""
EXPERTS = tuple(
    case
    for case in CASES
    if case in ("gemma4_text experts", "llama4_text")
    or case.split()[0] in ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "gpt_oss", "granitemoe")
    or case in ("deepseek_v2", "deepseek_v2 lite", "deepseek_v3")
)
"""Cases with layers of experts."""
# Pairs' places, length and first difference of each group. The windows are 3 to 5 positions: a
# common prefix of 4 is beyond them for some queries, within them for others, and one of 1 is too
# short to matter.
GROUPS = (((0, 2), 9, 4), ((1,), 6, 1))


@cache
def model_of(name: str) -> Model:
    """A tiny model of a family, loaded and checked."""
    return Model.from_hf(*MAKERS[name](), name=name, device="cpu")


def family_case(name: str, seed: int = 7, groups: tuple = GROUPS) -> Case:
    """A family's model with random pairs."""
    return case_of(model_of(name), seed, groups)


def case_of(model: Model, seed: int, groups: tuple = GROUPS) -> Case:
    """A model with random pairs, and the reference of each group."""
    generator = torch.Generator().manual_seed(seed)
    words = model.info.vocabulary
    made, references, answers, wrong = [], [], [], []
    for indices, length, start in groups:
        n = len(indices)
        clean = torch.randint(2, words, (n, length), generator=generator)
        corrupted = clean.clone()
        corrupted[:, start] = (clean[:, start] + 1 - 2) % (words - 2) + 2
        if start <= length - 2:
            corrupted[::2, -2] = torch.randint(2, words, (len(clean[::2]),), generator=generator)
        right = tuple((3 + i, 5 + i) for i in range(n))
        bad = tuple((9 + i,) for i in range(n))
        made.append(Group(indices, clean, corrupted, right, bad, start))
        references.append(FamilyReference(in_float64(model.hf), clean, corrupted))
        answers.append(right)
        wrong.append(bad)
    experiment = Experiment(model, batch_of(made))
    return Case(model, experiment, references, answers, wrong)  # type: ignore[arg-type]


usual_case = cache(family_case)
