"""The weights and modules that the engine computes with, taken from a TransformerBridge.

`Parts` is a view: no weight is copied. Norms and MLPs are the model's own modules with the bridge's
hook wrappers taken off, so that whatever an architecture does inside them is done exactly;
attention is the engine's own, because it has to be computed head by head and input by input. What
differs between the families is recorded here as data; how it is computed stands in `attention.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent

from workbench.errors import WorkbenchError
from workbench.family import SUPPORTED_FAMILIES
from workbench.graph import Graph


@dataclass(frozen=True)
class Attention:
    """One layer's attention weights.

    Attributes:
        w_q: [head, d_model, d_head]; w_k, w_v: [kv_head, d_model, d_head]; w_o: [head, d_head,
            d_model].
        b_q: [head, d_head]; b_k, b_v: [kv_head, d_head]; b_o: [d_model]; None where there is no
            bias.
        kv_of: [head], the key-value head that each query head reads.
        scale: factor on the scores.
        n_rotary: how many of a head's dimensions are rotated by position, 0 for none.
    """

    w_q: Tensor
    w_k: Tensor
    w_v: Tensor
    w_o: Tensor
    b_q: Tensor | None
    b_k: Tensor | None
    b_v: Tensor | None
    b_o: Tensor | None
    kv_of: Tensor
    scale: float
    n_rotary: int

    def weight(self, which: int) -> Tensor:
        """[head or kv_head, d_model, d_head] of q (0), k (1) or v (2)."""
        return (self.w_q, self.w_k, self.w_v)[which]

    def bias(self, which: int) -> Tensor | None:
        return (self.b_q, self.b_k, self.b_v)[which]


@dataclass(frozen=True)
class Layer:
    """One block: two norms, attention, MLP. `mlp` maps [..., d_model] to [..., d_model]."""

    norm1: nn.Module
    attention: Attention
    norm2: nn.Module
    mlp: nn.Module


@dataclass(frozen=True)
class Parts:
    """All that the engine needs of a model.

    Attributes:
        layers: the blocks.
        token_embedding: maps tokens to what the node `input` writes, [..., d_model].
        position_embedding: maps positions to [..., d_model], or None. It is the same in the clean
            and the corrupted run, so it belongs to no source, like the output biases.
        norm_final: the norm before the unembedding.
        w_u: [d_model, vocabulary]; b_u: [vocabulary] or None.
        rotary: maps (positions, dtype) to the cosines and sines [position, n_rotary], or None.
        parallel: attention and MLP read the same residual.
    """

    layers: tuple[Layer, ...]
    token_embedding: Callable[[Tensor], Tensor]
    position_embedding: Callable[[Tensor], Tensor] | None
    norm_final: nn.Module
    w_u: Tensor
    b_u: Tensor | None
    rotary: Callable[[Tensor], tuple[Tensor, Tensor]] | None
    parallel: bool

    @property
    def n_heads(self) -> int:
        return int(self.layers[0].attention.w_q.shape[0])

    @property
    def n_kv_heads(self) -> int:
        return int(self.layers[0].attention.w_k.shape[0])

    @property
    def d_head(self) -> int:
        return int(self.layers[0].attention.w_q.shape[2])

    @property
    def d_model(self) -> int:
        return int(self.w_u.shape[0])

    @property
    def device(self) -> torch.device:
        return self.w_u.device

    @property
    def dtype(self) -> torch.dtype:
        return self.w_u.dtype

    def graph(self) -> Graph:
        return Graph(len(self.layers), self.n_heads, self.parallel)

    @classmethod
    def from_bridge(cls, bridge: TransformerBridge) -> Parts:
        """The parts of a booted bridge.

        Raises:
            WorkbenchError: if the family is not one that the engine reproduces exactly.
        """
        config = bridge.original_model.config
        family = getattr(config, "model_type", "unknown")
        if family not in SUPPORTED_FAMILIES:
            raise WorkbenchError(
                f"Models of the family {family!r} are not exact in the workbench yet; "
                f"use one of: {', '.join(SUPPORTED_FAMILIES)}."
            )
        rotary = _rotary(bridge)
        n_rotary = 0
        if rotary is not None:
            n_rotary = int(rotary(torch.zeros(1, dtype=torch.long))[0].shape[-1])
        return cls(
            layers=tuple(_layer(block, n_rotary) for block in bridge.blocks),
            token_embedding=_unwrapped(bridge.embed),
            position_embedding=_unwrapped(bridge.pos_embed)
            if hasattr(bridge, "pos_embed")
            else None,
            norm_final=_unwrapped(bridge.ln_final),
            w_u=bridge.W_U.detach(),
            b_u=_unembedding_bias(bridge),
            rotary=rotary,
            parallel=bool(bridge.cfg.parallel_attn_mlp),
        )


def _layer(block: Any, n_rotary: int) -> Layer:
    attn = block.attn
    w_q, w_k = attn.W_Q.detach(), attn.W_K.detach()
    n_heads, n_kv = w_q.shape[0], w_k.shape[0]
    if n_heads % n_kv:
        raise WorkbenchError(
            f"{n_heads} query heads do not divide evenly among {n_kv} key-value heads; "
            "check the model's configuration."
        )

    def bias(name: str) -> Tensor | None:
        value = getattr(attn, name)
        return None if value is None else value.detach()

    return Layer(
        norm1=_unwrapped(block.ln1),
        attention=Attention(
            w_q=w_q,
            w_k=w_k,
            w_v=attn.W_V.detach(),
            w_o=attn.W_O.detach(),
            b_q=bias("b_Q"),
            b_k=bias("b_K"),
            b_v=bias("b_V"),
            b_o=bias("b_O"),
            kv_of=torch.arange(n_heads, device=w_q.device) // (n_heads // n_kv),
            scale=float(attn.original_component.scaling),
            n_rotary=n_rotary,
        ),
        norm2=_unwrapped(block.ln2),
        mlp=_unwrapped(block.mlp),
    )


def _rotary(bridge: TransformerBridge) -> Callable[[Tensor], tuple[Tensor, Tensor]] | None:
    if not hasattr(bridge, "rotary_emb"):
        return None
    module = _unwrapped(bridge.rotary_emb)
    w_u = bridge.W_U

    def rotary(positions: Tensor) -> tuple[Tensor, Tensor]:
        # The module reads only dtype and device of its first argument.
        like = torch.zeros(1, dtype=w_u.dtype, device=w_u.device)
        with torch.no_grad():
            cos, sin = module(like, positions.to(w_u.device)[None])
        return cos[0], sin[0]

    return rotary


def _unembedding_bias(bridge: TransformerBridge) -> Tensor | None:
    """The unembedding's bias, None where the model has none (the bridge then makes up zeros)."""
    bias = getattr(_unwrapped(bridge.unembed), "bias", None)
    return None if bias is None or not bias.any() else bias.detach()


def _unwrapped(module: nn.Module) -> nn.Module:
    """The model's own module, sharing its weights, without the bridge's wrappers at any depth.

    The hot loops call it thousands of times; the wrappers' hooks would cost more than small
    products do.
    """
    while isinstance(module, GeneralizedComponent):
        module = module.original_component
    clone = copy.copy(module)
    clone.__dict__["_modules"] = {
        name: None if child is None else _unwrapped(child)
        for name, child in module._modules.items()
    }
    return clone
