"""GPT-2, GPT-Neo, GPT-J, OPT: LayerNorm, plain MLPs, names of their own for everything."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from workbench.transformer.families.building import (
    attention_of,
    build,
    linear_attention,
    require,
    rows,
)
from workbench.transformer.parts import Layer, ModelParts, Rotation


def gpt2(hf: Any) -> ModelParts:
    """GPT-2: learned positions; q, k and v in one Conv1D, whose weight is transposed."""
    require(
        not hf.config.add_cross_attention,
        "A GPT-2 with cross-attention reads an encoder as well; the workbench takes decoder-only "
        "language models.",
    )
    core = hf.transformer

    def layer(block: Any) -> Layer:
        attn = block.attn
        width = attn.embed_dim
        whole = attn.c_attn.weight.T, attn.c_attn.bias
        q, k, v = (rows(whole, i * width, (i + 1) * width) for i in range(3))
        attention = attention_of(
            q,
            k,
            v,
            (attn.c_proj.weight.T, attn.c_proj.bias),
            d_head=attn.head_dim,
            scale=attn.scaling,
        )
        return Layer(block.ln_1, attention, block.ln_2, block.mlp)

    return build(hf, map(layer, core.h), core.ln_f, position_embedding=core.wpe)


def gpt_neo(hf: Any) -> ModelParts:
    """GPT-Neo: scores are not scaled, and every other layer sees a window only."""
    core = hf.transformer

    def layer(block: Any) -> Layer:
        attn = block.attn.attention
        window = hf.config.window_size if attn.attention_type == "local" else None
        attention = linear_attention(attn, attn.out_proj, scale=1.0, window=window, upcast=True)
        return Layer(block.ln_1, attention, block.ln_2, block.mlp)

    return build(hf, map(layer, core.h), core.ln_f, position_embedding=core.wpe)


def gptj(hf: Any) -> ModelParts:
    """GPT-J: parallel, one norm, part of each head rotated, neighbours against each other."""
    core = hf.transformer
    # Sines and cosines of every position. Releases differ in where they keep the one table.
    owner = core.rotary_emb if hasattr(core, "rotary_emb") else core.h[0].attn
    table = owner.embed_positions
    like = hf.lm_head.weight

    def rotary(positions: Tensor) -> Rotation:
        sines, cosines = (
            table.to(like.device)[positions.to(like.device)].to(like.dtype).chunk(2, -1)
        )
        return cosines.repeat_interleave(2, -1), sines.repeat_interleave(2, -1)

    def layer(block: Any) -> Layer:
        attn = block.attn
        attention = linear_attention(
            attn,
            attn.out_proj,
            scale=1 / math.sqrt(attn.head_dim),
            upcast=True,
            rotary=rotary,
            interleaved=True,
        )
        return Layer(block.ln_1, attention, block.ln_1, block.mlp)

    return build(hf, map(layer, core.h), core.ln_f, parallel=True)


def opt(hf: Any) -> ModelParts:
    """OPT: learned positions that begin at an offset; the MLP is spread over the block."""
    core = hf.model.decoder
    require(
        hf.config.do_layer_norm_before,
        "This OPT normalises after each block (as opt-350m does): its residual is no sum of what "
        "components write, so it has no edges to patch.",
    )
    require(
        core.project_in is None and core.project_out is None,
        "This OPT projects its embeddings into the residual and out of it again (as opt-350m "
        "does); the engine would have to unembed through the projection.",
    )
    require(
        core.final_layer_norm is not None,
        "This OPT was saved without its final norm; save it again with a newer transformers.",
    )

    def positions(places: Tensor) -> Tensor:
        table = core.embed_positions
        return functional.embedding(places + table.offset, table.weight)

    def layer(block: Any) -> Layer:
        attention = linear_attention(block.self_attn, block.self_attn.out_proj)
        mlp = nn.Sequential(block.fc1, block.activation_fn, block.fc2)
        return Layer(block.self_attn_layer_norm, attention, block.final_layer_norm, mlp)

    return build(hf, map(layer, core.layers), core.final_layer_norm, position_embedding=positions)


def opt_variant(config: Any) -> str | None:
    """Why an OPT is not exact; None if it is."""
    if getattr(config, "do_layer_norm_before", True):
        return None
    return (
        "is an OPT that normalises after each block (as opt-350m does); its residual is no sum "
        "of what components write, so it has no edges to patch."
    )
