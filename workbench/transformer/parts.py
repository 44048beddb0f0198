"""The weights and modules that the engine computes with, taken from a transformers model.

`ModelParts` is a view: norms, MLPs, experts and rotary modules are the model's own and are called
as they are, so that whatever an architecture does inside them is done exactly; attention is the
engine's own, because it has to be computed head by head and input by input. What differs between
the families is recorded here as data, which the adapters in `families` fill in; how it is computed
stands in `attention.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from workbench.circuits.graph import Graph, shared_graph
from workbench.transformer.edits import (
    Copies,
    EditedEmbedding,
    HeadEdit,
    Pairs,
    ValueEdit,
    has_edited_linear,
    with_linear_of_pairs,
)
from workbench.transformer.from_latent import FromLatent
from workbench.transformer.placed import Resident

Rotation: TypeAlias = tuple[Tensor, Tensor]
"""Cosines and sines [position, n_rotary] of some positions."""

Rotary: TypeAlias = Callable[[Tensor], Rotation]
"""Maps positions [position] to their rotation."""

KeyBias: TypeAlias = Callable[[int], Tensor]
"""Of so many keys, from the first position on, what each score of theirs gets: [head, key]."""

Step: TypeAlias = Callable[[Tensor, list[int] | None], Tensor]
"""What is done to projections [head, ..., d_head] of some heads of the weight (None: all)."""


@dataclass(frozen=True)
class Attention:
    """One layer's attention weights, and how they are used.

    Attributes:
        w_q: [head, d_model, d_head]; w_k, w_v: [kv_head, d_model, d_head]; w_o: [head, d_head,
            d_model].
        b_q: [head, d_head]; b_k, b_v: [kv_head, d_head]; b_o: [d_model]; None where there is no
            bias.
        kv_of: [head], the key-value head that each query head reads.
        scale: factor on the scores.
        window: how many positions a query sees, itself included; None for all before it.
        chunk: if positions see those of their own chunk of so many only (Llama 4); None for all.
        softcap: c, if a score s is replaced by c tanh(s / c) (Gemma 2); else None.
        key_bias: what is added to scores by key (ALiBi: what a key's distance adds is, up to
            something that all keys of a query share, a multiple of its place); None for nothing.
        sinks: [head], the score of a key before all others, whose value is nothing (GPT-OSS); None
            where there is none.
        upcast: scores are computed in float32 whatever the numbers are (GPT-Neo, GPT-J).
        rotary: rotation of q and k by position; None where there is none.
        interleaved: a head's neighbouring dimensions are rotated against each other (GPT-J,
            Cohere), not its two halves.
        steps: what happens to q, k and v between projection and rotation, a norm of each head's
            values (Qwen3), clipping (OLMo), or what each head makes of a latent (DeepSeek); None
            each where nothing does.
        d_qk: how wide queries and keys are where they come out of a latent: the weights are then
            onto the latent, those of all heads one and the same. None: as wide as the weight is.
        joint: norms over the queries of all heads together and over all keys (OLMo 2), None each
            where there is none. A head's query is then what it is when all heads read its input.
        multiplier: factor on all that the layer's attention writes, the bias too (Granite).
        edit: a change of its heads' values by an intervention; None for none.
        hidden: bool [head, position, position], which keys an intervention hides from which
            queries; None for none.
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
    window: int | None = None
    chunk: int | None = None
    softcap: float | None = None
    key_bias: KeyBias | None = None
    sinks: Tensor | None = None
    upcast: bool = False
    rotary: Rotary | None = None
    interleaved: bool = False
    steps: tuple[Step | None, Step | None, Step | None] = (None, None, None)
    joint: tuple[nn.Module | None, nn.Module | None, None] = (None, None, None)
    d_qk: int | None = None
    multiplier: float = 1.0
    edit: HeadEdit | None = None
    hidden: Tensor | None = None

    def weight(self, which: int) -> Tensor:
        """[head or kv_head, d_model, d_head] of q (0), k (1) or v (2)."""
        return (self.w_q, self.w_k, self.w_v)[which]

    def latent(self, which: int) -> FromLatent | None:
        """How q (0), k (1) or v (2) come out of a latent; None where they do not."""
        step = self.steps[which]
        return step if isinstance(step, FromLatent) else None

    def distinct_weights(self, which: int) -> Tensor:
        """The same, but [1, d_model, width] where it is one for all heads (a latent)."""
        weight = self.weight(which)
        return weight[:1] if weight.stride(0) == 0 else weight

    @property
    def widths(self) -> tuple[int, int]:
        """Of a head's query and key, and of its value."""
        return self.d_qk or int(self.w_q.shape[2]), int(self.w_o.shape[1])

    def bias(self, which: int) -> Tensor | None:
        """Bias of the queries, keys or values (0, 1, 2); None if there is none."""
        return (self.b_q, self.b_k, self.b_v)[which]


