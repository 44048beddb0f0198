"""Accepting a model by its configuration, or a sentence on why it is not exact. No torch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from workbench.base.text import quoted
from workbench.errors import WorkbenchError
from workbench.transformer.families.catalogue import FAMILIES

# fmt: off
ENCODERS = frozenset({
    "albert", "bert", "camembert", "convbert", "deberta", "deberta-v2", "distilbert", "electra",
    "ernie", "esm", "flaubert", "funnel", "ibert", "layoutlm", "longformer", "mobilebert",
    "modernbert", "mpnet", "nystromformer", "rembert", "roberta", "roberta-prelayernorm",
    "roformer", "squeezebert", "xlm-roberta", "xlm-roberta-xl", "xmod",
})
"""Model types that fill in masked tokens: no next token, so no logits to work back from."""

RECURRENT = frozenset({
    "bailing_hybrid", "bamba", "falcon_h1", "falcon_mamba", "granitemoehybrid", "jamba",
    "kimi_linear", "lfm2", "lfm2_moe", "mamba", "mamba2", "minimax", "nemotron_h", "olmo_hybrid",
    "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text", "qwen3_next", "recurrent_gemma",
    "rwkv", "xlstm", "zamba", "zamba2",
})
"""Model types some or all of whose layers carry a state along instead of attending."""

VISION = frozenset({
    "blip", "blip-2", "clip", "fuyu", "gemma3", "gemma3n", "idefics", "idefics2", "idefics3",
    "internvl", "kosmos-2", "llama4", "llava", "llava_next", "llava_onevision", "mistral3",
    "mllama", "paligemma", "phi3_v", "pixtral", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "siglip",
    "smolvlm", "vit",
})
"""Model types that read images."""
# fmt: on

OWN_TEXT = frozenset({"gemma3n", "mllama", "paligemma"})
"""Multimodal types whose text models read images in layers of their own, or prompts both ways."""

BY_LAYER = frozenset({"gemma4_text"})
"""Model types whose layers differ in how many heads share keys."""


def require_supported(config: Any, name: str = "The model") -> None:
    """Accept the transformers configuration of a model that the engine computes exactly.

    Args:
        config: has config.json's entries as attributes; what is left out there may be missing.

    Raises:
        WorkbenchError: it is of no supported family, of a variant that is not exact, or quantised.
    """
    model_type = str(getattr(config, "model_type", "") or "unknown")
    family = FAMILIES.get(model_type)
    inside = text_inside(config)
    if inside is not None and getattr(config, "quantization_config", None) is None:
        require_supported(inside, f"The text model inside {name}")
        return
    if family is None:
        reason: str | None = _other_kind(config, model_type)
    else:
        reason = family.refusal(config) or _uneven_heads(config)
    if reason is not None:
        raise WorkbenchError(f"{name} {reason}")
    if getattr(config, "quantization_config", None) is not None:
        raise WorkbenchError(
            f"{name} has quantised weights, which the engine cannot split by head; "
            "load the unquantised model, or a GGUF file, which is converted."
        )


def text_inside(config: Any) -> Any:
    """The configuration of a multimodal model's text model, as attributes; or None."""
    inside = getattr(config, "text_config", None)
    model_type = getattr(config, "model_type", None)
    if inside is None or model_type in OWN_TEXT or model_type in FAMILIES:
        return None
    return SimpleNamespace(**inside) if isinstance(inside, dict) else inside


def _other_kind(config: Any, family: str) -> str:
    """Why a family that is not in the catalogue is not exact here."""
    if getattr(config, "is_encoder_decoder", False):
        return (
            f"is an encoder-decoder model ({family}); the workbench takes decoder-only "
            "language models."
        )
    if family in ENCODERS:
        return (
            f"is an encoder model ({family}), which predicts no next token; the workbench "
            "takes decoder-only language models."
        )
    if family in RECURRENT:
        return (
            f"is a state-space or recurrent model ({family}), or a hybrid of one: layers carry a "
            "state along instead of attending, so they have no heads with queries and keys, and "
            "the engine's graph knows no other nodes that move something between positions."
        )
    if family in VISION or getattr(config, "vision_config", None) is not None:
        return (
            f"is a vision-language model ({family}); the workbench takes language models, so save "
            "its language model by itself and load that."
        )
    return (
        f"is of the family {quoted(family)}, which is not exact in the workbench yet; "
        f"the families that are: {', '.join(FAMILIES)}."
    )


def _uneven_heads(config: Any) -> str | None:
    """Why no family's adapter could split these heads; None if it can."""
    if getattr(config, "model_type", None) in BY_LAYER:
        return None  # adapters look at each layer
    heads = getattr(config, "num_attention_heads", None)
    kv_heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_kv_heads", None)
    # More of them than heads is how GPT-BigCode's configuration counts the whole projection.
    if heads and kv_heads and kv_heads <= heads and heads % kv_heads:
        return (
            f"has {heads} query heads that do not divide evenly among {kv_heads} key-value heads; "
            "check its configuration."
        )
    return None
