"""Tiny models whose layers differ from one another, or from what most models have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as tf

from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_neox

SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}


def made(model: Callable[[Any], Any], config: Callable[..., Any], **more: Any) -> Any:
    """A model of random weights with the plain attention."""
    torch.manual_seed(0)
    hf = model(config(**{**SHAPE, **more})).eval().requires_grad_(False)
    hf.config._attn_implementation = "eager"
    return hf


def gpt_neo() -> Any:
    config = tf.GPTNeoConfig(
        vocab_size=50,
        hidden_size=32,
        num_layers=4,
        num_heads=4,
        attention_types=[[["global", "local"], 2]],
        window_size=4,
        max_position_embeddings=64,
        bos_token_id=1,
        eos_token_id=1,
    )
    hf = tf.GPTNeoForCausalLM(config).eval().requires_grad_(False)
    hf.config._attn_implementation = "eager"
    return hf


MODELS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: tiny_gpt2()[0],
    "llama": lambda: tiny_llama()[0],
    "gpt_neox": lambda: tiny_neox()[0],
    "gpt_neo": gpt_neo,
    "gemma2": lambda: made(tf.Gemma2ForCausalLM, tf.Gemma2Config, head_dim=12, sliding_window=2048),
    "gemma3": lambda: made(
        tf.Gemma3ForCausalLM,
        tf.Gemma3TextConfig,
        num_hidden_layers=7,
        head_dim=12,
        sliding_window=5,
    ),
    "olmo": lambda: made(tf.OlmoForCausalLM, tf.OlmoConfig, clip_qkv=8.0),
    "olmo2": lambda: made(tf.Olmo2ForCausalLM, tf.Olmo2Config),
    "cohere": lambda: made(tf.CohereForCausalLM, tf.CohereConfig),
    "stablelm": lambda: made(
        tf.StableLmForCausalLM, tf.StableLmConfig, qk_layernorm=True, use_parallel_residual=True
    ),
    "smollm3": lambda: made(tf.SmolLM3ForCausalLM, tf.SmolLM3Config),
    "qwen2_moe": lambda: made(
        tf.Qwen2MoeForCausalLM,
        tf.Qwen2MoeConfig,
        num_experts=4,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=16,
        mlp_only_layers=[1],
    ),
    # A latent that is much wider than a head, as the released ones are.
    "deepseek_v2": lambda: made(
        tf.DeepseekV2ForCausalLM,
        tf.DeepseekV2Config,
        num_key_value_heads=None,
        first_k_dense_replace=4,
        q_lora_rank=None,
        kv_lora_rank=24,
        qk_nope_head_dim=8,
        qk_rope_head_dim=4,
        v_head_dim=6,
    ),
}
