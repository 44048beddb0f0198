"""What one run wrote: every component's output, and the residual before every stage.

A `Recording` belongs to one group of pairs of equal length. The clean run is recorded at all
positions. The corrupted run only from the first position on at which any pair's prompts differ:
before it the two runs are the same, since attention looks only backward. Heads stay as values
before W_O, d_head instead of d_model wide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.scratch_file import ScratchFile
from workbench.base.transfers import array_of, uploaded
from workbench.transformer.forward import embed, run_heads, unembed, write_heads
from workbench.transformer.parts import ModelParts, Rotation


@dataclass
class LayerRecord:
    """One layer of one run.

    Attributes:
        attn_in, mlp_in: [pair, position, d_model], the residual that attention and MLP read, before
            the norm.
        q: [head, pair, position, d_head]; k, v: [kv_head, pair, position, d_head]; q and k rotated.
        z: [head, pair, position, d_head], heads' values before W_O.
        mlp_out: [pair, position, d_model].
        attn_sum: [pair, position, d_model], what the heads and the output bias write together, kept
            only where a norm stands between that and the residual.
    """

    attn_in: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    z: Tensor
    mlp_in: Tensor
    mlp_out: Tensor
    attn_sum: Tensor | None = None

    def split(self, start: int) -> tuple[LayerRecord, LayerRecord]:
        """Keys and values before position `start`, and everything from there on; copies."""
        late = LayerRecord(
            *(value.clone() for name, value in vars(self.part(start)).items() if name != "attn_sum")
        )
        if self.attn_sum is not None:
            late.attn_sum = self.attn_sum[:, start:].clone()
        k, v = (value[:, :, :start].clone() for value in (self.k, self.v))
        nothing = late.part(late.attn_in.shape[1])
        return replace(nothing, k=k, v=v), late

    def part(self, start: int) -> LayerRecord:
        """The same from position `start` on; views, no copies."""
        return LayerRecord(
            self.attn_in[:, start:],
            self.q[:, :, start:],
            self.k[:, :, start:],
            self.v[:, :, start:],
            self.z[:, :, start:],
            self.mlp_in[:, start:],
            self.mlp_out[:, start:],
            None if self.attn_sum is None else self.attn_sum[:, start:],
        )

    def rows(self, pairs: slice) -> LayerRecord:
        """The same of some of the pairs; views, no copies."""
        return LayerRecord(
            self.attn_in[pairs],
            self.q[:, pairs],
            self.k[:, pairs],
            self.v[:, pairs],
            self.z[:, pairs],
            self.mlp_in[pairs],
            self.mlp_out[pairs],
            None if self.attn_sum is None else self.attn_sum[pairs],
        )


@dataclass
class Run:
    """One run of a group of pairs.

    `embedding` is what the node `input` wrote, `final` the residual at the end.
    """

    embedding: Tensor
    layers: list[LayerRecord]
    final: Tensor

    def rows(self, pairs: slice) -> Run:
        """The same of some of the pairs; views, no copies."""
        layers = [layer.rows(pairs) for layer in self.layers]
        return Run(self.embedding[pairs], layers, self.final[pairs])

    def part(self, start: int) -> Run:
        """The same from position `start` on."""
        return Run(
            self.embedding[:, start:], [r.part(start) for r in self.layers], self.final[:, start:]
        )


@dataclass
class Recording:
    """Both runs of a group of pairs of equal token length.

    Attributes:
        whole: the clean run at all positions.
        clean, corrupted: both runs from position `start` on, the first at which any prompts differ.
        start: how many leading positions are common to all pairs' two prompts.
        rotary: each layer's rotation of the positions from `start` on, or None.
        constants: `corrupted` is no run of the model, but what constants in place of all outputs
            make: a node that nothing clean reaches writes its constant, whatever it would compute.
        constant_neurons: with constants, those of a layer's neurons for some of the pairs, [pair,
            position, neuron].
        role_of: the role of each position from `start` on, [pair, position], as a number; where
            the prompts have roles.
        file: where its layers lie, and the cells of its circuits, if memory has no room for them.

    Glossary: docs/glossary.md#lean, docs/glossary.md#position, docs/glossary.md#prefix,
    docs/glossary.md#recording.
    """

    parts: ModelParts
    whole: Run
    clean: Run
    corrupted: Run
    start: int
    rotary: tuple[Rotation | None, ...]
    constants: bool = False
    constant_neurons: Callable[[int, slice], Tensor] | None = None
    role_of: NDArray[np.int64] | None = None
    file: ScratchFile | None = None

    @property
    def n_pairs(self) -> int:
        """How many pairs were recorded."""
        return int(self.whole.final.shape[0])

    @property
    def n_positions(self) -> int:
        """Positions from `start` on."""
        return int(self.clean.final.shape[1])

    @cached_property
    def differing(self) -> NDArray[np.bool_]:
        """At which positions from `start` on the two prompts differ, bool [pair, position]."""
        one, other = self.clean.embedding, self.corrupted.embedding
        differing: NDArray[np.bool_] = array_of((one != other).any(dim=-1))
        return differing

    def prefix(self, layer: int) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Keys (rotated) and values of the common prefix, [kv_head, pair, start, d_head]."""
        if self.start == 0:
            return None, None
        record = self.whole.layers[layer]
        return record.k[:, :, : self.start], record.v[:, :, : self.start]


