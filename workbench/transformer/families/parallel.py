"""Phi 1 and 2, StableLM and Cohere: separate projections, attention and MLP side by side."""

from __future__ import annotations

from typing import Any

from torch import nn

from workbench.base.numbers import wide_type
from workbench.transformer.families.building import build, linear_attention
from workbench.transformer.families.modules import module_rotary, norm_of_each, shared_norm
from workbench.transformer.parts import Layer, ModelParts
from workbench.transformer.torch_modules import with_weight


def phi(hf: Any) -> ModelParts:
    """Phi 1, 1.5 and 2: one norm, biases everywhere, part of each head rotated."""
    core = hf.model
    rotary = module_rotary(core.rotary_emb, hf.lm_head.weight)

    def layer(block: Any) -> Layer:
        attn = block.self_attn
        steps = (
            (shared_norm(attn.q_layernorm), shared_norm(attn.k_layernorm), None)
            if attn.qk_layernorm
            else (None, None, None)
        )
        attention = linear_attention(attn, attn.dense, rotary=rotary, steps=steps)
        return Layer(block.input_layernorm, attention, block.input_layernorm, block.mlp)

    return build(hf, map(layer, core.layers), core.final_layernorm, parallel=True)


def stablelm(hf: Any) -> ModelParts:
    """StableLM: parallel with one norm, or not; part of each head rotated.

    Each head may have norms of its own for query and key.
    """
    core = hf.model
    rotary = module_rotary(core.rotary_emb, hf.lm_head.weight)
    parallel = hf.config.use_parallel_residual

    def layer(block: Any) -> Layer:
        attn = block.self_attn
        steps = (
            (norm_of_each(attn.q_layernorm.norms), norm_of_each(attn.k_layernorm.norms), None)
            if attn.qk_layernorm
            else (None, None, None)
        )
        attention = linear_attention(attn, attn.o_proj, rotary=rotary, steps=steps)
        norm = block.input_layernorm
        return Layer(
            norm, attention, norm if parallel else block.post_attention_layernorm, block.mlp
        )

    return build(hf, map(layer, core.layers), core.norm, parallel=parallel)


def cohere(hf: Any) -> ModelParts:
    """Cohere (Command R): one norm, neighbouring dimensions rotated, scaled logits.

    The rotation is computed in float32.
    """
    core = hf.model
    like = hf.lm_head.weight
    rotary = module_rotary(core.rotary_emb, like, dtype=wide_type(like.dtype))

    def layer(block: Any) -> Layer:
        attn = block.self_attn
        steps = (
            (norm_of_each(_by_head(attn.q_norm)), norm_of_each(_by_head(attn.k_norm)), None)
            if attn.use_qk_norm
            else (None, None, None)
        )
        attention = linear_attention(
            attn, attn.o_proj, rotary=rotary, interleaved=True, steps=steps
        )
        return Layer(block.input_layernorm, attention, block.input_layernorm, block.mlp)

    return build(hf, map(layer, core.layers), core.norm, parallel=True, logit_scale=hf.logit_scale)


def cohere2(hf: Any) -> ModelParts:
    """Command R 7B, Command A (Cohere 2): layers with a window, and others that do not rotate."""
    core = hf.model
    like = hf.lm_head.weight
    rotary = module_rotary(core.rotary_emb, like, dtype=wide_type(like.dtype))

    def layer(block: Any) -> Layer:
        attn = block.self_attn
        window = attn.sliding_window
        attention = linear_attention(
            attn,
            attn.o_proj,
            rotary=None if window is None else rotary,
            interleaved=True,
            window=window,
        )
        return Layer(block.input_layernorm, attention, block.input_layernorm, block.mlp)

    return build(hf, map(layer, core.layers), core.norm, parallel=True, logit_scale=hf.logit_scale)


def _by_head(norm: nn.Module) -> list[nn.Module]:
    """A norm whose weight is [head, d_head] as one norm for each head; the weights are views."""
    weights: Any = norm.weight
    return [with_weight(norm, weight) for weight in weights.detach()]
