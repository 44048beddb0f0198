"""The families: what researchers call them, what takes them apart, refused variants.

Pure data; the functions are named, and imported when a model is loaded. A family is built in once
tests hold the engine to it.

Glossary: docs/glossary.md#family.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.plugins import Catalogue, resolve

if TYPE_CHECKING:
    from workbench.transformer.parts import ModelParts


@dataclass(frozen=True)
class Family:
    """One family. Functions are named as "package.module:function".

    Attributes:
        model_type: transformers' name of it, as config.json has it.
        words: what researchers call it.
        adapter: makes the `ModelParts` from a transformers model for causal language modelling.
            Its module is imported before such a model is read, and may register classes of its own
            with transformers.
        variant: says of a configuration, before weights are read, why a variant is not exact, in
            words that follow the model's name; None for one that is. Without such a function all
            are let through, to the adapter.
    """

    model_type: str
    words: str
    adapter: str
    variant: str | None = None

    @property
    def name(self) -> str:
        """In the catalogue."""
        return self.model_type

    def load_adapter(self) -> Callable[[Any], ModelParts]:
        """Import the adapter.

        Raises:
            WorkbenchError: that fails.
        """
        adapter: Callable[[Any], ModelParts] = resolve(self.adapter)
        return adapter

    def refusal(self, config: Any) -> str | None:
        """Why a variant is not exact, in words that follow the model's name; None if it is.

        Args:
            config: has config.json's entries as attributes; what is left out there may be missing.
        """
        if self.variant is None:
            return None
        function: Callable[[Any], str | None] = resolve(self.variant)
        return function(config)


_HERE = "workbench.transformer.families"
_GPT2, _LLAMA, _GEMMA = f"{_HERE}.gpt2_like", f"{_HERE}.llama_like", f"{_HERE}.gemma"
_FUSED, _PARALLEL = f"{_HERE}.fused", f"{_HERE}.parallel"
_POST, _ALIBI = f"{_HERE}.post_normed", f"{_HERE}.alibi"
_LATENT = f"{_HERE}.latent"

BUILT_IN = (
    Family("gpt2", "GPT-2", f"{_GPT2}:gpt2"),
    Family("llama", "Llama-like (Llama 2 and 3, SmolLM 1 and 2, TinyLlama)", f"{_LLAMA}:llama"),
    Family("llama4_text", "Llama 4, text", f"{_LLAMA}:llama4_text"),
    Family("gpt_neox", "GPT-NeoX (Pythia)", f"{_FUSED}:gpt_neox"),
    Family("gpt_neo", "GPT-Neo", f"{_GPT2}:gpt_neo"),
    Family("gptj", "GPT-J", f"{_GPT2}:gptj"),
    Family("opt", "OPT, Galactica", f"{_GPT2}:opt", variant=f"{_GPT2}:opt_variant"),
    Family("mistral", "Mistral", f"{_LLAMA}:mistral"),
    Family("mixtral", "Mixtral", f"{_LLAMA}:mistral"),
    Family("qwen2", "Qwen 2 and 2.5", f"{_LLAMA}:qwen2"),
    Family("qwen2_moe", "Qwen 1.5 and 2 MoE", f"{_LLAMA}:qwen2_moe"),
    Family("qwen3", "Qwen 3", f"{_LLAMA}:qwen3"),
    Family("qwen3_moe", "Qwen 3 MoE", f"{_LLAMA}:qwen3_moe"),
    Family("gemma", "Gemma 1", f"{_GEMMA}:gemma"),
    Family("gemma2", "Gemma 2", f"{_GEMMA}:gemma2"),
    Family("gemma3_text", "Gemma 3, text", f"{_GEMMA}:gemma3_text"),
    Family(
        "gemma4_text",
        "Gemma 4, text (31B and 26B-A4B)",
        f"{_GEMMA}:gemma4_text",
        variant=f"{_GEMMA}:gemma4_variant",
    ),
    Family("phi", "Phi 1, 1.5 and 2", f"{_PARALLEL}:phi"),
    Family("phi3", "Phi 3 and 4", f"{_FUSED}:phi3"),
    Family("olmo", "OLMo 1", f"{_LLAMA}:olmo"),
    Family("olmo2", "OLMo 2", f"{_POST}:olmo2"),
    Family("olmo3", "OLMo 3", f"{_POST}:olmo3"),
    Family("olmoe", "OLMoE", f"{_LLAMA}:olmoe"),
    Family("gpt_oss", "GPT-OSS", f"{_LLAMA}:gpt_oss"),
    Family("falcon", "Falcon", f"{_FUSED}:falcon"),
    Family("stablelm", "StableLM", f"{_PARALLEL}:stablelm"),
    Family("smollm3", "SmolLM 3", f"{_LLAMA}:smollm3"),
    Family("granite", "Granite", f"{_LLAMA}:granite"),
    Family("granitemoe", "Granite MoE", f"{_LLAMA}:granitemoe"),
    Family("cohere", "Command R (Cohere)", f"{_PARALLEL}:cohere"),
    Family("cohere2", "Command R 7B and Command A (Cohere 2)", f"{_PARALLEL}:cohere2"),
    Family("glm", "GLM 4, 9B", f"{_LLAMA}:glm"),
    Family("glm4", "GLM 4, 0414", f"{_POST}:glm4"),
    Family("exaone4", "EXAONE 4", f"{_POST}:exaone4"),
    Family("seed_oss", "Seed-OSS", f"{_LLAMA}:llama"),
    Family("nemotron", "Nemotron and Minitron", f"{_LLAMA}:nemotron"),
    Family("starcoder2", "StarCoder 2", f"{_LLAMA}:starcoder2"),
    Family("gpt_bigcode", "GPT-BigCode (SantaCoder, StarCoder 1)", f"{_FUSED}:gpt_bigcode"),
    Family("deepseek_v2", "DeepSeek V2, V2-Lite and Coder V2", f"{_LATENT}:deepseek_v2"),
    Family("deepseek_v3", "DeepSeek V3 and R1", f"{_LATENT}:deepseek_v3"),
    Family("bloom", "BLOOM", f"{_ALIBI}:bloom", variant=f"{_ALIBI}:bloom_variant"),
    Family("mpt", "MPT", f"{_ALIBI}:mpt"),
)

FAMILIES: Catalogue[Family] = Catalogue("families", "family", Family, BUILT_IN)


def words_of_families() -> dict[str, str]:
    """What researchers call each family, by its model_type; for a list."""
    return {name: family.words for name, family in FAMILIES.items()}
