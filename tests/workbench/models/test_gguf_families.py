"""GGUF files of every family that is read: they compute what their models do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf

from tests.support.model_gguf import words_of, write_model_gguf
from tests.support.references.family import step_by_step
from tests.support.tiny_families import LLAMA3, made
from workbench.base import folders
from workbench.errors import WorkbenchError
from workbench.models.model import load_model

pytestmark = pytest.mark.dependencies

TOKENS = torch.tensor([[5, 80, 100, 17, 33, 60, 12, 9, 71, 44, 8]])
SHORT = {"rope_type": "default", "rope_theta": 90.0}
"""A rotation that differs from the usual one within the prompt."""

SHAPE: dict[str, Any] = {"num_key_value_heads": 2, "num_hidden_layers": 2}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(folders.CACHE_VARIABLE, str(tmp_path / "cache"))


def tiny(architecture: str, model: Any, config: Any, **options: Any) -> Any:
    chosen = {**SHAPE, "vocab_size": words_of(architecture), **options}
    made_of = made(model, config, bos_token_id=2, eos_token_id=1, **chosen)[0]
    step_by_step(made_of)  # some kernels leave soft caps out
    return made_of


def llama3() -> tuple[Any, dict[str, Any]]:
    """With Llama 3's rotation: what the file has is one factor for each frequency."""
    model = tiny("llama", hf.LlamaForCausalLM, hf.LlamaConfig, head_dim=8, rope_parameters=LLAMA3)
    base = model.config.rope_parameters["rope_theta"]
    plain = 1 / base ** (torch.arange(0, 8, 2) / 8)
    factors = (plain / model.model.rotary_emb.inv_freq).tolist()
    assert max(factors) > 1.5
    return model, {"factors": factors}


def qwen2() -> tuple[Any, dict[str, Any]]:
    return tiny("qwen2", hf.Qwen2ForCausalLM, hf.Qwen2Config), {}


def qwen3() -> tuple[Any, dict[str, Any]]:
    """Heads of a width that transformers does not read."""
    return tiny("qwen3", hf.Qwen3ForCausalLM, hf.Qwen3Config, head_dim=6), {}


def gemma2() -> tuple[Any, dict[str, Any]]:
    model = tiny(
        "gemma2",
        hf.Gemma2ForCausalLM,
        hf.Gemma2Config,
        head_dim=6,
        query_pre_attn_scalar=6,
        sliding_window=3,
        attn_logit_softcapping=1.5,
        final_logit_softcapping=2.0,
    )
    entries = {"attn_logit_softcapping": 1.5, "final_logit_softcapping": 2.0}
    return model, {**entries, "attention__sliding_window": 3}


def gemma3() -> tuple[Any, dict[str, Any]]:
    """As the larger sizes: the rotation of full layers is stretched."""
    model = tiny(
        "gemma3",
        hf.Gemma3ForCausalLM,
        hf.Gemma3TextConfig,
        num_hidden_layers=6,
        head_dim=6,
        query_pre_attn_scalar=6,
        sliding_window=3,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
    )
    scaling = {"rope__scaling__type": "linear", "rope__scaling__factor": 8.0}
    return model, {**scaling, "attention__sliding_window": 3}


def phi3() -> tuple[Any, dict[str, Any]]:
    """With a window, which transformers does not read."""
    model = tiny("phi3", hf.Phi3ForCausalLM, hf.Phi3Config, sliding_window=4, pad_token_id=0)
    return model, {"attention__sliding_window": 4}


def qwen2moe() -> tuple[Any, dict[str, Any]]:
    """A shared expert."""
    experts = {"num_experts": 5, "num_experts_per_tok": 2}
    widths = {"moe_intermediate_size": 12, "shared_expert_intermediate_size": 20}
    model = tiny("qwen2moe", hf.Qwen2MoeForCausalLM, hf.Qwen2MoeConfig, **experts, **widths)
    entries = {"expert_count": 5, "expert_used_count": 2, "expert_feed_forward_length": 12}
    return model, {**entries, "expert_shared_feed_forward_length": 20}


