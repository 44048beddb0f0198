"""Tiny models of four layers in float64, in which a circuit evaluated in another order, or in
another batch, differs by so little that no search decides otherwise.
"""

from __future__ import annotations

from functools import cache

import transformers as hf

from tests.support.cases.family_cases import case_of
from tests.support.tiny_families import made
from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_neox
from workbench.experiment.experiment import Experiment
from workbench.models.model import Model

LAYERS = 4
MAKERS = {
    "gpt2": lambda seed: tiny_gpt2(layers=LAYERS, seed=seed),
    "llama": lambda seed: tiny_llama(layers=LAYERS, heads=2, n_kv_heads=1, seed=seed),
    "neox": lambda seed: tiny_neox(layers=LAYERS, seed=seed),
    "neox-sequential": lambda seed: tiny_neox(layers=LAYERS, parallel=False, seed=seed),
    # Norms after attention and MLP.
    "olmo2": lambda seed: made(
        hf.Olmo2ForCausalLM, hf.Olmo2Config, num_hidden_layers=LAYERS, num_attention_heads=2
    ),
}
FAMILIES = tuple(MAKERS)


@cache
def experiment(family: str, seed: int = 0) -> Experiment:
    """Random pairs of two lengths; `seed` makes both the weights and the pairs."""
    model, tokenizer = MAKERS[family](seed)
    name = f"{family} {seed}"
    return case_of(
        Model.from_hf(model.double(), tokenizer, name=name, device="cpu"), seed
    ).experiment
