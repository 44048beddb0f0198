"""Gemma 1, 2 and 3: scaled embeddings, norms that multiply by 1 + w, heads of any width."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from workbench.transformer.families.building import build, linear_attention, require
from workbench.transformer.families.llama_like import head_norms, llama, window_of
from workbench.transformer.families.modules import Scaled, module_rotary
from workbench.transformer.parts import Layer, ModelParts


def gemma(hf: Any) -> ModelParts:
    """Gemma 1: otherwise built like Llama."""
    _require_causal(hf.config)
    return llama(hf, token_embedding=_embedding(hf))


def gemma2(hf: Any) -> ModelParts:
    """Gemma 2: post-norms, soft caps on scores and logits, every other layer with a window."""
    core, config = hf.model, hf.config
    _require_causal(config)
    rotary = module_rotary(core.rotary_emb, hf.lm_head.weight)
    layers = (
        _post_normed(
            block,
            rotary=rotary,
            window=window_of(config, index),
            softcap=config.attn_logit_softcapping,
        )
        for index, block in enumerate(core.layers)
    )
    return _whole(hf, layers)


def gemma3_text(hf: Any) -> ModelParts:
    """Gemma 3, text only: post-norms, normed queries and keys, two kinds of rotation."""
    core, config = hf.model, hf.config
    _require_causal(config)
    weight = hf.lm_head.weight
    rotary = {
        kind: module_rotary(core.rotary_emb, weight, layer_type=kind)
        for kind in set(config.layer_types)
    }
    layers = (
        _post_normed(
            block,
            rotary=rotary[config.layer_types[index]],
            window=window_of(config, index),
            **head_norms(block.self_attn),
        )
        for index, block in enumerate(core.layers)
    )
    return _whole(hf, layers)


def _whole(hf: Any, layers: Iterable[Layer]) -> ModelParts:
    """Gemma 2 or 3 around its layers."""
    cap = hf.config.final_logit_softcapping
    embedding = _embedding(hf)
    return build(hf, layers, hf.model.norm, token_embedding=embedding, logit_cap=cap)


def _post_normed(block: Any, **more: Any) -> Layer:
    return Layer(
        norm1=block.input_layernorm,
        attention=linear_attention(block.self_attn, block.self_attn.o_proj, **more),
        norm2=block.pre_feedforward_layernorm,
        mlp=block.mlp,
        post_attention=block.post_attention_layernorm,
        post_mlp=block.post_feedforward_layernorm,
    )


def _embedding(hf: Any) -> nn.Module:
    """The embedding times the root of d_model.

    Earlier versions of transformers multiply by it outside of the module.
    """
    module: nn.Module = hf.model.embed_tokens
    if hasattr(module, "embed_scale"):
        return module
    weight = hf.lm_head.weight
    root = torch.tensor(hf.config.hidden_size**0.5, dtype=weight.dtype, device=weight.device)
    return Scaled(module, root)


def _require_causal(config: Any) -> None:
    require(
        not getattr(config, "use_bidirectional_attention", False),
        "This Gemma attends forward as well as backward; the workbench takes causal language "
        "models.",
    )
