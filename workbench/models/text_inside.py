"""The text model inside a multimodal one: taken out, sharing its weights."""

from __future__ import annotations

from typing import Any

import torch

from workbench.errors import WorkbenchError
from workbench.models.transformers_access import add_reading_note


def take_text(whole: Any, name: str) -> Any:
    """A causal language model of the text model inside a multimodal model.

    Args:
        whole: the transformers model.
        name: what to call it in messages.

    Raises:
        WorkbenchError: it keeps its text model elsewhere than those that were tried.
    """
    from transformers import AutoModelForCausalLM

    core = getattr(getattr(whole, "model", None), "language_model", None)
    unembedding = getattr(whole, "lm_head", None)
    if core is None or unembedding is None:
        raise WorkbenchError(
            f"{name} (a {type(whole).__name__}) keeps its text model elsewhere than the multimodal "
            "models that were tried; save its text model by itself and load that."
        )
    with torch.device("meta"):
        text = AutoModelForCausalLM.from_config(core.config)
    text.model, text.lm_head = core, unembedding
    text = text.eval().requires_grad_(False)
    add_reading_note(
        text,
        f"{name} reads more than text ({whole.config.model_type}); its text model was taken "
        f"({core.config.model_type}), which sees tokens alone.",
    )
    return text
