"""Means of the residual stream after every block, by position and by token at a position.

The context-aware mean of Mamidanna et al. 2025 (2509.09650): what the residual is on average where
a prompt has this token at this position, whatever else stands in it. Unlike the ablation
`context-mean`, which averages what each source writes, this is the mean of the whole stream, and it
is put in its place once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.base.work import Work
from workbench.experiment.means import ROWS_AT_ONCE
from workbench.transformer.forward import embed, run_heads, write_heads
from workbench.transformer.parts import ModelParts

Cell = tuple[int, ...]
"""(length, position) or (length, position, token)."""


def residuals(parts: ModelParts, tokens: Tensor) -> Iterator[Tensor]:
    """The residual [pair, position, d_model], of the embedding, then after every block."""
    tokens = uploaded(tokens, parts.device)
    with torch.no_grad():
        x = embed(parts, tokens, 0)[1]
        yield x
        rotary = parts.rotations(torch.arange(tokens.shape[1]))
        for layer, turn in zip(parts.layers, rotary, strict=True):
            z = run_heads(layer, x[:, None], turn, None)[3]
            after = x + layer.after_attention(write_heads(layer, z)[:, 0])
            x = after + layer.run_mlp(x if parts.parallel else after)
            yield x


class ResidualMeans:
    """Means over prompts, of those cells that some prompts to be run have.

    Args:
        parts: the model.
        wanted: clean prompts [pair, position] that are to be run, one tensor for each length.

    Attributes:
        n_prompts: how many prompts the means are over.
    """

    def __init__(self, parts: ModelParts, wanted: Sequence[Tensor]) -> None:
        self._parts = parts
        cells = [cell for tokens in wanted for kind in _cells(tokens) for cell in kind]
        self._places = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
        self._counts = torch.zeros(len(self._places))
        self._sums: list[Tensor] = []
        self.n_prompts = 0

    def over(self, prompts: Sequence[Tensor]) -> Work[None]:
        """Take the means over these prompts, [pair, position] each, run some at a time."""
        pieces = [
            piece for tokens in prompts for piece in tokens.split(_rows_at_once(tokens.shape[1]))
        ]
        for i, piece in enumerate(pieces):
            self._add(piece)
            yield (i + 1) / len(pieces)

    def _add(self, tokens: Tensor) -> None:
        spare = len(self._places)  # where what nobody asked for is thrown
        kinds = [
            torch.tensor([self._places.get(cell, spare) for cell in kind])
            for kind in _cells(tokens)
        ]
        for kind in kinds:
            counts = torch.bincount(kind, minlength=spare + 1)[:spare]
            self._counts += counts
        there = [uploaded(kind, self._parts.device) for kind in kinds]
        for number, x in enumerate(residuals(self._parts, tokens)):
            rows = wide(x.flatten(0, 1))
            if number == len(self._sums):
                self._sums.append(rows.new_zeros(spare + 1, rows.shape[1]))
            for kind in there:
                self._sums[number].index_add_(0, kind, rows)
        self.n_prompts += len(tokens)

    def of(self, tokens: Tensor, layer: int, *, by_token: bool) -> Tensor:
        """The means [pair, position, d_model] that stand in for prompts' residual after a block.

        Args:
            tokens: [pair, position], among those that were wanted.
            layer: after which block; -1 for the embedding.
            by_token: of each token at its position, else of the position.
        """
        places = self._of(tokens, by_token)
        total = self._sums[layer + 1]
        counts = uploaded(self._counts[places], total.device)[:, None]
        found = (total[uploaded(places, total.device)] / counts).to(self._parts.dtype)
        return found.view(*tokens.shape, -1)

    def counts(self, tokens: Tensor, *, by_token: bool) -> Tensor:
        """Over how many prompts each of these means is, [pair, position]."""
        return self._counts[self._of(tokens, by_token)].view(tokens.shape)

    def _of(self, tokens: Tensor, by_token: bool) -> Tensor:
        positional, exact = _cells(tokens)
        return torch.tensor([self._places[cell] for cell in (exact if by_token else positional)])


def _cells(tokens: Tensor) -> tuple[list[Cell], list[Cell]]:
    """The cells of prompts' tokens, row after row: by position, and by token at it."""
    n, length = tokens.shape
    positional: list[Cell] = [(length, p) for _ in range(n) for p in range(length)]
    exact = [(*c, int(t)) for c, t in zip(positional, array_of(tokens.flatten()), strict=True)]
    return positional, exact


def _rows_at_once(length: int) -> int:
    return max(1, ROWS_AT_ONCE // length)
