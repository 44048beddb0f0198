"""Llama and all that is built like it.

RMSNorm, rotary positions, gated MLPs, one block after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import nn

from workbench.errors import WorkbenchError
from workbench.transformer.families.building import build, linear_attention
from workbench.transformer.families.modules import (
    Experts,
    Scaled,
    clipped,
    module_rotary,
    shared_norm,
)
from workbench.transformer.parts import Layer, ModelParts

More = Callable[[int, Any], dict[str, Any]]
"""Of a layer's number and its attention module: what its `Attention` has beyond the usual."""


def nothing(index: int, attn: Any) -> dict[str, Any]:
    """Attention as in Llama."""
    return {}


def llama(hf: Any, more: More = nothing, **whole: Any) -> ModelParts:
    """Llama: rope scaling of any type is done by the model's own rotary module.

    Args:
        more: further attributes of each layer's `Attention`.
        whole: further arguments of `build`.
    """
    core = hf.model
    rotary = module_rotary(core.rotary_emb, hf.lm_head.weight)

    def layer(index: int, block: Any) -> Layer:
        attn = block.self_attn
        attention = linear_attention(attn, attn.o_proj, **{"rotary": rotary, **more(index, attn)})
        norms = block.input_layernorm, block.post_attention_layernorm
        # A layer of experts is routed anew whenever it is computed.
        routed = hasattr(block.mlp, "experts")
        mlp = Experts(block.mlp) if routed else block.mlp
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


def olmo2(hf: Any) -> ModelParts:
    """OLMo 2: no norms before attention and MLP but after them, and joint norms of q and k."""
    core = hf.model
    rotary = module_rotary(core.rotary_emb, hf.lm_head.weight)

    def layer(block: Any) -> Layer:
        attn = block.self_attn
        joint = (attn.q_norm, attn.k_norm, None)
        return Layer(
            norm1=nn.Identity(),
            attention=linear_attention(attn, attn.o_proj, rotary=rotary, joint=joint),
            norm2=nn.Identity(),
            mlp=block.mlp,
            post_attention=block.post_attention_layernorm,
            post_mlp=block.post_feedforward_layernorm,
        )

    return build(hf, [layer(block) for block in core.layers], core.norm)


def smollm3(hf: Any) -> ModelParts:
    """SmolLM3: some layers do not rotate."""

    def more(index: int, attn: Any) -> dict[str, Any]:
        unrotated = {} if hf.config.no_rope_layers[index] else {"rotary": None}
        return {"window": window_of(hf.config, index), **unrotated}

    return llama(hf, more)


def granite(hf: Any) -> ModelParts:
    """Granite: multipliers on the embedding, the scores, all that is written, and the logits."""
    config = hf.config
    factor = config.residual_multiplier
    parts = llama(
        hf,
        lambda index, attn: {"multiplier": factor},
        token_embedding=Scaled(hf.model.embed_tokens, config.embedding_multiplier),
        logit_scale=1 / config.logits_scaling,
    )
    layers = (replace(layer, mlp=Scaled(layer.mlp, factor)) for layer in parts.layers)
    return replace(parts, layers=tuple(layers))
