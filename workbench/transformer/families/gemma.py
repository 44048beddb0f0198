"""Gemma 1 to 4: scaled embeddings, norms on both sides, heads of any width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from workbench.base.transfers import uploaded
from workbench.transformer.families.building import (
    affine,
    attention_of,
    build,
    linear_attention,
    require,
)
from workbench.transformer.families.llama_like import head_norms, llama, window_of
from workbench.transformer.families.modules import (
    Scaled,
    module_rotary,
    shared_norm,
    with_divided_input,
    with_divided_output,
)
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


def gemma4_text(hf: Any) -> ModelParts:
    """Gemma 4, text only: two kinds of layers, which differ in heads, keys and rotation.

    Values are normed, too, and in full layers they may be the keys before their norm. At its end a
    block multiplies the whole residual, what was there before it as well. The engine's residual is
    the model's divided by all these factors so far: norms read the same of both, by another eps,
    and what a block writes is divided. So every node writes a vector that stays as it is.
    """
    core, config = hf.model, hf.config
    sentence = gemma4_variant(config)
    require(sentence is None, f"This {type(hf).__name__} {sentence}")
    _require_causal(config)
    weight = hf.lm_head.weight
    rotary = {
        kind: module_rotary(core.rotary_emb, weight, layer_type=kind)
        for kind in set(config.layer_types)
    }
    layers, factors = [], [1.0]
    for index, block in enumerate(core.layers):
        more = {"rotary": rotary[config.layer_types[index]], "window": window_of(config, index)}
        layers.append(_of_two_kinds(block, factors[-1], **more))
        factors.append(factors[-1] * float(block.layer_scalar))
    parts = build(
        hf,
        layers,
        with_divided_input(core.norm, factors[-1]),
        token_embedding=core.embed_tokens,
        logit_cap=config.final_logit_softcapping,
    )
    return replace(parts, residual_factors=tuple(factors))


def gemma4_variant(config: Any) -> str | None:
    """Why a Gemma 4 is not exact; None if it is."""
    if getattr(config, "hidden_size_per_layer_input", 0):
        return (
            "gives every layer an embedding of the token of its own (as E2B and E4B do), which "
            "reaches the layers past the residual: the engine's edges would need one of their "
            "own for that. Gemma 4 31B and 26B-A4B have none."
        )
    if getattr(config, "num_kv_shared_layers", 0):
        return (
            "takes the keys and values of some layers from others (as E2B and E4B do): the "
            "engine's edges would need one of their own for that."
        )
    return None


def _of_two_kinds(block: Any, factor: float, **more: Any) -> Layer:
    """One block of a Gemma 4.

    Args:
        block: transformers' module.
        factor: what the model's residual before it is, by the engine's.
        more: further attributes of `Attention`.
    """
    attn = block.self_attn
    steps = tuple(shared_norm(norm) for norm in (attn.q_norm, attn.k_norm, attn.v_norm))
    attention = attention_of(
        affine(attn.q_proj),
        affine(attn.k_proj),
        affine(attn.k_proj if attn.v_proj is None else attn.v_proj),
        affine(attn.o_proj),
        d_head=attn.head_dim,
        scale=attn.scaling,
        steps=steps,
        **more,
    )
    routed = bool(block.enable_moe_block)
    before = with_divided_input(block.pre_feedforward_layernorm, factor)
    return Layer(
        norm1=with_divided_input(block.input_layernorm, factor),
        attention=attention,
        norm2=nn.Identity() if routed else before,
        mlp=BesideExperts(block, factor) if routed else block.mlp,
        routed=routed,
        post_attention=with_divided_output(block.post_attention_layernorm, factor),
        post_mlp=with_divided_output(block.post_feedforward_layernorm, factor),
    )


class BesideExperts(nn.Module):
    """An MLP and a layer of experts side by side, each with its own norms (Gemma 4)."""

    def __init__(self, block: Any, factor: float) -> None:
        super().__init__()
        self.mlp, self.router, self.experts = block.mlp, block.router, block.experts
        self.before = block.pre_feedforward_layernorm
        self.after = block.post_feedforward_layernorm_1
        self.before_experts = block.pre_feedforward_layernorm_2
        self.after_experts = block.post_feedforward_layernorm_2
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """What both write together, of the residual [..., d_model] itself."""
        x = x if self.factor == 1 else x * self.factor
        rows = x.reshape(-1, x.shape[-1])
        _, weights, chosen = self.router(rows)
        routed = self.experts(self.before_experts(rows), chosen, weights).reshape(x.shape)
        out: Tensor = self.after(self.mlp(self.before(x))) + self.after_experts(routed)
        return out


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
    root = uploaded(hf.config.hidden_size**0.5, weight.device, weight.dtype)
    return Scaled(module, root)


def _require_causal(config: Any) -> None:
    require(
        getattr(config, "use_bidirectional_attention", False) in (False, None, "vision"),
        "This Gemma attends forward as well as backward; the workbench takes causal language "
        "models.",
    )
