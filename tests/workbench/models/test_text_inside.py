"""Multimodal models: the text model inside is taken, and computes what the whole does of text."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as hf

from tests.support.tiny_families import randomised
from tests.support.tiny_models import tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.models.model import Model, load_model
from workbench.transformer.families.supported import require_supported

TOKENS = torch.tensor([[5, 40, 7, 300, 12, 9]])
TEXT: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
EYES: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}


def gemma3(words: int) -> Any:
    config = hf.Gemma3Config(
        text_config={**TEXT, "vocab_size": words, "sliding_window": 3},
        vision_config=EYES,
        mm_tokens_per_image=4,
        image_token_index=words - 1,
        boi_token_index=words - 2,
        eoi_token_index=words - 3,
    )
    return hf.Gemma3ForConditionalGeneration(config)


def llava(words: int) -> Any:
    text = hf.LlamaConfig(**TEXT, vocab_size=words, tie_word_embeddings=False)
    eyes = hf.CLIPVisionConfig(**EYES)
    config = hf.LlavaConfig(text_config=text, vision_config=eyes, image_token_index=words - 1)
    return hf.LlavaForConditionalGeneration(config)


@pytest.mark.parametrize(("make", "inside"), [(gemma3, "gemma3_text"), (llava, "llama")])
def test_the_text_model_inside_is_taken(make: Any, inside: str, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    whole = make(len(tokenizer))
    whole.config.hidden_size = whole.config.text_config.hidden_size
    whole = randomised(whole)
    del whole.config.hidden_size
    whole.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load_model(str(tmp_path), device="cpu")
    assert model.info.family == inside and model.check.passed
    with torch.no_grad():
        expected = whole(input_ids=TOKENS).logits
        torch.testing.assert_close(model.hf(TOKENS).logits, expected, rtol=1e-4, atol=1e-4)
    (note,) = model.info.notes
    assert "its text model was taken" in note and inside in note
    if make is llava:
        assert Model.from_hf(whole, tokenizer, name="It").info.notes == (
            "It reads more than text (llava); its text model was taken (llama), which sees tokens "
            "alone.",
        )


@pytest.mark.parametrize(
    ("inside", "part"),
    [
        ({"model_type": "qwen3_5_text"}, "The text model inside It is a state-space or recurrent"),
        ({"model_type": "gemma4_text", "hidden_size_per_layer_input": 256}, "past the residual"),
    ],
)
def test_a_text_model_inside_that_is_not_exact(inside: dict[str, Any], part: str) -> None:
    config = SimpleNamespace(model_type="whole", text_config=inside, vision_config={})
    with pytest.raises(WorkbenchError, match=part):
        require_supported(config, "It")
