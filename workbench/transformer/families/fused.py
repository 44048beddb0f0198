"""GPT-NeoX, Falcon, GPT-BigCode and Phi 3: q, k and v come out of one projection.

Where it puts out all queries, then all keys, then all values, its weight is split by views. Where
they come head by head, each kind is copied once: the hot loops multiply by all heads at once, and
would else copy them every time.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from workbench.transformer.families.alibi import falcon_key_bias
from workbench.transformer.families.building import (
    Affine,
    affine,
    attention_of,
    build,
    require,
    rows,
    strided,
)
from workbench.transformer.families.modules import module_rotary
from workbench.transformer.parts import Layer, ModelParts


def gpt_neox(hf: Any) -> ModelParts:
    """GPT-NeoX (Pythia): parallel or not, part of each head rotated."""
    core = hf.gpt_neox
    rotary = module_rotary(core.rotary_emb, hf.get_output_embeddings().weight)

    def layer(block: Any) -> Layer:
        attn = block.attention
        d_head = attn.head_size
        q, k, v = (strided(attn.query_key_value, 3, [i], d_head) for i in range(3))
        attention = attention_of(
            q, k, v, affine(attn.dense), d_head=d_head, scale=attn.scaling, rotary=rotary
        )
        return Layer(block.input_layernorm, attention, block.post_attention_layernorm, block.mlp)

    return build(
        hf,
        map(layer, core.layers),
        core.final_layer_norm,
        parallel=hf.config.use_parallel_residual,
    )


def falcon(hf: Any) -> ModelParts:
    """Falcon: parallel with one norm or two, or not parallel.

    Keys are shared by all heads, by some or by none.
    """
    core, config = hf.transformer, hf.config
    parallel = config.new_decoder_architecture or config.parallel_attn
    # ALiBi's distances stand in place of the rotation.
    rotary = None if config.alibi else module_rotary(core.rotary_emb, hf.lm_head.weight)
    key_bias = falcon_key_bias(hf) if config.alibi else None

    def layer(block: Any) -> Layer:
        attn = block.self_attention
        q, k, v = _falcon_projections(attn)
        attention = attention_of(
            q,
            k,
            v,
            affine(attn.dense),
            d_head=attn.head_dim,
            scale=1 / math.sqrt(attn.head_dim),
            rotary=rotary,
            key_bias=key_bias,
        )
        if not parallel:
            return Layer(
                block.input_layernorm, attention, block.post_attention_layernorm, block.mlp
            )
        if hasattr(block, "ln_attn"):
            return Layer(block.ln_attn, attention, block.ln_mlp, block.mlp)
        return Layer(block.input_layernorm, attention, block.input_layernorm, block.mlp)

    return build(hf, map(layer, core.h), core.ln_f, parallel=parallel)


def _falcon_projections(attn: Any) -> tuple[Affine, Affine, Affine]:
    fused, d_head, n_heads = attn.query_key_value, attn.head_dim, attn.num_heads
    if attn.new_decoder_architecture:
        group = n_heads // attn.num_kv_heads
        heads = list(range(group)), [group], [group + 1]
        q, k, v = (strided(fused, group + 2, chosen, d_head) for chosen in heads)
        return q, k, v
    if attn.multi_query:
        ends = [0, n_heads * d_head, (n_heads + 1) * d_head, (n_heads + 2) * d_head]
        q, k, v = (rows(affine(fused), a, b) for a, b in pairwise(ends))
        return q, k, v
    q, k, v = (strided(fused, 3, [i], d_head) for i in range(3))
    return q, k, v


def gpt_bigcode(hf: Any) -> ModelParts:
    """GPT-BigCode (StarCoder 1): learned positions; heads share one key, or none."""
    require(
        not hf.config.add_cross_attention,
        "A GPT-BigCode with cross-attention reads an encoder as well; the workbench takes "
        "decoder-only language models.",
    )
    core = hf.transformer

    def layer(block: Any) -> Layer:
        attn = block.attn
        d_head, width = attn.head_dim, attn.embed_dim
        if attn.multi_query:
            ends = [0, width, width + d_head, width + 2 * d_head]
            q, k, v = (rows(affine(attn.c_attn), a, b) for a, b in pairwise(ends))
        else:
            q, k, v = (strided(attn.c_attn, 3, [i], d_head) for i in range(3))
        attention = attention_of(q, k, v, affine(attn.c_proj), d_head=d_head, scale=attn.scaling)
        return Layer(block.ln_1, attention, block.ln_2, block.mlp)

    return build(hf, map(layer, core.h), core.ln_f, position_embedding=core.wpe)


def phi3(hf: Any) -> ModelParts:
    """Phi 3: fused projections in attention and MLP, part of each head rotated, a window."""
    core, config = hf.model, hf.config
    rotary = module_rotary(core.rotary_emb, hf.lm_head.weight)

    def layer(block: Any) -> Layer:
        attn = block.self_attn
        whole, d_head = affine(attn.qkv_proj), attn.head_dim
        n_q, n_kv = config.num_attention_heads * d_head, config.num_key_value_heads * d_head
        attention = attention_of(
            rows(whole, 0, n_q),
            rows(whole, n_q, n_q + n_kv),
            rows(whole, n_q + n_kv, n_q + 2 * n_kv),
            affine(attn.o_proj),
            d_head=d_head,
            scale=attn.scaling,
            rotary=rotary,
            window=config.sliding_window,
        )
        return Layer(block.input_layernorm, attention, block.post_attention_layernorm, block.mlp)

    return build(hf, map(layer, core.layers), core.norm)
