"""What all adapters build with: attention out of projections, and parts out of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from workbench.base.transfers import array_of, kept_index
from workbench.errors import WorkbenchError
from workbench.transformer.parts import Attention, Layer, ModelParts

Affine: TypeAlias = tuple[Tensor, Tensor | None]
"""Weight [out, in] and bias [out] or None, as of an `nn.Linear`."""


def affine(linear: Any) -> Affine:
    """An `nn.Linear`'s weight and bias."""
    return linear.weight, linear.bias


def rows(whole: Affine, start: int, stop: int) -> Affine:
    """Some of a fused projection's outputs; views."""
    weight, bias = whole
    return weight[start:stop], None if bias is None else bias[start:stop]


def strided(fused: Any, period: int, chosen: list[int], d_head: int) -> Affine:
    """Of every `period` heads that a projection puts out, the chosen ones; copies."""

    def pick(value: Tensor) -> Tensor:
        groups = value.detach().unflatten(0, (-1, period, d_head))
        return groups[:, kept_index(tuple(chosen), groups.device)].flatten(0, 2)

    weight, bias = affine(fused)
    return pick(weight), None if bias is None else pick(bias)


def attention_of(
    q: Affine, k: Affine, v: Affine, out: Affine, *, d_head: int, scale: float, **more: Any
) -> Attention:
    """Attention from its four projections; the weights are views of theirs.

    Args:
        q: onto all heads, one after the other; k, v: onto the key-value heads; out: from the heads'
            values.
        more: further attributes of `Attention`.

    Raises:
        WorkbenchError: the heads do not divide evenly among the key-value heads.
    """
    n_heads, n_kv = (len(weight) // d_head for weight in (q[0], k[0]))
    if n_heads % n_kv:
        raise WorkbenchError(
            f"{n_heads} query heads do not divide evenly among {n_kv} key-value heads; "
            "check the model's configuration."
        )

    def split(projection: Affine) -> tuple[Tensor, Tensor | None]:
        weight, bias = projection
        heads = weight.detach().unflatten(0, (-1, d_head)).transpose(1, 2)
        return heads, None if bias is None else bias.detach().unflatten(0, (-1, d_head))

    (w_q, b_q), (w_k, b_k), (w_v, b_v) = split(q), split(k), split(v)
    return Attention(
        w_q=w_q,
        w_k=w_k,
        w_v=w_v,
        w_o=out[0].detach().T.unflatten(0, (n_heads, d_head)),
        b_q=b_q,
        b_k=b_k,
        b_v=b_v,
        b_o=None if out[1] is None else out[1].detach(),
        kv_of=torch.arange(n_heads, device=w_q.device) // (n_heads // n_kv),
        scale=float(scale),
        **more,
    )


def linear_attention(attn: Any, out: Any, *, scale: float | None = None, **more: Any) -> Attention:
    """Attention of a module with `q_proj`, `k_proj`, `v_proj` and an output projection."""
    return attention_of(
        affine(attn.q_proj),
        affine(attn.k_proj),
        affine(attn.v_proj),
        affine(out),
        d_head=attn.head_dim,
        scale=attn.scaling if scale is None else scale,
        **more,
    )


def build(
    hf: Any,
    layers: Iterable[Layer],
    norm_final: nn.Module,
    *,
    token_embedding: Callable[[Tensor], Tensor] | None = None,
    position_embedding: Callable[[Tensor], Tensor] | None = None,
    parallel: bool = False,
    logit_scale: float = 1.0,
    logit_cap: float | None = None,
) -> ModelParts:
    """Parts out of layers and what stands before and after them.

    Args:
        hf: the transformers model, which knows its embedding and unembedding.
        token_embedding: None for the model's own module.
    """
    unembedding = hf.get_output_embeddings()
    bias = getattr(unembedding, "bias", None)
    return ModelParts(
        layers=tuple(layers),
        token_embedding=token_embedding or hf.get_input_embeddings(),
        position_embedding=position_embedding,
        norm_final=norm_final,
        w_u=unembedding.weight.detach().T,
        b_u=None if bias is None or not array_of(bias.detach().any()) else bias.detach(),
        parallel=parallel,
        logit_scale=float(logit_scale),
        logit_cap=None if logit_cap is None else float(logit_cap),
    )


def require(condition: bool, sentence: str) -> None:
    """Refuse a variant of a family.

    Raises:
        WorkbenchError: with the sentence, if the condition does not hold.
    """
    if not condition:
        raise WorkbenchError(sentence)
