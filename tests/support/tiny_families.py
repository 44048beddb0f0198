"""A tiny model with random weights of every family, in unusual shapes; of some families several.

Shapes are such that a mistake shows: heads that are not d_model / n_heads wide where the family
allows it, few key-value heads, windows shorter than the tests' prompts, rope scaling, norms of
queries and keys, multipliers that are not 1, experts of which a token takes some, biases where the
family may have them. Prompts are made with `tests.support.tiny_models`'s tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as hf
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from tests.support.tiny_models import GAIN, MAX_POSITIONS, tiny_tokenizer

Made = tuple[PreTrainedModel, PreTrainedTokenizerFast]
D_MODEL, LAYERS, HEADS = 16, 3, 4
WINDOW = 3

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 100.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 2.0,
    "original_max_position_embeddings": 8,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 100.0,
    "factor": 4.0,
    "original_max_position_embeddings": 8,
}
# With d_head 8 four dimensions are rotated: of two, halves and neighbours are the same.
WIDE = 32
PARTIAL = {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5}


def made(model: type[PreTrainedModel], config: type[Any], **options: Any) -> Made:
    """A model of a configuration with the usual size, which `options` change."""
    tokenizer = tiny_tokenizer()
    usual: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": D_MODEL,
        "intermediate_size": 2 * D_MODEL,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "max_position_embeddings": MAX_POSITIONS,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": None,
    }
    chosen = {name: value for name, value in {**usual, **options}.items() if value is not DROPPED}
    return randomised(model(config(**chosen))), tokenizer


DROPPED = object()
"""In place of an option's value: the family knows no such option."""


def randomised(model: PreTrainedModel) -> PreTrainedModel:
    """In eval mode, with seeded weights: matrices N(0, GAIN²/d_model), norms near one."""
    generator = torch.Generator().manual_seed(1)
    width = model.config.hidden_size
    # Whose norms multiply by 1 + weight.
    one_plus = model.config.model_type in ("gemma", "gemma2", "gemma3_text", "nemotron")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = name.endswith("weight") and ("norm" in name or ".ln_" in name)
            if is_norm:
                parameter.copy_(0.2 * noise + (0 if one_plus else 1))
            elif parameter.dim() > 1:
                parameter.copy_(GAIN * noise / width**0.5)
            else:
                parameter.copy_(0.2 * noise)
    return model.eval().requires_grad_(False)


def soften(attentions: list[Any]) -> None:
    """Make scores smaller where the family's own are so large that attention is all or nothing."""
    with torch.no_grad():
        for attention in attentions:
            attention.q_proj.weight.mul_(0.4)


def gpt2() -> Made:
    """Scores divided by the layer's number, too; untied."""
    return made(
        hf.GPT2LMHeadModel,
        hf.GPT2Config,
        scale_attn_by_inverse_layer_idx=True,
        n_inner=24,
        tie_word_embeddings=False,
    )


def gpt_neo() -> Made:
    """Global and local layers in turns."""
    model, tokenizer = made(
        hf.GPTNeoForCausalLM,
        hf.GPTNeoConfig,
        num_layers=LAYERS,
        num_heads=HEADS,
        attention_types=[[["global", "local"], 1], [["local"], 1]],
        window_size=WINDOW,
        num_hidden_layers=DROPPED,
        num_attention_heads=DROPPED,
    )
    soften([block.attn.attention for block in model.transformer.h])
    return model, tokenizer


def gptj() -> Made:
    """Half of each head rotated; a bias on the unembedding."""
    return made(hf.GPTJForCausalLM, hf.GPTJConfig, hidden_size=WIDE, n_inner=24, rotary_dim=4)


def gpt_neox() -> Made:
    """Parallel; no biases in attention."""
    return made(
        hf.GPTNeoXForCausalLM,
        hf.GPTNeoXConfig,
        use_parallel_residual=True,
        attention_bias=False,
        rope_parameters=PARTIAL,
        hidden_size=WIDE,
    )


def gpt_neox_sequential() -> Made:
    return made(
        hf.GPTNeoXForCausalLM,
        hf.GPTNeoXConfig,
        use_parallel_residual=False,
        rope_parameters=PARTIAL,
        hidden_size=WIDE,
        tie_word_embeddings=True,
    )


def opt() -> Made:
    return made(
        hf.OPTForCausalLM,
        hf.OPTConfig,
        ffn_dim=24,
        word_embed_proj_dim=D_MODEL,
        do_layer_norm_before=True,
    )