@dataclass(frozen=True)
class Layer:
    """One block: norms, attention, MLP.

    Attributes:
        norm1, norm2: before attention and before the MLP; the same module where they share one.
        mlp: maps [..., d_model] to what the MLP (or all experts together) writes, [..., d_model].
        routed: the MLP is a layer of experts, of which every token takes some.
        post_attention: a norm of what all heads together write, the bias too, before it reaches the
            residual (Gemma 2, see `engine.post_norm`); None where there is none.
        post_mlp: the same of what the MLP writes; it belongs to its node's output.
        edit: a change of what the MLP writes by an intervention, after that norm; None for none.
        copies: what of that stands in blocks beside the residual, see `edge_edits`; None without.
        elsewhere: the MLP on another accelerator, where its weights lie; None where it is at home.
    """

    norm1: nn.Module
    attention: Attention
    norm2: nn.Module
    mlp: nn.Module
    routed: bool = False
    post_attention: nn.Module | None = None
    post_mlp: nn.Module | None = None
    edit: ValueEdit | None = None
    copies: Copies | None = None
    elsewhere: Resident | None = None

    def after_attention(self, summed: Tensor) -> Tensor:
        """What attention adds to the residual when its heads and output bias write this sum."""
        return summed if self.post_attention is None else self.post_attention(summed)

    @property
    def is_plain(self) -> bool:
        """Whether the MLP does the same at all positions of all pairs: nothing is done to it."""
        return self.edit is None and self.copies is None and not has_edited_linear(self.mlp)

    def run_mlp(self, residual: Tensor) -> Tensor:
        """What the MLP writes, [..., d_model], when it reads this residual."""
        # An MLP that something is done to is another module, whose weights travel each by itself.
        there = self.elsewhere
        run = self.mlp if there is None or there.module is not self.mlp else there
        out: Tensor = run(self.norm2(residual))
        return self.finish_mlp(out)

    def finish_mlp(self, out: Tensor) -> Tensor:
        """What the MLP writes, of what its own module puts out."""
        out = out if self.post_mlp is None else self.post_mlp(out)
        out = out if self.edit is None else self.edit.apply(out)
        return out if self.copies is None else self.copies.apply(out)

    def of_pairs(self, pairs: Pairs) -> Layer:
        """The same layer with what an intervention does to some of the pairs."""
        attention, head_edit = self.attention, self.attention.edit
        if head_edit is not None:
            attention = replace(attention, edit=head_edit.of_pairs(pairs))
        edit = None if self.edit is None else self.edit.of_pairs(pairs)
        mlp = with_linear_of_pairs(self.mlp, pairs)
        return replace(self, attention=attention, mlp=mlp, edit=edit)


