"""Tiny models of more families, made as in `tiny_families`: those with experts, ALiBi, sinks,
chunks, latent attention, and the newer ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as hf

from tests.support.tiny_families import (
    DROPPED,
    HEADS,
    LAYERS,
    PARTIAL,
    WIDE,
    WINDOW,
    Made,
    made,
    soften,
)

WINDOW_AND_ALL = ["sliding_attention", "full_attention", "sliding_attention"]


def olmo3() -> Made:
    """As OLMo 2, every other layer with a window."""
    return made(
        hf.Olmo3ForCausalLM,
        hf.Olmo3Config,
        num_key_value_heads=2,
        sliding_window=WINDOW,
        layer_types=WINDOW_AND_ALL,
        tie_word_embeddings=True,
    )


def olmoe() -> Made:
    """Joint norms, clipping and experts together."""
    return made(
        hf.OlmoeForCausalLM,
        hf.OlmoeConfig,
        num_key_value_heads=2,
        num_experts=5,
        num_experts_per_tok=2,
        clip_qkv=1.5,
    )


def gpt_oss() -> Made:
    """Sinks, biases in attention and experts, every other layer with a window, yarn."""
    model, tokenizer = made(
        hf.GptOssForCausalLM,
        hf.GptOssConfig,
        num_key_value_heads=2,
        head_dim=6,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=WINDOW,
        layer_types=WINDOW_AND_ALL,
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 100.0,
            "factor": 4.0,
            "truncate": False,
            "original_max_position_embeddings": 8,
        },
    )
    soften([block.self_attn for block in model.model.layers])
    return model, tokenizer


def starcoder2() -> Made:
    return made(
        hf.Starcoder2ForCausalLM,
        hf.Starcoder2Config,
        num_key_value_heads=2,
        sliding_window=WINDOW + 1,
        tie_word_embeddings=True,
    )


def glm() -> Made:
    """Half of each head rotated, neighbours against each other; biases of q, k and v."""
    return made(
        hf.GlmForCausalLM,
        hf.GlmConfig,
        num_key_value_heads=2,
        head_dim=8,
        attention_bias=True,
        rope_parameters=PARTIAL,
    )


def glm4() -> Made:
    """Norms on both sides of attention and MLP."""
    return made(
        hf.Glm4ForCausalLM,
        hf.Glm4Config,
        num_key_value_heads=2,
        head_dim=8,
        attention_bias=True,
        rope_parameters=PARTIAL,
    )


def cohere2() -> Made:
    """Layers with a window rotate, those without do not."""
    return made(
        hf.Cohere2ForCausalLM,
        hf.Cohere2Config,
        num_key_value_heads=2,
        logit_scale=0.7,
        sliding_window=WINDOW,
        layer_types=WINDOW_AND_ALL,
    )


def seed_oss() -> Made:
    """Biases of q, k and v, none of the output."""
    return made(
        hf.SeedOssForCausalLM,
        hf.SeedOssConfig,
        num_key_value_heads=2,
        head_dim=6,
        attention_bias=True,
        attention_out_bias=False,
    )


def nemotron() -> Made:
    """Norms that multiply by 1 + weight and have biases; half of each head rotated."""
    return made(
        hf.NemotronForCausalLM,
        hf.NemotronConfig,
        num_key_value_heads=2,
        head_dim=8,
        rope_parameters=PARTIAL,
    )


def exaone4() -> Made:
    """Layers with a window rotate, those without do not; norms after."""
    return made(
        hf.Exaone4ForCausalLM,
        hf.Exaone4Config,
        num_key_value_heads=2,
        head_dim=6,
        sliding_window=WINDOW,
        sliding_window_pattern=2,
        layer_types=WINDOW_AND_ALL,
    )


def granitemoe() -> Made:
    return made(
        hf.GraniteMoeForCausalLM,
        hf.GraniteMoeConfig,
        num_key_value_heads=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        embedding_multiplier=1.7,
        attention_multiplier=0.3,
        residual_multiplier=0.6,
        logits_scaling=1.3,
    )


def gpt_bigcode() -> Made:
    """One key-value head for all."""
    return made(hf.GPTBigCodeForCausalLM, hf.GPTBigCodeConfig, n_inner=24, multi_query=True)


def gpt_bigcode_many() -> Made:
    """A key-value head for each, all three of a head together in the projection."""
    return made(
        hf.GPTBigCodeForCausalLM,
        hf.GPTBigCodeConfig,
        n_inner=24,
        multi_query=False,
        tie_word_embeddings=False,
    )


def bloom() -> Made:
    """A norm of the embedding."""
    return made(hf.BloomForCausalLM, hf.BloomConfig, n_layer=LAYERS, n_head=4)


def mpt() -> Made:
    """Three heads, which is no power of two; q, k and v clipped."""
    return made(
        hf.MptForCausalLM,
        hf.MptConfig,
        d_model=18,
        hidden_size=DROPPED,
        n_layers=LAYERS,
        n_heads=3,
        max_seq_len=64,
        attn_config={"clip_qkv": 1.5, "attn_pdrop": 0},
        intermediate_size=DROPPED,
        num_hidden_layers=DROPPED,
        num_attention_heads=DROPPED,
        max_position_embeddings=DROPPED,
    )


def falcon_alibi() -> Made:
    """As Falcon RW."""
    return made(
        hf.FalconForCausalLM,
        hf.FalconConfig,
        alibi=True,
        multi_query=False,
        parallel_attn=False,
        bias=True,
        intermediate_size=DROPPED,
        ffn_hidden_size=24,
        hidden_size=WIDE,
    )


def gemma4_text() -> Made:
    """Layers of two widths; in the full one values are the keys; residuals multiplied."""
    return _gemma4(enable_moe_block=False)


def gemma4_experts() -> Made:
    """An MLP and experts side by side."""
    return _gemma4(
        enable_moe_block=True,
        num_experts=4,
        top_k_experts=2,
        moe_intermediate_size=8,
    )


def _gemma4(**options: Any) -> Made:
    model, tokenizer = made(
        hf.Gemma4ForCausalLM,
        hf.Gemma4TextConfig,
        num_key_value_heads=2,
        num_global_key_value_heads=1,
        head_dim=6,
        global_head_dim=8,
        attention_k_eq_v=True,
        hidden_size_per_layer_input=0,
        vocab_size_per_layer_input=8,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention", "full_attention"],
        final_logit_softcapping=2.0,
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            "full_attention": {
                "rope_type": "proportional",
                "partial_rotary_factor": 0.5,
                "rope_theta": 1000.0,
            },
        },
        **options,
    )
    for block, factor in zip(model.model.layers, (0.7, 1.4, 0.9), strict=True):
        block.layer_scalar.fill_(factor)
    return model, tokenizer


def llama4_text() -> Made:
    """Two layers that rotate, norm and see chunks, one with experts; one that does neither."""
    return made(
        hf.Llama4ForCausalLM,
        hf.Llama4TextConfig,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=24,
        intermediate_size_mlp=24,
        num_local_experts=3,
        num_experts_per_tok=1,
        moe_layers=[1],
        no_rope_layers=[1, 1, 0],
        attention_chunk_size=4,
        use_qk_norm=True,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
    )


def deepseek_v2() -> Made:
    """As V2: queries of a latent, yarn; biases where there may be some.

    Experts are chosen from all, not by groups, with which early releases of V2 fail by themselves.
    """
    return _deepseek(
        hf.DeepseekV2ForCausalLM,
        hf.DeepseekV2Config,
        attention_bias=True,
        mlp_bias=True,
        rope_parameters=YARN_OF_SCORES,
    )


def deepseek_v2_lite() -> Made:
    """As V2-Lite: queries of no latent; neither yarn nor biases."""
    return _deepseek(
        hf.DeepseekV2ForCausalLM,
        hf.DeepseekV2Config,
        q_lora_rank=None,
        n_shared_experts=1,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
    )


def deepseek_v3() -> Made:
    """Experts chosen by groups and by what a bias adds; biases in attention; yarn."""
    return _deepseek(
        hf.DeepseekV3ForCausalLM,
        hf.DeepseekV3Config,
        norm_topk_prob=True,
        attention_bias=True,
        rope_parameters=YARN_OF_SCORES,
    )


def deepseek_v3_dense() -> Made:
    """No experts; halves rotated against each other; queries of no latent."""
    return _deepseek(
        hf.DeepseekV3ForCausalLM,
        hf.DeepseekV3Config,
        rope_interleave=False,
        first_k_dense_replace=LAYERS,
        q_lora_rank=None,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
    )


YARN_OF_SCORES = {
    "rope_type": "yarn",
    "rope_theta": 100.0,
    "factor": 4.0,
    "mscale": 0.7,
    "mscale_all_dim": 1.3,
    "original_max_position_embeddings": 8,
}


def _deepseek(model: Any, config: Any, **options: Any) -> Made:
    """One dense layer, then experts; no two widths of a head are the same."""
    usual: dict[str, Any] = {
        "num_key_value_heads": HEADS,
        "q_lora_rank": 12,
        "kv_lora_rank": 14,
        "qk_nope_head_dim": 6,
        "qk_rope_head_dim": 4,
        "v_head_dim": 8,
        "first_k_dense_replace": 1,
        "moe_intermediate_size": 8,
        "n_routed_experts": 6,
        "num_experts_per_tok": 2,
        "n_shared_experts": 2,
        "routed_scaling_factor": 1.4,
        "n_group": 3,
        "topk_group": 2,
    }
    made_of, tokenizer = made(model, config, **{**usual, **options})
    for number, block in enumerate(made_of.model.layers):
        # As `soften`, and so that float noise stays what it is in the other families.
        for path, weight in block.named_parameters():
            if "q_proj" in path or "q_b_proj" in path:
                weight.mul_(0.4)
            if "down_proj" in path:
                weight.mul_(0.5)
        router: Any = getattr(block.mlp, "gate", None)
        if hasattr(router, "e_score_correction_bias"):
            shift = torch.linspace(-0.3, 0.3, 6).roll(number)
            router.e_score_correction_bias.copy_(shift)
    return made_of, tokenizer


MAKERS: dict[str, Callable[[], Made]] = {
    "gemma4_text": gemma4_text,
    "gemma4_text experts": gemma4_experts,
    "llama4_text": llama4_text,
    "olmo3": olmo3,
    "olmoe": olmoe,
    "gpt_oss": gpt_oss,
    "starcoder2": starcoder2,
    "glm": glm,
    "glm4": glm4,
    "cohere2": cohere2,
    "seed_oss": seed_oss,
    "nemotron": nemotron,
    "exaone4": exaone4,
    "granitemoe": granitemoe,
    "gpt_bigcode": gpt_bigcode,
    "gpt_bigcode many": gpt_bigcode_many,
    "bloom": bloom,
    "mpt": mpt,
    "falcon alibi": falcon_alibi,
    "deepseek_v2": deepseek_v2,
    "deepseek_v2 lite": deepseek_v2_lite,
    "deepseek_v3": deepseek_v3,
    "deepseek_v3 dense": deepseek_v3_dense,
}
"""Case -> maker; a case's first word is the model_type."""
