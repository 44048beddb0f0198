"""OLMo 2 and 3, EXAONE 4, GLM 4: norms after attention and MLP, in most none before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from workbench.transformer.families.building import build, linear_attention
from workbench.transformer.families.llama_like import glm_rotary, head_norms, window_of
from workbench.transformer.families.modules import module_rotary, rotary_by_kind
from workbench.transformer.parts import Layer, ModelParts


def olmo2(hf: Any) -> ModelParts:
    """OLMo 2: no norms before attention and MLP but after them, and joint norms of q and k."""
    rotary = module_rotary(hf.model.rotary_emb, hf.lm_head.weight)
    return _normed_after(hf, ({"rotary": rotary, **_joint(b)} for b in hf.model.layers))


def olmo3(hf: Any) -> ModelParts:
    """OLMo 3: as OLMo 2, some layers with a window, and these may be rotated in their own way."""
    core, config = hf.model, hf.config
    rotary = rotary_by_kind(core.rotary_emb, hf.lm_head.weight, config.layer_types)
    return _normed_after(
        hf,
        (
            {
                "rotary": rotary[config.layer_types[index]],
                "window": window_of(config, index),
                **_joint(block),
            }
            for index, block in enumerate(core.layers)
        ),
    )


def exaone4(hf: Any) -> ModelParts:
    """EXAONE 4: norms after, each head's own of q and k.

    Where some layers have windows, only those rotate.
    """
    core, config = hf.model, hf.config
    rotary = module_rotary(core.rotary_emb, hf.lm_head.weight)

    def more(index: int, attn: Any) -> dict[str, Any]:
        window = window_of(config, index)
        rotates = config.sliding_window is None or window is not None
        return {"rotary": rotary if rotates else None, "window": window, **head_norms(attn)}

    return _normed_after(hf, (more(i, b.self_attn) for i, b in enumerate(core.layers)))


def glm4(hf: Any) -> ModelParts:
    """GLM 4 (0414): norms before and after.

    Part of each head is rotated, neighbours against each other.
    """
    rotary = glm_rotary(hf)

    def layer(block: Any) -> Layer:
        attn = block.self_attn
        return Layer(
            norm1=block.input_layernorm,
            attention=linear_attention(attn, attn.o_proj, rotary=rotary, interleaved=True),
            norm2=block.post_attention_layernorm,
            mlp=block.mlp,
            post_attention=block.post_self_attn_layernorm,
            post_mlp=block.post_mlp_layernorm,
        )

    return build(hf, map(layer, hf.model.layers), hf.model.norm)


def _joint(block: Any) -> dict[str, Any]:
    """Norms over all queries and over all keys."""
    return {"joint": (block.self_attn.q_norm, block.self_attn.k_norm, None)}


def _normed_after(hf: Any, more: Iterable[dict[str, Any]]) -> ModelParts:
    """A model whose blocks norm what attention and MLP write, and nothing before.

    Args:
        more: of each layer, what its `Attention` has beyond the usual.
    """

    def layer(block: Any, more: dict[str, Any]) -> Layer:
        return Layer(
            norm1=nn.Identity(),
            attention=linear_attention(block.self_attn, block.self_attn.o_proj, **more),
            norm2=nn.Identity(),
            mlp=block.mlp,
            post_attention=block.post_attention_layernorm,
            post_mlp=block.post_feedforward_layernorm,
        )

    return build(hf, list(map(layer, hf.model.layers, more)), hf.model.norm)
