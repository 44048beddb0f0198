"""Edges that carry something else than what their source writes: a wider residual stream.

What a destination d reads of a source s becomes a z_s + v. Beside the residual stand blocks of the
same width. A source writes its value into the residual and (a - 1) times its value into a block; v
stands in the block from the beginning; and d reads the residual plus its block,

    x_d  =  r + sum over its changed edges of ( (a - 1) z_s + v ) .

Sources still add up and destinations still read a sum, so that the model is one of the same kind
and everything that keeps or drops its edges stays as it is: an edge that is dropped carries a z'_s
+ v. Where a norm follows a layer's heads, a block holds what it makes of the changed heads less
what it makes of them as they are. Query heads that share keys and values get them each for itself,
by the same weights, since their inputs may differ now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from workbench.transformer.attention import kv_head_of
from workbench.transformer.edits import Copies
from workbench.transformer.families.modules import HeadNorms
from workbench.transformer.parts import Attention, Layer, ModelParts, Step

Source = tuple[int, int | None]
"""Layer and head of what writes: (-1, None) is the embedding, (3, None) the MLP of layer 3."""

Reader = tuple[int, int, int]
"""Layer, input (0 to 2: q, k, v; 3: the MLP; 4: the logits) and head of what reads."""

MLP, LOGITS = 3, 4


@dataclass(frozen=True)
class Block:
    """What stands in one block.

    Attributes:
        factors: by source a - 1; none is 0.
        offset: v, [pair or 1, position, d_model]; None for nothing.
        at: [position, 1], 1 where it is read and 0 elsewhere.
    """

    factors: Mapping[Source, float]
    offset: Tensor | None
    at: Tensor


class Reading(nn.Module):
    """A norm of a residual to which blocks are added, for each of several sets of them.

    Args:
        norm: the model's own.
        width: of the residual without blocks.
        n_blocks: how many stand beside it.
        sets: of each, which blocks are added and where, [position, 1].
        last: residuals are of the last position alone, whatever their axes are.
    """

    def __init__(
        self,
        norm: nn.Module,
        width: int,
        n_blocks: int,
        sets: Sequence[Sequence[tuple[int, Tensor]]],
        *,
        last: bool = False,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.width = width
        self.n_blocks = n_blocks
        self.sets = sets
        self.last = last

    def with_norm(self, norm: nn.Module) -> Reading:
        """The same with another norm."""
        return Reading(norm, self.width, self.n_blocks, self.sets, last=self.last)

    def shares(self, x: Tensor) -> list[list[tuple[int, Tensor]]]:
        """Of each set its blocks, and where they are read in x [..., position, wider]."""
        if self.last:
            return [[(block, at[-1]) for block, at in one] for one in self.sets]
        n = x.shape[-2]
        return [[(block, at[-n:]) for block, at in one] for one in self.sets]

    def read(self, x: Tensor) -> list[Tensor]:
        """What each set is, [..., position, width] of [..., position, wider]."""
        main, *blocks = x.split(self.width, dim=-1)
        out = []
        for one in self.shares(x):
            value = main
            for block, at in one:
                value = value + blocks[block] * at
            out.append(value)
        return out

    def direction(self, reading: Tensor) -> Tensor:
        """What reads x in the first set as `reading` reads that, [..., wider] of [..., width]."""
        pieces = [reading, *[torch.zeros_like(reading)] * self.n_blocks]
        for block, at in self.shares(reading)[0]:
            pieces[1 + block] = reading * at
        return torch.cat(pieces, dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """The norm of every set, one after the other in the last axis."""
        return torch.cat([self.norm(value) for value in self.read(x)], dim=-1)


def read_by_logits(parts: ModelParts, final: Tensor) -> Tensor:
    """The last residual [..., d_model] as the logits read it, without blocks beside it."""
    norm = parts.norm_final
    return norm.read(final)[0] if isinstance(norm, Reading) else final


class Parted(nn.Module):
    """A norm behind a layer's heads, of what they write and of each block added to it.

    Args:
        norm: the model's own.
        width: of the residual without blocks.
    """

    def __init__(self, norm: nn.Module, width: int) -> None:
        super().__init__()
        self.norm = norm
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """[..., wider]: the norm; and what each block changes of it."""
        main, *blocks = x.split(self.width, dim=-1)
        own = self.norm(main)
        return torch.cat([own, *(self.norm(main + block) - own for block in blocks)], dim=-1)


def with_edges(
    parts: ModelParts, reads: Mapping[Reader, Sequence[Block]], added: Mapping[Source, Tensor]
) -> ModelParts:
    """The parts of a model in which some edges carry something else.

    Args:
        parts: of the model, with all else that is done to it.
        reads: by destination, what is added to what it reads.
        added: by head what is written beside its value, [position, d_model], which is in its
            layer's edit already.
    """
    width = parts.d_model
    blocks: list[Block] = []
    for every in reads.values():
        blocks += [block for block in every if not any(block is one for one in blocks)]
    numbers = {id(block): number for number, block in enumerate(blocks)}
    numbered = {
        reader: tuple((numbers[id(block)], block.at) for block in every)
        for reader, every in reads.items()
    }
    if any(reader[1] in (1, 2) for reader in reads):
        parts = replace(parts, layers=tuple(_ungrouped(layer) for layer in parts.layers))

    def copies(source: Source) -> Copies:
        return Copies(tuple(block.factors.get(source, 0.0) for block in blocks))

    layers, n = [], len(blocks)
    for index, layer in enumerate(parts.layers):
        heads = [copies((index, head)) for head in range(parts.n_heads)]
        beside = {
            head: added[index, head] for head in range(parts.n_heads) if (index, head) in added
        }
        norm1, attention = _attention(layer, index, width, numbered, heads, beside)
        after = layer.post_attention
        layers.append(
            replace(
                layer,
                norm1=norm1,
                attention=attention,
                post_attention=None if after is None else Parted(after, width),
                norm2=Reading(layer.norm2, width, n, [numbered.get((index, MLP, 0), ())]),
                copies=copies((index, None)),
            )
        )
    start = _offsets(blocks, width)
    return replace(
        parts,
        layers=tuple(layers),
        copies=copies((-1, None)),
        norm_final=Reading(
            parts.norm_final, width, n, [numbered.get((len(layers), LOGITS, 0), ())], last=True
        ),
        start=start,
        by_pair=parts.by_pair or (start is not None and len(start) > 1),
    )


def _offsets(blocks: Sequence[Block], width: int) -> Tensor | None:
    """What stands in the blocks from the beginning, [pair or 1, position, wider]."""
    known = [block.offset for block in blocks if block.offset is not None]
    if not known:
        return None
    pairs, n = max(map(len, known)), known[0].shape[1]
    nothing = known[0].new_zeros(pairs, n, width)
    every = [nothing if b.offset is None else b.offset.expand(pairs, -1, -1) for b in blocks]
    return torch.cat([nothing, *every], dim=-1)


def _attention(
    layer: Layer,
    index: int,
    width: int,
    numbered: Mapping[Reader, tuple[tuple[int, Tensor], ...]],
    heads: Sequence[Copies],
    beside: Mapping[int, Tensor],
) -> tuple[Reading, Attention]:
    """The first norm and the attention of a layer."""
    attention = layer.attention
    by_reader = {
        (which, head): numbered.get((index, which, head), ())
        for which in range(3)
        for head in range(len(heads))
    }
    sets = list(dict.fromkeys(tuple(number for number, _ in one) for one in by_reader.values()))
    first = {tuple(number for number, _ in one): one for one in by_reader.values()}
    n = len(heads[0].factors)
    nowhere = Copies((0.0,) * n)
    weights = []
    for which in range(3):
        weight = attention.weight(which)
        if len(sets) > 1:
            wider = weight.new_zeros(len(weight), len(sets), *weight.shape[1:])
            for head in range(len(weight)):
                # Where heads share a weight still, they read the same.
                of = head * (len(heads) // len(weight))
                own = sets.index(tuple(number for number, _ in by_reader[which, of]))
                wider[head, own] = weight[head]
            weight = wider.flatten(1, 2)
        weights.append(weight)
    w_o = torch.stack(
        [own.apply(rows) for own, rows in zip(heads, attention.w_o, strict=True)], dim=0
    )
    edit, b_o = attention.edit, attention.b_o
    if edit is not None and edit.added is not None:
        wide = sum(heads[head].apply(value) for head, value in beside.items())
        assert isinstance(wide, Tensor)
        edit = replace(edit, added=wide)
    w_q, w_k, w_v = weights
    made = replace(attention, w_q=w_q, w_k=w_k, w_v=w_v, w_o=w_o, edit=edit)
    if b_o is not None:
        made = replace(made, b_o=nowhere.apply(b_o))
    return Reading(layer.norm1, width, n, [first[one] for one in sets]), made


def _ungrouped(layer: Layer) -> Layer:
    """A layer whose query heads have keys and values each for itself, by the same weights."""
    attention = layer.attention
    of = attention.kv_of
    if len(attention.w_k) == len(of):
        return layer

    def each(value: Tensor | None) -> Tensor | None:
        return None if value is None else value[of]

    changes: dict[str, object] = {
        name: each(getattr(attention, name)) for name in ("w_k", "w_v", "b_k", "b_v")
    }
    numbers = [kv_head_of(attention, head) for head in range(len(of))]
    q, k, v = attention.steps
    changes["steps"] = (q, _of_each(k, numbers), _of_each(v, numbers))
    joint = attention.joint[1]
    if joint is not None:
        changes["joint"] = (attention.joint[0], _JointOfGroups(joint, numbers), None)
    changes["kv_of"] = torch.arange(len(of), device=of.device)
    return replace(layer, attention=replace(attention, **changes))  # type: ignore[arg-type]


def _of_each(step: Step | None, of: Sequence[int]) -> Step | None:
    """What is done to projections of key-value heads, of the query heads that share them."""
    if isinstance(step, HeadNorms) and len(step.norms) > 1:
        return HeadNorms(tuple(step.norms[head] for head in of))
    return step


class _JointOfGroups(nn.Module):
    """A norm over all keys together, of keys that every query head has for itself."""

    def __init__(self, norm: nn.Module, of: Sequence[int]) -> None:
        super().__init__()
        self.norm = norm
        self.of = list(of)

    def forward(self, keys: Tensor) -> Tensor:
        """Keys [..., head x d_head]; those that heads share are equal."""
        n_kv = max(self.of) + 1
        each = keys.unflatten(-1, (len(self.of), -1))
        first = [self.of.index(head) for head in range(n_kv)]
        normed: Tensor = self.norm(each[..., first, :].flatten(-2))
        return normed.unflatten(-1, (n_kv, -1))[..., self.of, :].flatten(-2)
