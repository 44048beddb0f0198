"""Llama and all that is built like it.

RMSNorm, rotary positions, gated MLPs, one block after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workbench.errors import WorkbenchError
from workbench.transformer.families.building import build, linear_attention
from workbench.transformer.families.modules import (
    Experts,
    Scaled,
    clipped,
    complex_rotary,
    for_both_halves,
    for_neighbours,
    module_rotary,
    shared_norm,
)
from workbench.transformer.parts import Layer, ModelParts, Rotary

More = Callable[[int, Any], dict[str, Any]]
"""Of a layer's number and its attention module: what its `Attention` has beyond the usual."""


def nothing(index: int, attn: Any) -> dict[str, Any]:
    """Attention as in Llama."""
    return {}


def llama(
    hf: Any, more: More = nothing, *, mlp_name: str = "mlp", rotary: Any = None, **whole: Any
) -> ModelParts:
    """Llama: rope scaling of any type is done by the model's own rotary module.

    Args:
        more: further attributes of each layer's `Attention`.
        mlp_name: what a block calls its MLP or experts.
        rotary: rotation by position, if not the rotary module's as it is.
        whole: further arguments of `build`.
    """
    core = hf.model
    rotary = rotary or module_rotary(core.rotary_emb, hf.lm_head.weight)

    def layer(index: int, block: Any) -> Layer:
        attn = block.self_attn
        attention = linear_attention(attn, attn.o_proj, **{"rotary": rotary, **more(index, attn)})
        norms = block.input_layernorm, block.post_attention_layernorm
        # A layer of experts is routed anew whenever it is computed.
        mlp = getattr(block, mlp_name)
        routed = hasattr(mlp, "experts") or hasattr(mlp, "router")
        mlp = Experts(mlp) if routed else mlp
        return Layer(norms[0], attention, norms[1], mlp, routed)

    layers = [layer(index, block) for index, block in enumerate(core.layers)]
    return build(hf, layers, core.norm, **whole)


def window_of(config: Any, index: int) -> int | None:
    """A layer's sliding window, by its type.

    Raises:
        WorkbenchError: the type is neither full nor sliding attention.
    """
    kind = config.layer_types[index]
    if kind not in ("full_attention", "sliding_attention"):
        raise WorkbenchError(
            f"Layer {index} has attention of the kind {kind!r}; the engine computes full and "
            "sliding attention."
        )
    return config.sliding_window if kind == "sliding_attention" else None


def head_norms(attn: Any) -> dict[str, Any]:
    """Norms of every head's query and key, the same for all heads."""
    return {"steps": (shared_norm(attn.q_norm), shared_norm(attn.k_norm), None)}


def mistral(hf: Any) -> ModelParts:
    """Mistral and Mixtral: a sliding window in every layer, if any."""
    return llama(hf, lambda index, attn: {"window": hf.config.sliding_window})


def qwen2(hf: Any) -> ModelParts:
    """Qwen2 and Qwen2.5: biases of q, k and v; some layers with a sliding window, if any."""
    return llama(hf, lambda index, attn: {"window": window_of(hf.config, index)})


qwen2_moe = qwen2


def qwen3(hf: Any) -> ModelParts:
    """Qwen3: every head's query and key normed; some layers with a sliding window, if any."""
    return llama(
        hf, lambda index, attn: {"window": window_of(hf.config, index), **head_norms(attn)}
    )


def qwen3_moe(hf: Any) -> ModelParts:
    """Qwen3-MoE: as Qwen3, but with one window for all layers, if any."""
    return llama(hf, lambda index, attn: {"window": hf.config.sliding_window, **head_norms(attn)})


def olmo(hf: Any) -> ModelParts:
    """OLMo 1: norms without weights; q, k and v clipped, in some sizes."""
    limit = hf.config.clip_qkv
    steps = (None if limit is None else clipped(limit),) * 3
    return llama(hf, lambda index, attn: {"steps": steps})


