"""The families: how a transformers model of each is taken apart.

An adapter is a function from the model, its modules unwrapped, to `ModelParts`. It says where
things are and how they are used; it computes nothing. That the result is the model is proven
twice: in the tests, on tiny models with unusual shapes, and on loading, on the model itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.errors import WorkbenchError
from workbench.transformer.families.fit import known_parts
from workbench.transformer.families.fused import falcon, gpt_neox, phi3
from workbench.transformer.families.gemma import gemma, gemma2, gemma3_text
from workbench.transformer.families.gpt2_like import gpt2, gpt_neo, gptj, opt
from workbench.transformer.families.llama_like import (
    granite,
    llama,
    mistral,
    olmo,
    olmo2,
    qwen2,
    qwen2_moe,
    qwen3,
    qwen3_moe,
    smollm3,
)
from workbench.transformer.families.modules import plain
from workbench.transformer.families.parallel import cohere, phi, stablelm
from workbench.transformer.parts import ModelParts

ADAPTERS: dict[str, Callable[[Any], ModelParts]] = {
    "cohere": cohere,
    "falcon": falcon,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3_text": gemma3_text,
    "gpt2": gpt2,
    "gpt_neo": gpt_neo,
    "gpt_neox": gpt_neox,
    "gptj": gptj,
    "granite": granite,
    "llama": llama,
    "mistral": mistral,
    "mixtral": mistral,
    "olmo": olmo,
    "olmo2": olmo2,
    "opt": opt,
    "phi": phi,
    "phi3": phi3,
    "qwen2": qwen2,
    "qwen2_moe": qwen2_moe,
    "qwen3": qwen3,
    "qwen3_moe": qwen3_moe,
    "smollm3": smollm3,
    "stablelm": stablelm,
}
"""transformers' model_type -> adapter. `family.SUPPORTED_FAMILIES` says which are exact."""


def parts_of(hf_model: Any) -> ModelParts:
    """The parts of a transformers model for causal language modelling.

    A model that a bridge has wrapped in place gives the same parts as one that is plain, and
    wrapping it later changes nothing here.

    Raises:
        WorkbenchError: if the family or this variant of it is not one that the engine reproduces
            exactly.
    """
    hf = plain(hf_model)
    family = hf.config.model_type
    if family not in ADAPTERS:
        raise WorkbenchError(
            f"Models of the family {family!r} are unknown to the engine; an adapter in "
            "workbench/transformer/families would be needed."
        )
    with known_parts(f"This {type(hf).__name__}", family):
        if hf.get_output_embeddings() is None:
            raise WorkbenchError(
                f"A {type(hf).__name__} has no unembedding; load it as a causal language model."
            )
        return ADAPTERS[family](hf)