def opt_bare() -> Made:
    """As Galactica: no biases, norms without weights."""
    return made(
        hf.OPTForCausalLM,
        hf.OPTConfig,
        ffn_dim=24,
        word_embed_proj_dim=D_MODEL,
        enable_bias=False,
        layer_norm_elementwise_affine=False,
        tie_word_embeddings=False,
    )


def llama() -> Made:
    """Rope scaling of Llama 3, wide heads, biases."""
    return made(
        hf.LlamaForCausalLM,
        hf.LlamaConfig,
        num_key_value_heads=2,
        head_dim=6,
        rope_parameters=LLAMA3,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=True,
    )


def llama_yarn() -> Made:
    return made(hf.LlamaForCausalLM, hf.LlamaConfig, num_key_value_heads=1, rope_parameters=YARN)


def mistral() -> Made:
    return made(
        hf.MistralForCausalLM,
        hf.MistralConfig,
        num_key_value_heads=2,
        head_dim=6,
        sliding_window=WINDOW,
    )


def mixtral() -> Made:
    return made(
        hf.MixtralForCausalLM,
        hf.MixtralConfig,
        num_key_value_heads=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=WINDOW + 2,
    )


def qwen2() -> Made:
    """One key-value head for all; the last layer has a window."""
    return made(
        hf.Qwen2ForCausalLM,
        hf.Qwen2Config,
        num_key_value_heads=1,
        use_sliding_window=True,
        sliding_window=WINDOW,
        max_window_layers=2,
    )


def qwen2_moe() -> Made:
    """A shared expert; one layer without experts; one with a window."""
    return made(
        hf.Qwen2MoeForCausalLM,
        hf.Qwen2MoeConfig,
        num_key_value_heads=2,
        num_experts=5,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=8,
        mlp_only_layers=[1],
        use_sliding_window=True,
        sliding_window=WINDOW,
        layer_types=["full_attention", "full_attention", "sliding_attention"],
    )


def qwen3() -> Made:
    return made(
        hf.Qwen3ForCausalLM,
        hf.Qwen3Config,
        num_key_value_heads=2,
        head_dim=6,
        attention_bias=True,
        use_sliding_window=True,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )


def qwen3_moe() -> Made:
    return made(
        hf.Qwen3MoeForCausalLM,
        hf.Qwen3MoeConfig,
        num_key_value_heads=2,
        head_dim=6,
        num_experts=5,
        num_experts_per_tok=2,
        moe_intermediate_size=16,
        norm_topk_prob=True,
        use_sliding_window=True,
        sliding_window=WINDOW + 1,
    )


def gemma() -> Made:
    """Heads that together are wider than the residual."""
    model, tokenizer = made(hf.GemmaForCausalLM, hf.GemmaConfig, num_key_value_heads=1, head_dim=10)
    soften([block.self_attn for block in model.model.layers])
    return model, tokenizer


def gemma2() -> Made:
    """Post-norms; tight caps, so that they matter."""
    return made(
        hf.Gemma2ForCausalLM,
        hf.Gemma2Config,
        num_key_value_heads=2,
        head_dim=6,
        query_pre_attn_scalar=9,
        sliding_window=WINDOW,
        attn_logit_softcapping=1.5,
        final_logit_softcapping=2.0,
    )


def gemma3_text() -> Made:
    """Post-norms; normed queries and keys; other rotation in layers with a window."""
    return made(
        hf.Gemma3ForCausalLM,
        hf.Gemma3TextConfig,
        num_key_value_heads=2,
        head_dim=6,
        query_pre_attn_scalar=9,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        },
    )


def phi() -> Made:
    """Norms of queries and keys, half of each head rotated; a bias on the unembedding."""
    return made(
        hf.PhiForCausalLM,
        hf.PhiConfig,
        num_key_value_heads=2,
        qk_layernorm=True,
        rope_parameters=PARTIAL,
        hidden_size=WIDE,
    )


def phi3() -> Made:
    """Longrope, with the long factors since prompts are longer than the original context; half of
    each head rotated.
    """
    return made(
        hf.Phi3ForCausalLM,
        hf.Phi3Config,
        num_key_value_heads=2,
        hidden_size=WIDE,
        sliding_window=WINDOW + 1,
        original_max_position_embeddings=4,
        rope_parameters={
            "rope_type": "longrope",
            "partial_rotary_factor": 0.5,
            "rope_theta": 100.0,
            "short_factor": [1.0, 1.5],
            "long_factor": [1.2, 3.0],
            "original_max_position_embeddings": 4,
        },
    )


