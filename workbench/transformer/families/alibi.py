"""BLOOM and MPT, and Falcon's variant: scores that grow with a key's place (ALiBi).

Press et al. 2022, 2108.12409. What a key's distance takes off a score is, up to something that all
keys of a query share and softmax does not see, a multiple of the key's place. The models' own
functions make the table, so that it is rounded as they round it.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from workbench.transformer.families.building import (
    affine,
    attention_of,
    build,
    require,
    rows,
    strided,
)
from workbench.transformer.families.modules import WithoutResidual, clipped
from workbench.transformer.parts import KeyBias, Layer, ModelParts

TABLES = 8
"""Lengths of which a model's table is kept."""


def bloom(hf: Any) -> ModelParts:
    """BLOOM: a norm of the embedding, ALiBi, biases everywhere."""
    core, config = hf.transformer, hf.config
    require(
        not config.apply_residual_connection_post_layernorm,
        "This BLOOM adds what a norm puts out to its residual, which then is no sum of what "
        "components write, so it has no edges to patch.",
    )
    key_bias = _of_mask(core.build_alibi_tensor, config.n_head, hf.lm_head.weight)

    def layer(block: Any) -> Layer:
        attn = block.self_attention
        q, k, v = (strided(attn.query_key_value, 3, [i], attn.head_dim) for i in range(3))
        attention = attention_of(
            q,
            k,
            v,
            affine(attn.dense),
            d_head=attn.head_dim,
            scale=attn.inv_norm_factor,
            key_bias=key_bias,
        )
        mlp = WithoutResidual(block.mlp)
        return Layer(block.input_layernorm, attention, block.post_attention_layernorm, mlp)

    embedding = nn.Sequential(core.word_embeddings, core.word_embeddings_layernorm)
    return build(hf, map(layer, core.h), core.ln_f, token_embedding=embedding)


def bloom_variant(config: Any) -> str | None:
    """Why a BLOOM is not exact; None if it is."""
    if not getattr(config, "apply_residual_connection_post_layernorm", False):
        return None
    return (
        "is a BLOOM that adds what a norm puts out to its residual, which then is no sum of what "
        "components write, so it has no edges to patch."
    )


def mpt(hf: Any) -> ModelParts:
    """MPT: ALiBi, no biases; q, k and v clipped, in some models."""
    core, config = hf.transformer, hf.config
    like = hf.lm_head.weight

    @lru_cache(TABLES)
    def key_bias(keys: int) -> Tensor:
        table: Tensor = core.build_mpt_alibi_tensor(config.n_heads, keys, device=like.device)
        return table[:, 0]

    def layer(block: Any) -> Layer:
        attn = block.attn
        width = attn.hidden_size
        q, k, v = (rows(affine(attn.Wqkv), a, b) for a, b in pairwise(range(0, 4 * width, width)))
        limit = attn.clip_qkv
        attention = attention_of(
            q,
            k,
            v,
            affine(attn.out_proj),
            d_head=attn.head_dim,
            scale=attn.softmax_scale,
            key_bias=key_bias,
            steps=(clipped(limit) if limit else None,) * 3,
        )
        return Layer(block.norm_1, attention, block.norm_2, WithoutResidual(block.ffn))

    return build(hf, map(layer, core.blocks), core.norm_f)


def falcon_key_bias(hf: Any) -> KeyBias:
    """What ALiBi adds to the scores of a Falcon, which are scaled with it."""
    own = sys.modules[type(hf).__module__].build_alibi_tensor
    root = math.sqrt(hf.config.hidden_size // hf.config.num_attention_heads)
    unscaled = _of_mask(own, hf.config.num_attention_heads, hf.lm_head.weight)
    return lru_cache(TABLES)(lambda keys: unscaled(keys) / root)


def _of_mask(build_alibi_tensor: Any, heads: int, like: Tensor) -> KeyBias:
    """The table that a model's function makes for a mask that hides nothing."""

    @lru_cache(TABLES)
    def key_bias(keys: int) -> Tensor:
        seen = torch.ones(1, keys, dtype=torch.long, device=like.device)
        table: Tensor = build_alibi_tensor(seen, heads, dtype=like.dtype)
        return table.reshape(heads, keys)

    return key_bias
