"""What interventions do to edges, put together into blocks beside the residual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.transformer.edge_edits import LOGITS, MLP, Block, Reader, Source
from workbench.transformer.parts import ModelParts

INPUTS = {"q": 0, "k": 1, "v": 2}


@dataclass
class ChangedSum:
    """What is done to one place: x becomes factor * x + offset, and `added` is written beside.

    Attributes:
        factor: [position, 1].
        offset: [pair or 1, position, width]; None for nothing.
        added: [position, d_model], of heads; None for nothing.
    """

    factor: Tensor
    offset: Tensor | None = None
    added: Tensor | None = None

    def scale(self, at: list[int], by: float) -> None:
        """Do it to some positions times a factor."""
        index = self._index(at)
        self.factor[index] *= by
        if self.offset is not None:
            self.offset[:, index] *= by
        if self.added is not None:
            self.added[index] *= by

    def add(self, at: list[int], value: Tensor, *, beside: bool) -> None:
        """`value`: [pair or 1, position or 1, width]; `beside`: in d_model, beside a head."""
        n, index = len(self.factor), self._index(at)
        if beside:
            if self.added is None:
                self.added = value.new_zeros(n, value.shape[-1])
            self.added[index] += value[0]
            return
        if self.offset is None:
            self.offset = value.new_zeros(1, n, value.shape[-1])
        if len(value) > len(self.offset):
            self.offset = self.offset.repeat(len(value), 1, 1)
        self.offset[:, index] += value

    def _index(self, at: list[int]) -> Tensor:
        return kept_index(tuple(at), self.factor.device)


def reader_of(graph: Graph, destination: str) -> Reader:
    """Where a destination stands in the model."""
    found = graph.parse_destination(destination)
    if found.node.kind == "logits":
        return found.node.layer, LOGITS, 0
    if found.input is None:
        return found.node.layer, MLP, 0
    assert found.node.head is not None
    return found.node.layer, INPUTS[found.input], found.node.head


def check_readers(parts: ModelParts, edge: str, reader: Reader) -> None:
    """Raises WorkbenchError where a query or key depends on what other heads read."""
    layer, which, _ = reader
    if which in (0, 1) and parts.layers[layer].attention.joint[which] is not None:
        raise WorkbenchError(
            f"{edge}: this model norms the queries and keys of all heads of a layer together, so "
            "that none has an input of its own to change; edges into v, MLPs and the logits can be."
        )


def blocks_of(sums: Mapping[tuple[Source, Reader], ChangedSum]) -> dict[Reader, list[Block]]:
    """What every changed destination reads beside the residual; equal blocks are one.

    Positions at which the sources have the same factors share a block.
    """
    by_reader: dict[Reader, dict[Source, ChangedSum]] = {}
    for (source, reader), one in sums.items():
        by_reader.setdefault(reader, {})[source] = one
    known: list[Block] = []
    out: dict[Reader, list[Block]] = {}
    for reader, own in by_reader.items():
        made = []
        for block in _of_reader(own):
            same = next((one for one in known if _equal(one, block)), None)
            if same is None:
                known.append(block)
            made.append(block if same is None else same)
        out[reader] = made
    return out


def _of_reader(own: Mapping[Source, ChangedSum]) -> list[Block]:
    factors = torch.cat([one.factor for one in own.values()], dim=1) - 1
    offset: Tensor | None = None
    for one in own.values():
        if one.offset is not None:
            offset = one.offset if offset is None else offset + one.offset
    rows: dict[tuple[float, ...], list[int]] = {}
    for position, row in enumerate(array_of(wide(factors)).tolist()):
        rows.setdefault(tuple(row), []).append(position)
    blocks = []
    for row, at in rows.items():
        if not any(row):
            continue
        where = factors.new_zeros(len(factors), 1)
        where[kept_index(tuple(at), where.device)] = 1
        of = {source: factor for source, factor in zip(own, row, strict=True) if factor}
        whole = len(at) == len(factors)
        blocks.append(Block(of, offset if whole else None, where))
        if whole:
            return blocks
    if offset is not None:
        blocks.append(Block({}, offset, torch.ones_like(factors[:, :1])))
    return blocks


def _equal(one: Block, other: Block) -> bool:
    if one.factors != other.factors or not torch.equal(one.at, other.at):
        return False
    if one.offset is None or other.offset is None:
        return one.offset is other.offset
    return torch.equal(one.offset, other.offset)