def olmo() -> Made:
    """Clipped queries, keys and values; no norm has a weight."""
    return made(hf.OlmoForCausalLM, hf.OlmoConfig, num_key_value_heads=2, clip_qkv=1.5)


def olmo2() -> Made:
    """No norms before attention and MLP but after them; one over all queries, one over all keys."""
    return made(hf.Olmo2ForCausalLM, hf.Olmo2Config, num_key_value_heads=2)


def falcon() -> Made:
    """As the small one: parallel, one key-value head."""
    return _falcon(multi_query=True, parallel_attn=True, bias=False)


def falcon_new() -> Made:
    """As the large ones: parallel with two norms, several key-value heads, interleaved with the
    queries.
    """
    return _falcon(new_decoder_architecture=True, num_kv_heads=2, bias=True)


def falcon_one_norm() -> Made:
    """As Falcon 2."""
    return _falcon(
        new_decoder_architecture=True, num_ln_in_parallel_attn=1, num_kv_heads=2, bias=False
    )


def falcon_sequential() -> Made:
    return _falcon(multi_query=False, parallel_attn=False, bias=True)


def _falcon(**options: Any) -> Made:
    return made(
        hf.FalconForCausalLM,
        hf.FalconConfig,
        alibi=False,
        intermediate_size=DROPPED,
        ffn_hidden_size=24,
        **options,
    )


def stablelm() -> Made:
    """Parallel, with norms of each head's own."""
    return made(
        hf.StableLmForCausalLM,
        hf.StableLmConfig,
        num_key_value_heads=2,
        use_parallel_residual=True,
        qk_layernorm=True,
        rope_parameters=PARTIAL,
        hidden_size=WIDE,
    )


def stablelm_sequential() -> Made:
    return made(
        hf.StableLmForCausalLM,
        hf.StableLmConfig,
        num_key_value_heads=1,
        use_qkv_bias=True,
        rope_parameters=PARTIAL,
        hidden_size=WIDE,
        tie_word_embeddings=True,
    )


def smollm3() -> Made:
    """The middle layer does not rotate; the first has a window."""
    return made(
        hf.SmolLM3ForCausalLM,
        hf.SmolLM3Config,
        num_key_value_heads=2,
        no_rope_layers=[1, 0, 1],
        use_sliding_window=True,
        sliding_window=WINDOW,
        layer_types=["sliding_attention", "full_attention", "full_attention"],
    )


def granite() -> Made:
    return made(
        hf.GraniteForCausalLM,
        hf.GraniteConfig,
        num_key_value_heads=2,
        attention_bias=True,
        embedding_multiplier=1.7,
        attention_multiplier=0.3,
        residual_multiplier=0.6,
        logits_scaling=1.3,
        tie_word_embeddings=True,
    )


def cohere() -> Made:
    """With norms of each head's own, as in Command R+."""
    return made(
        hf.CohereForCausalLM,
        hf.CohereConfig,
        num_key_value_heads=2,
        use_qk_norm=True,
        logit_scale=0.7,
        attention_bias=True,
    )


def cohere_plain() -> Made:
    return made(hf.CohereForCausalLM, hf.CohereConfig, num_key_value_heads=1, logit_scale=1.5)


MAKERS: dict[str, Callable[[], Made]] = {
    "gpt2": gpt2,
    "gpt_neo": gpt_neo,
    "gptj": gptj,
    "gpt_neox": gpt_neox,
    "gpt_neox sequential": gpt_neox_sequential,
    "opt": opt,
    "opt bare": opt_bare,
    "llama": llama,
    "llama yarn": llama_yarn,
    "mistral": mistral,
    "mixtral": mixtral,
    "qwen2": qwen2,
    "qwen2_moe": qwen2_moe,
    "qwen3": qwen3,
    "qwen3_moe": qwen3_moe,
    "gemma": gemma,
    "gemma2": gemma2,
    "gemma3_text": gemma3_text,
    "phi": phi,
    "phi3": phi3,
    "olmo": olmo,
    "olmo2": olmo2,
    "falcon": falcon,
    "falcon new": falcon_new,
    "falcon one norm": falcon_one_norm,
    "falcon sequential": falcon_sequential,
    "stablelm": stablelm,
    "stablelm sequential": stablelm_sequential,
    "smollm3": smollm3,
    "granite": granite,
    "cohere": cohere,
    "cohere plain": cohere_plain,
}
"""Case -> maker; a case's first word is the model_type."""