@dataclass(frozen=True)
class ModelParts:
    """All that the engine needs of a model.

    Attributes:
        layers: the blocks.
        token_embedding: maps tokens to what the node `input` writes, [..., d_model].
        position_embedding: maps positions to [..., d_model], or None. It is the same in the clean
            and the corrupted run, so it belongs to no source, like the output biases.
        norm_final: the norm before the unembedding.
        w_u: [d_model, vocabulary]; b_u: [vocabulary] or None.
        parallel: attention and MLP read the same residual.
        logit_scale: factor on the unembedding's output, the bias too (Cohere, Granite).
        logit_cap: c, if a logit x is at last replaced by c tanh(x / c) (Gemma 2); else None.
        residual_factors: what the model's own residual is of the engine's, before each block and
            after the last, where blocks multiply all of it (Gemma 4); None where they do not.
        longest: how many positions are exact, where longer prompts would need more than is here;
            None for all.
        by_pair: an intervention does something else to every pair, see `of_pairs`.
        copies: what of the embedding stands in blocks beside the residual, see `edge_edits`; None
            where there are none.
        is_spread: weights lie on several devices; the engine computes on `device` all the same.
        start: what stands in the blocks from the beginning, [pair or 1, position, d_model]; it
            belongs to no source. None for nothing.

    Glossary: docs/glossary.md#model-parts.
    """

    layers: tuple[Layer, ...]
    token_embedding: Callable[[Tensor], Tensor]
    position_embedding: Callable[[Tensor], Tensor] | None
    norm_final: nn.Module
    w_u: Tensor
    b_u: Tensor | None
    parallel: bool
    logit_scale: float = 1.0
    logit_cap: float | None = None
    residual_factors: tuple[float, ...] | None = None
    longest: int | None = None
    by_pair: bool = False
    copies: Copies | None = None
    start: Tensor | None = None
    is_spread: bool = False

    @property
    def n_heads(self) -> int:
        """Query heads in a layer."""
        return int(self.layers[0].attention.w_q.shape[0])

    @property
    def n_kv_heads(self) -> int:
        """Heads of keys and values in a layer; the most, where layers differ (Gemma 4)."""
        return max(int(layer.attention.w_k.shape[0]) for layer in self.layers)

    @property
    def d_head(self) -> int:
        """Width of a head: of the wider of query and value, of the widest layer (Gemma 4)."""
        return max(self.widths)

    @property
    def widths(self) -> tuple[int, int]:
        """Of heads' queries and keys, and of their values; of the widest, where layers differ."""
        wide, of_values = zip(*(layer.attention.widths for layer in self.layers), strict=True)
        return max(wide), max(of_values)

    @property
    def d_projected(self) -> int:
        """Width of what a head's projection puts out: d_head, or the widest latent (DeepSeek)."""
        weights = (layer.attention.weight(i) for layer in self.layers for i in range(3))
        return max(int(weight.shape[2]) for weight in weights)

    @property
    def d_model(self) -> int:
        """Width of the residual stream, with the blocks beside it if there are any."""
        return int(self.layers[0].attention.w_o.shape[-1])

    @property
    def device(self) -> torch.device:
        """Where the engine computes: where the weights lie, or those that lie at home do."""
        return self.w_u.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return self.w_u.dtype

    @property
    def window(self) -> int | None:
        """The longest window of any layer; None if no layer has one."""
        windows = [layer.attention.window for layer in self.layers]
        return max((w for w in windows if w is not None), default=None)

    def graph(self) -> Graph:
        """The graph of a model of this shape."""
        return shared_graph(len(self.layers), self.n_heads, self.parallel)

    def of_pairs(self, pairs: Pairs) -> ModelParts:
        """The parts for some of the pairs of a recording; other than these only if `by_pair`."""
        if not self.by_pair:
            return self
        embedding = self.token_embedding
        if isinstance(embedding, EditedEmbedding):
            embedding = EditedEmbedding(embedding.embedding, embedding.edit.of_pairs(pairs))
        layers = tuple(layer.of_pairs(pairs) for layer in self.layers)
        start = self.start
        if start is not None and len(start) > 1:
            start = start[pairs]
        return replace(self, layers=layers, token_embedding=embedding, start=start)

    def rotations(self, positions: Tensor) -> tuple[Rotation | None, ...]:
        """Every layer's rotation of these positions; layers of one kind share theirs."""
        known: dict[int, Rotation] = {}
        rotations: list[Rotation | None] = []
        for layer in self.layers:
            rotary = layer.attention.rotary
            if rotary is None:
                rotations.append(None)
                continue
            if id(rotary) not in known:
                known[id(rotary)] = rotary(positions)
            rotations.append(known[id(rotary)])
        return tuple(rotations)