def smollm3(hf: Any) -> ModelParts:
    """SmolLM3: some layers do not rotate."""

    def more(index: int, attn: Any) -> dict[str, Any]:
        unrotated = {} if hf.config.no_rope_layers[index] else {"rotary": None}
        return {"window": window_of(hf.config, index), **unrotated}

    return llama(hf, more)


def starcoder2(hf: Any) -> ModelParts:
    """StarCoder 2: LayerNorm, plain MLPs, a sliding window in every layer, if any."""
    return mistral(hf)


def llama4_text(hf: Any) -> ModelParts:
    """Llama 4, text only: experts in some layers; those that rotate see chunks.

    Queries and keys of those that rotate may be normed after the rotation, by a norm without
    weights, which is the same as before it. In the others queries grow with their position from
    some thousands on: prompts that reach there are too long.
    """
    config = hf.config
    rotary = complex_rotary(hf.model.rotary_emb, hf.lm_head.weight)

    def more(index: int, attn: Any) -> dict[str, Any]:
        kind = config.layer_types[index]
        chunk = config.attention_chunk_size if kind == "chunked_attention" else None
        norm = shared_norm(attn.qk_norm) if hasattr(attn, "qk_norm") else None
        return {
            "rotary": rotary if attn.use_rope else None,
            "interleaved": True,
            "chunk": chunk,
            "steps": (norm, norm, None),
        }

    parts = llama(hf, more, mlp_name="feed_forward")
    tempered = config.attn_temperature_tuning and not all(config.no_rope_layers)
    return replace(parts, longest=int(config.floor_scale) - 1 if tempered else None)


def nemotron(hf: Any) -> ModelParts:
    """Nemotron: LayerNorms that multiply by 1 + w, plain MLPs, part of each head rotated."""
    # Some releases keep no scale.
    return llama(hf, lambda index, attn: {"scale": attn.head_dim**-0.5})


def glm(hf: Any) -> ModelParts:
    """GLM 4 (9B): part of each head rotated, neighbours against each other."""
    return llama(hf, lambda index, attn: {"interleaved": True}, rotary=glm_rotary(hf))


def glm_rotary(hf: Any) -> Rotary:
    """The rotation of GLM models: their module's tables are for halves."""
    return module_rotary(hf.model.rotary_emb, hf.lm_head.weight, laid_out=for_neighbours)


def olmoe(hf: Any) -> ModelParts:
    """OLMoE: experts, joint norms of q and k; q, k and v clipped, in some models."""
    limit = hf.config.clip_qkv
    steps = (None if limit is None else clipped(limit),) * 3
    return llama(
        hf, lambda index, attn: {"joint": (attn.q_norm, attn.k_norm, None), "steps": steps}
    )


def gpt_oss(hf: Any) -> ModelParts:
    """GPT-OSS: experts with biases, a sink for every head, every other layer with a window."""
    rotary = module_rotary(hf.model.rotary_emb, hf.lm_head.weight, laid_out=for_both_halves)

    def more(index: int, attn: Any) -> dict[str, Any]:
        return {"window": window_of(hf.config, index), "sinks": attn.sinks.detach()}

    return llama(hf, more, rotary=rotary)


def granite(hf: Any, mlp_name: str = "mlp") -> ModelParts:
    """Granite: multipliers on the embedding, the scores, all that is written, and the logits."""
    config = hf.config
    factor = config.residual_multiplier
    parts = llama(
        hf,
        lambda index, attn: {"multiplier": factor},
        mlp_name=mlp_name,
        token_embedding=Scaled(hf.model.embed_tokens, config.embedding_multiplier),
        logit_scale=1 / config.logits_scaling,
    )
    layers = (replace(layer, mlp=Scaled(layer.mlp, factor)) for layer in parts.layers)
    return replace(parts, layers=tuple(layers))


def granitemoe(hf: Any) -> ModelParts:
    """Granite with experts: otherwise built like Granite."""
    return granite(hf, "block_sparse_moe")