def qwen3moe() -> tuple[Any, dict[str, Any]]:
    """Experts' weights sum to one, which stands in no file."""
    model = tiny(
        "qwen3moe",
        hf.Qwen3MoeForCausalLM,
        hf.Qwen3MoeConfig,
        head_dim=6,
        num_experts=5,
        num_experts_per_tok=2,
        moe_intermediate_size=12,
        norm_topk_prob=True,
    )
    entries = {"expert_count": 5, "expert_used_count": 2, "expert_feed_forward_length": 12}
    return model, entries


def starcoder2() -> tuple[Any, dict[str, Any]]:
    return tiny(
        "starcoder2",
        hf.Starcoder2ForCausalLM,
        hf.Starcoder2Config,
        norm_epsilon=0.1,
        rope_parameters=SHORT,
    ), {}


def stablelm() -> tuple[Any, dict[str, Any]]:
    """Parallel, with biases of queries, and a part of each head rotated."""
    model = tiny(
        "stablelm",
        hf.StableLmForCausalLM,
        hf.StableLmConfig,
        hidden_size=32,
        use_parallel_residual=True,
        use_qkv_bias=True,
        layer_norm_eps=0.1,
        rope_parameters=SHORT | {"partial_rotary_factor": 0.5},
    )
    return model, {"use_parallel_residual": True}


def nemotron() -> tuple[Any, dict[str, Any]]:
    model = tiny(
        "nemotron",
        hf.NemotronForCausalLM,
        hf.NemotronConfig,
        hidden_size=32,
        norm_eps=0.1,
        rope_parameters=SHORT | {"partial_rotary_factor": 0.5},
    )
    return model, {}


MADE: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "llama": llama3,
    "qwen2": qwen2,
    "qwen3": qwen3,
    "gemma2": gemma2,
    "gemma3": gemma3,
    "phi3": phi3,
    "qwen2moe": qwen2moe,
    "qwen3moe": qwen3moe,
    "starcoder2": starcoder2,
    "stablelm": stablelm,
    "nemotron": nemotron,
}


@pytest.mark.parametrize("architecture", MADE)
def test_a_family_is_read_whole(architecture: str, tmp_path: Path) -> None:
    model, entries = MADE[architecture]()
    file = write_model_gguf(tmp_path / "tiny.gguf", model, architecture, **entries)
    found = load_model(str(file), device="cpu")
    again = load_model(str(file), device="cpu")  # out of the cache
    with torch.no_grad():
        expected = model(TOKENS, use_cache=False).logits
        for one in (found, again):
            torch.testing.assert_close(one.hf(TOKENS).logits, expected, rtol=1e-4, atol=1e-4)


def test_a_split_model_is_read_from_any_part(tmp_path: Path) -> None:
    model, _ = qwen2()
    first = write_model_gguf(tmp_path / "tiny.gguf", model, "qwen2", parts=3)
    second = first.with_name("tiny-00002-of-00003.gguf")
    found = load_model(str(second), device="cpu")
    with torch.no_grad():
        expected = model(TOKENS, use_cache=False).logits
        torch.testing.assert_close(found.hf(TOKENS).logits, expected, rtol=1e-4, atol=1e-4)
    second.unlink()
    with pytest.raises(WorkbenchError, match=r"tiny-00002-of-00003.gguf does not lie beside it"):
        load_model(str(first), device="cpu")
    alone = first.rename(tmp_path / "renamed.gguf")
    with pytest.raises(WorkbenchError, match="under another name"):
        load_model(str(alone), device="cpu")


def test_norms_of_single_heads_are_refused(tmp_path: Path) -> None:
    model, entries = stablelm()
    keys = model.state_dict()
    keys["model.layers.0.self_attn.q_norm.weight"] = torch.ones(4, 8)
    model.state_dict = lambda: keys
    file = write_model_gguf(tmp_path / "tiny.gguf", model, "stablelm", **entries)
    with pytest.raises(WorkbenchError, match="norms the queries of each head by itself"):
        load_model(str(file), device="cpu")


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ({"rope__scaling__type": "yarn"}, "scales its rotary positions by length"),
        ({"rope__dimension_count": 2}, "rotates 2 of 4 dimensions"),
    ],
)
def test_what_cannot_be_carried_over_is_refused(
    tmp_path: Path, entries: dict[str, Any], part: str
) -> None:
    file = write_model_gguf(tmp_path / "tiny.gguf", qwen2()[0], "qwen2", **entries)
    with pytest.raises(WorkbenchError, match=part):
        load_model(str(file), device="cpu")
