"""The scores of all edges from gradients of d_head width: a table made in blocks of rows.

Gradients stay where they are narrow: at heads' queries, keys and values, before the weights that
bring them to the residual. What is d_model wide for every source and every destination is made for
some rows (positions of pairs) at a time and multiplied, so that memory does not grow with how many
there are. Later layers' sources are not multiplied with earlier layers' destinations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import uploaded
from workbench.discovery.gradients.backward_rules import PLAIN, Rules
from workbench.discovery.gradients.edge_gradients import (
    AtLayer,
    at_final,
    at_joint_norm,
    gradients,
    unprojected,
)
from workbench.discovery.gradients.norm_slope import NormSlope
from workbench.discovery.gradients.rows import Rows
from workbench.discovery.gradients.slices import Slice
from workbench.discovery.gradients.table_room import block_rows, held_bytes, layers_at_once
from workbench.discovery.gradients.tape import Tape
from workbench.discovery.gradients.written import Arriving
from workbench.transformer.attention import K, Q, V
from workbench.transformer.edge_edits import Reading
from workbench.transformer.parts import ModelParts


@dataclass(frozen=True)
class _Held:
    """Gradients at one layer's rows.

    Attributes:
        attn_in: the residual that its heads read, [row, d_model].
        projected: at each head's query, key and value, [head, row, d_head].
        mlp: at the residual that its MLP reads, [row, d_model].
    """

    index: int
    attn_in: Tensor
    projected: list[Tensor]
    mlp: Tensor


def edge_scores(piece: Slice, tape: Tape, rules: Rules = PLAIN) -> Tensor:
    """(e' - e) . dL/de of every edge, with the gradients at one run.

    Args:
        tape: the run; it is used up.

    Returns:
        float32 [group, source, destination], summed over each group of rows of the slice; of no
        meaning where there is no edge.
    """
    sums = {
        index: piece.rows.arranged(taped.attn_sum)
        for index, taped in tape.layers.items()
        if taped.attn_sum is not None
    }
    graph, layers = tape.parts.graph(), tape.parts.layers
    arriving = Arriving(piece.written(), graph, layers, sums, rules.frozen_norms)
    table = EdgeTable(tape.parts, piece.rows, arriving, rules, tight=piece.tight)
    above = at_final(tape, piece.metric, rules)
    with torch.no_grad():
        table.add_logits(above)
        for at in gradients(tape, above, rules):
            table.add(at)
        table.score()
    return table.scores


class EdgeTable:
    """The table, filled in while a backward pass goes down the layers.

    Attributes:
        scores: float32 [group, source, destination]; of no meaning where there is no edge.
    """

    def __init__(
        self,
        parts: ModelParts,
        rows: Rows,
        arriving: Arriving,
        rules: Rules,
        *,
        tight: bool = False,
    ) -> None:
        self._parts, self._rows, self._arriving, self._rules = parts, rows, arriving, rules
        self._graph = parts.graph()
        shape = rows.n_groups, self._graph.n_sources, self._graph.n_destinations
        self.scores = torch.zeros(shape, device=parts.device)
        self._held: list[_Held] = []
        self._block = block_rows(parts, tight=tight)
        self._most = held_bytes(parts, tight=tight)

    def add_logits(self, gradient: Tensor) -> None:
        """Score the edges into the logits; the gradient is [pair, 1, d_model]."""
        logits = self._graph.logits_destination
        for group, rows, pairs in self._rows.last():
            at = gradient[uploaded(pairs, gradient.device), 0]
            made = at.new_empty(self._graph.n_sources, *at.shape)
            self._arriving.fill(made, uploaded(rows, at.device))
            self.scores[group, :, logits] = wide(made.flatten(1) @ at.reshape(-1))

    def add(self, at: AtLayer) -> None:
        """Keep a layer's gradients; score when they are many. Layers come from the last down."""
        arranged = self._rows.arranged
        projected = [arranged(gradient) for gradient in at.projected]
        self._held.append(_Held(at.index, arranged(at.attn_in), projected, arranged(at.mlp)))
        one = sum(value.nbytes for value in (*projected, self._held[-1].mlp))
        if (len(self._held) + 1) * one > self._most:
            self.score()

    def score(self) -> None:
        """Score the edges into the layers kept, and let go of these."""
        if not self._held:
            return
        held = {one.index: one for one in self._held}
        self._held = []
        graph, first, last = self._graph, min(held), max(held)
        at_once = layers_at_once(graph)
        n_sources = graph.n_parents(graph.mlp_destination(last))
        like = held[last].mlp
        sources, destinations = (
            like.new_empty(n * min(self._block, len(like)) * like.shape[-1])
            for n in (n_sources, min(at_once, len(held)) * graph.destinations_per_layer)
        )
        for group, rows in self._rows.blocks(self._block):
            size = rows.stop - rows.start
            left = sources[: n_sources * size * like.shape[-1]].view(n_sources, size, -1)
            self._arriving.fill(left, rows)
            for low in range(first, last + 1, at_once):
                high = min(low + at_once, last + 1)
                n = (high - low) * graph.destinations_per_layer
                right = destinations[: n * size * like.shape[-1]].view(n, size, -1)
                pieces = right.split(graph.destinations_per_layer)
                for index, piece in zip(range(low, high), pieces, strict=True):
                    self._fill(piece, held[index], rows)
                offset = graph.layer_columns(low).start
                product = _Product(self.scores[group], left.flatten(1), right.flatten(1), offset)
                self._multiply(product, low, high)

    def _fill(self, out: Tensor, held: _Held, rows: slice) -> None:
        """Gradients at one layer's destinations, [destination, row, d_model]."""
        layer = self._rows.reading(self._parts.layers[held.index], rows)
        x = held.attn_in[rows]
        n_heads = len(held.projected[Q])
        # A norm of blocks beside the residual gives less, or more, than it reads.
        width = layer.attention.weight(Q).shape[1]
        above = out[:-1] if width == out.shape[-1] else out.new_empty(*out[:-1].shape[:-1], width)
        for which, place in zip((Q, K, V), above.split(n_heads), strict=True):
            gradient = held.projected[which][:, rows]
            if layer.attention.joint[which] is None:
                unprojected(layer.attention, which, gradient, place)
            else:
                place.copy_(at_joint_norm(layer, x, which, gradient, self._rules))
        slope = NormSlope(layer.norm1, x, self._rules.frozen_norms)
        if width == out.shape[-1] and not isinstance(layer.norm1, Reading):
            slope.back_in_place(above)
        else:
            out[:-1] = slope.back(above)
        out[-1] = held.mlp[rows]

    def _multiply(self, product: _Product, low: int, high: int) -> None:
        """Layers from `low` to before `high`, whose sources stand before and between them."""
        graph = self._graph
        start = graph.head_rows(low).start
        columns = slice(graph.layer_columns(low).start, graph.layer_columns(high - 1).stop)
        product.add(slice(0, start), columns)
        self._within(product, low, high)

    def _within(self, product: _Product, low: int, high: int) -> None:
        """Edges between these layers, by halves: later sources feed no earlier destinations."""
        graph = self._graph
        first = graph.head_rows(low).start
        if high - low == 1:
            mlp = graph.mlp_destination(low)
            product.add(slice(first, graph.n_parents(mlp)), slice(mlp, mlp + 1))
            return
        middle = (low + high) // 2
        self._within(product, low, middle)
        self._within(product, middle, high)
        columns = slice(graph.layer_columns(middle).start, graph.layer_columns(high - 1).stop)
        product.add(slice(first, graph.head_rows(middle).start), columns)


@dataclass(frozen=True)
class _Product:
    """Adds to one group's scores [source, destination] what some rows make.

    Attributes:
        left: [source, row and dimension]; right: [destination, row and dimension], of the columns
            from the first one of a layer on.
        offset: that column.
    """

    scores: Tensor
    left: Tensor
    right: Tensor
    offset: int

    def add(self, sources: slice, columns: slice) -> None:
        """Add the edges from these sources into these destinations."""
        if sources.stop <= sources.start:
            return
        right = self.right[columns.start - self.offset : columns.stop - self.offset]
        left, scores = self.left[sources], self.scores[sources, columns]
        if left.dtype == scores.dtype:
            scores.addmm_(left, right.T)
        else:
            scores += wide(left @ right.T)