def record(
    parts: ModelParts,
    clean: Tensor,
    corrupted: Tensor,
    start: int,
    *,
    lean: bool = False,
    tick: Callable[[float], None] | None = None,
) -> Recording:
    """Run both prompts of every pair.

    Args:
        clean, corrupted: tokens [pair, position].
        start: first position at which any pair's prompts differ.
        lean: keep of the positions before `start` keys and values alone, which is all that is
            needed to compute what comes after; there are no readouts there then.
        tick: told the fraction done.
    """
    step = 1 / (2 * len(parts.layers))

    def half(offset: float) -> Callable[[int], None]:
        return lambda layer: tick(offset + (layer + 1) * step) if tick is not None else None

    late: list[LayerRecord] = []

    def split(layer: LayerRecord) -> LayerRecord:
        before, after = layer.split(start)
        late.append(after)
        return before

    with torch.no_grad():
        whole = _run(parts, clean, 0, None, half(0.0), split if lean else None)
        other = _run(parts, corrupted[:, start:], start, whole if start else None, half(0.5))
    rotary = parts.rotations(torch.arange(start, clean.shape[1]))
    rest = whole.part(start)
    if lean:
        rest.layers = late
    return Recording(parts, whole, rest, other, start, rotary)


def record_together(parts: ModelParts, clean: Tensor, corrupted: Tensor, start: int) -> Recording:
    """`record` in one pass over both prompts: of few tokens this takes half the time.

    The weights are read once; the common prefix is computed twice.
    """
    n_pairs = len(clean)
    with torch.no_grad():
        both = _run(parts, torch.cat([clean, corrupted]), 0, None, lambda layer: None)
    whole, other = both.rows(slice(None, n_pairs)), both.rows(slice(n_pairs, None))
    rotary = parts.rotations(torch.arange(start, clean.shape[1]))
    return Recording(parts, whole, whole.part(start), other.part(start), start, rotary)


def record_clean(parts: ModelParts, tokens: Tensor) -> Run:
    """One run of tokens [pair, position], at all positions."""
    with torch.no_grad():
        return _run(parts, tokens, 0, None, lambda layer: None)


def record_alone(parts: ModelParts, tokens: Tensor) -> Recording:
    """A recording of tokens [pair, position] in which both runs are the same."""
    run = record_clean(parts, tokens)
    return Recording(parts, run, run, run, 0, parts.rotations(torch.arange(tokens.shape[1])))


def clean_logits(parts: ModelParts, tokens: Tensor) -> Tensor:
    """The engine's logits at the last position, [pair, vocabulary].

    Tokens are [pair, position].
    """
    final = record_clean(parts, tokens).final[:, -1]
    with torch.no_grad():
        return unembed(parts, final)


