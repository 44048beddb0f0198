"""DeepSeek V2 and V3: keys and values of all heads come out of one latent.

Multi-head latent attention (DeepSeek-AI 2024, 2405.04434). Queries may come out of a latent, too. A
latent is normed, then every head projects it in its own way; what is rotated of the keys stands
beside it and is the same for all heads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from workbench.transformer.families.building import Affine, affine, build, require, rows
from workbench.transformer.families.modules import (
    Experts,
    as_it_is,
    complex_rotary,
    for_neighbours,
    module_rotary,
)
from workbench.transformer.from_latent import FromLatent
from workbench.transformer.parts import Attention, Layer, ModelParts, Rotary


def deepseek_v2(hf: Any) -> ModelParts:
    """DeepSeek V2, V2-Lite and Coder V2: latents, experts with shared ones after dense layers."""
    return _latent(hf, complex_rotary(hf.model.rotary_emb, hf.lm_head.weight), interleaved=True)


def deepseek_v3(hf: Any) -> ModelParts:
    """DeepSeek V3 and R1: as V2, with another router; rotated by neighbours, or by halves."""
    interleaved = bool(hf.config.rope_interleave)
    laid_out = for_neighbours if interleaved else as_it_is
    rotary = module_rotary(hf.model.rotary_emb, hf.lm_head.weight, laid_out=laid_out)
    return _latent(hf, rotary, interleaved)


def _latent(hf: Any, rotary: Rotary, interleaved: bool) -> ModelParts:
    def layer(block: Any) -> Layer:
        attention = _attention(block.self_attn, rotary, interleaved)
        routed = hasattr(block.mlp, "experts")
        mlp = Experts(block.mlp) if routed else block.mlp
        return Layer(block.input_layernorm, attention, block.post_attention_layernorm, mlp, routed)

    return build(hf, map(layer, hf.model.layers), hf.model.norm)


def _attention(attn: Any, rotary: Rotary, interleaved: bool) -> Attention:
    n, rank, unrotated = attn.num_heads, attn.kv_lora_rank, attn.qk_nope_head_dim
    require(
        attn.num_key_value_groups == 1,
        f"This model has {n} heads with queries and fewer with keys, which the latent makes for "
        "every head; check num_key_value_heads in its configuration.",
    )
    latent = affine(attn.kv_a_proj_with_mqa)
    w_k, b_k = _for_all(latent, n)
    w_v, b_v = _for_all(rows(latent, 0, rank), n)
    up = attn.kv_b_proj.weight.detach().unflatten(0, (n, -1)).transpose(1, 2)
    of_query = None
    if attn.q_lora_rank is None:
        w_q, b_q = _rotated_first(attn.q_proj.weight, n, unrotated), None
    else:
        w_q, b_q = _for_all(affine(attn.q_a_proj), n)
        of_query = FromLatent(
            attn.q_a_layernorm, _rotated_first(attn.q_b_proj.weight, n, unrotated)
        )
    return Attention(
        w_q=w_q,
        w_k=w_k,
        w_v=w_v,
        w_o=attn.o_proj.weight.detach().T.unflatten(0, (n, -1)),
        b_q=b_q,
        b_k=b_k,
        b_v=b_v,
        b_o=None if attn.o_proj.bias is None else attn.o_proj.bias.detach(),
        kv_of=torch.arange(n, device=w_q.device),
        scale=float(attn.scaling),
        rotary=rotary,
        interleaved=interleaved,
        d_qk=attn.qk_head_dim,
        steps=(
            of_query,
            FromLatent(attn.kv_a_layernorm, up[..., :unrotated]),
            FromLatent(attn.kv_a_layernorm, up[..., unrotated:]),
        ),
    )


def _for_all(projection: Affine, n: int) -> tuple[Tensor, Tensor | None]:
    """One projection as that of each of n heads; views, which take no room."""
    weight, bias = projection
    made = weight.detach().T
    return made.expand(n, *made.shape), None if bias is None else bias.detach().expand(n, -1)


def _rotated_first(weight: Tensor, n: int, unrotated: int) -> Tensor:
    """Weights onto queries, [head, in, d_head], with what is rotated first; copies."""
    heads = weight.detach().unflatten(0, (n, -1))
    return torch.cat((heads[:, unrotated:], heads[:, :unrotated]), dim=1).transpose(1, 2)
