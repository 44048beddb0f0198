"""What corrupting each source adds to the residual, kept narrow, made for some rows.

Heads stay as values before W_O, d_head instead of d_model wide: what is d_model wide for every
source there is for a stretch of rows at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.circuits.graph import Graph
from workbench.discovery.gradients.norm_slope import NormSlope
from workbench.transformer.parts import Layer


@dataclass(frozen=True)
class Written:
    """What sources write in the corrupted run, minus the same in the clean one, at rows.

    Attributes:
        embedding: of the input, [row, d_model].
        z: of each layer's heads before W_O, [head, row, d_head].
        mlp: of each layer's MLP, [row, d_model].
    """

    embedding: Tensor
    z: list[Tensor]
    mlp: list[Tensor]

    def fill(
        self, out: Tensor, graph: Graph, layers: tuple[Layer, ...], rows: slice | Tensor
    ) -> None:
        """Fill in what the first sources write at some rows, [source, row, d_model].

        As far as `out` goes; of heads before a norm that follows.
        """
        out[0] = self.embedding[rows]
        for index, layer in enumerate(layers):
            heads, mlp = graph.head_rows(index), graph.mlp_source(index)
            if heads.start >= len(out):
                break
            attention = layer.attention
            torch.bmm(self.z[index][:, rows], attention.w_o, out=out[heads])
            if attention.multiplier != 1:
                out[heads] *= attention.multiplier
            if mlp < len(out):
                out[mlp] = self.mlp[index][rows]


@dataclass(frozen=True)
class Arriving:
    """The same as it reaches the residual, to first order at a run.

    Where a norm stands between a layer's heads and the residual it is the slope of that norm times
    what they write.

    Attributes:
        sums: by layer, where there is such a norm, what the heads and the output bias write
            together in that run, [row, d_model].
        frozen: the norms' scales count as constants.
    """

    written: Written
    graph: Graph
    layers: tuple[Layer, ...]
    sums: dict[int, Tensor]
    frozen: bool = False

    def fill(self, out: Tensor, rows: slice | Tensor) -> None:
        """Fill in the first sources, [source, row, d_model], as far as `out` goes."""
        self.written.fill(out, self.graph, self.layers, rows)
        for index, summed in self.sums.items():
            heads = self.graph.head_rows(index)
            if heads.start < len(out):
                norm = self.layers[index].post_attention
                assert norm is not None, index
                slope = NormSlope(norm, summed[rows], self.frozen)
                out[heads] = slope.forth(out[heads])