class Walk:
    """One run, a layer at a time; nothing is kept of it but where it is.

    Args:
        tokens: [pair, position], from position `start` on.

    Attributes:
        embedding: what `input` writes, [pair, position, d_model].
        residual: the residual after the layers walked through so far, [pair, position, d_model].
        rotary: each layer's rotation of these positions, or None.
    """

    def __init__(self, parts: ModelParts, tokens: Tensor, start: int) -> None:
        self._parts = parts
        self._index = 0
        tokens = uploaded(tokens, parts.device)
        self.embedding, self.residual = embed(parts, tokens, start)
        self.rotary = parts.rotations(torch.arange(start, start + tokens.shape[1]))

    def step(self, prefix: tuple[Tensor, Tensor] | None) -> LayerRecord:
        """Through the next layer.

        Args:
            prefix: its keys and values [kv_head, pair, start, d_head] before `start`, or None.
        """
        made = self.attend(prefix)
        self.add(made, self._parts.layers[self._index].run_mlp(made.mlp_in))
        return made

    def attend(self, prefix: tuple[Tensor, Tensor] | None, *, last: bool = False) -> LayerRecord:
        """Through the next layer's heads; what its MLP writes is missing until `add`.

        Args:
            prefix: as of `step`.
            last: at the last position alone, but for `attn_in`, k and v, which are of all.
        """
        layer, attn_in = self._parts.layers[self._index], self.residual
        rotary = self.rotary[self._index]
        q, k, v, z = run_heads(layer, attn_in[:, None], rotary, prefix, last=last)
        attn_sum = write_heads(layer, z)[:, 0]
        before = attn_in[:, -attn_sum.shape[1] :]
        residual = before + layer.after_attention(attn_sum)
        self.residual = residual
        heads = (q[:, :, 0], k[:, :, 0], v[:, :, 0], z[:, :, 0])
        summed = None if layer.post_attention is None else attn_sum
        mlp_in = before if self._parts.parallel else residual
        return LayerRecord(attn_in, *heads, mlp_in, mlp_in, summed)

    def add(self, made: LayerRecord, mlp_out: Tensor) -> None:
        """What the layer's MLP writes, at the positions that `attend` was asked for."""
        made.mlp_out = mlp_out
        self.residual = self.residual + mlp_out
        self._index += 1


def _run(
    parts: ModelParts,
    tokens: Tensor,
    start: int,
    before: Run | None,
    tick: Callable[[int], None],
    kept: Callable[[LayerRecord], LayerRecord] | None = None,
) -> Run:
    """Run tokens [pair, position] from position `start` on, after the prefix of `before`.

    Args:
        kept: what is kept of each layer; None: all.
    """
    walk = Walk(parts, tokens, start)
    layers = []
    for index in range(len(parts.layers)):
        prefix = None
        if before is not None:
            prefix = (before.layers[index].k[:, :, :start], before.layers[index].v[:, :, :start])
        made = walk.step(prefix)
        layers.append(made if kept is None else kept(made))
        tick(index)
    return Run(walk.embedding, layers, walk.residual)


def of_pairs(recording: Recording, pairs: slice) -> Recording:
    """The recording of some of its pairs; views, no copies."""
    if pairs == slice(0, recording.n_pairs):
        return recording
    of_all = recording.constant_neurons

    def neurons(layer: int, some: slice) -> Tensor:
        assert of_all is not None
        first, last, _ = pairs.indices(recording.n_pairs)
        inner = some.indices(last - first)
        return of_all(layer, slice(first + inner[0], first + inner[1]))

    return replace(
        recording,
        constant_neurons=None if of_all is None else neurons,
        role_of=None if recording.role_of is None else recording.role_of[pairs],
        parts=recording.parts.of_pairs(pairs),
        whole=_run_of_pairs(recording.whole, pairs),
        clean=_run_of_pairs(recording.clean, pairs),
        corrupted=_run_of_pairs(recording.corrupted, pairs),
    )


def _run_of_pairs(run: Run, pairs: slice) -> Run:
    layers = [
        LayerRecord(
            record.attn_in[pairs],
            record.q[:, pairs],
            record.k[:, pairs],
            record.v[:, pairs],
            record.z[:, pairs],
            record.mlp_in[pairs],
            record.mlp_out[pairs],
            None if record.attn_sum is None else record.attn_sum[pairs],
        )
        for record in run.layers
    ]
    return Run(run.embedding[pairs], layers, run.final[pairs])
