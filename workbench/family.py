"""Which model families are exact here, and a sentence for those that are not."""

from __future__ import annotations

from typing import Any

from workbench.errors import WorkbenchError

# transformers' model_type -> what researchers call it. A family is here once tests hold the engine
# to it.
SUPPORTED_FAMILIES: dict[str, str] = {
    "gpt2": "GPT-2",
    "llama": "Llama-like (Llama 2 and 3, SmolLM 1 and 2, TinyLlama)",
    "gpt_neox": "GPT-NeoX (Pythia)",
}

# fmt: off
ENCODERS = frozenset({
    "albert", "bert", "camembert", "convbert", "deberta", "deberta-v2", "distilbert", "electra",
    "ernie", "esm", "flaubert", "funnel", "ibert", "layoutlm", "longformer", "mobilebert",
    "modernbert", "mpnet", "nystromformer", "rembert", "roberta", "roberta-prelayernorm",
    "roformer", "squeezebert", "xlm-roberta", "xlm-roberta-xl", "xmod",
})
# fmt: on
"""Model types that fill in masked tokens: no next token, so no logits to work back from."""


def require_supported(config: Any, name: str = "The model") -> None:
    """Accept the transformers configuration of a model that the engine computes exactly.

    Raises:
        WorkbenchError: it is an encoder or encoder-decoder, quantised, or of another family.
    """
    family = str(getattr(config, "model_type", "") or "unknown")
    if getattr(config, "is_encoder_decoder", False):
        raise WorkbenchError(
            f"{name} is an encoder-decoder model ({family}); the workbench takes decoder-only "
            "language models."
        )
    if family in ENCODERS:
        raise WorkbenchError(
            f"{name} is an encoder model ({family}), which predicts no next token; the workbench "
            "takes decoder-only language models."
        )
    if family not in SUPPORTED_FAMILIES:
        raise WorkbenchError(
            f"{name} is of the family {family!r}, which is not exact in the workbench yet; "
            f"the families that are: {', '.join(SUPPORTED_FAMILIES)}."
        )
    if getattr(config, "quantization_config", None) is not None:
        raise WorkbenchError(
            f"{name} has quantised weights, which the engine cannot split by head; "
            "load the unquantised model, or a GGUF file, which is converted."
        )
