"""Means of what every source writes, for the ablations that put a mean in its place.

Every token of every prompt falls into a cell: one cell for all of them (mean), one for each
position of prompts of one length (positional mean), or one for each token at such a position
(context-aware mean: what the source writes on average where the prompt has just this token here,
whatever stands before it; after CAMA, 2509.09650). A mean is taken over a cell's tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, uploaded
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import ABLATIONS
from workbench.transformer.neurons import hidden_values
from workbench.transformer.parts import ModelParts
from workbench.transformer.recording import Run, record_clean

if TYPE_CHECKING:
    from workbench.experiment.intervened import Intervened
    from workbench.prompts.batch import Batch

ROWS_AT_ONCE = 512
"""Tokens of a data set that are run at once."""

Key = tuple[int, ...]
Cells = Callable[[Tensor], list[list[Key]]]
"""Of tokens [prompt, position], the cells of each, the finest first; tokens row after row."""


def of_all_tokens(tokens: Tensor) -> list[list[Key]]:
    """One cell for all."""
    return [[()] * tokens.numel()]


def by_position(tokens: Tensor) -> list[list[Key]]:
    """One for each position of prompts of one length."""
    length = tokens.shape[1]
    return [[(length, position) for _ in range(len(tokens)) for position in range(length)]]


def by_token(tokens: Tensor) -> list[list[Key]]:
    """One for each token at such a position; the position's where there is no such token."""
    (places,) = by_position(tokens)
    flat = array_of(tokens.reshape(-1)).tolist()
    exact: list[Key] = [(*place, int(token)) for place, token in zip(places, flat, strict=True)]
    return [exact, places]


class Means:
    """What every source writes, averaged over cells.

    Args:
        kind: the name of an ablation that takes means.

    Attributes:
        missing: tokens asked for that the data had not at their position, so that the positional
            mean stood in.
    """

    def __init__(self, parts: ModelParts, kind: str) -> None:
        self._parts = parts
        self._keys: Cells = ABLATIONS[kind].load_cells()
        self._places: dict[Key, int] = {}
        self._counts: Tensor | None = None
        # Of the embedding, then of each layer's heads (one after the other) and MLP.
        self._sums: list[Tensor] = []
        # Which prompts, for the neurons, whose means are taken when they are first asked for.
        self._prompts: list[Tensor] = []
        self._neurons: dict[int, Tensor] = {}
        self.missing = 0

    def over(self, prompts: Iterable[tuple[Tensor, Run]], tokens: Iterable[Tensor]) -> Means:
        """Take the means over these prompts.

        Args:
            prompts: tokens [pair, position] and their clean run, all positions.
            tokens: the same tokens, all of them, known beforehand.
        """
        self._prompts = list(tokens)
        for rows in self._prompts:
            for keys in self._keys(rows):
                for key in keys:
                    self._places.setdefault(key, len(self._places))
        for rows, run in prompts:
            self._add(rows, run)
        return self

    def _add(self, tokens: Tensor, run: Run) -> None:
        written = [wide(value) for value in _rows(run)]
        if self._counts is None:
            n = len(self._places)
            self._counts = written[0].new_zeros(n)
            self._sums = [value.new_zeros(n, value.shape[1]) for value in written]
        for keys in self._keys(tokens):
            cells = uploaded([self._places[key] for key in keys], self._counts.device)
            self._counts.index_add_(0, cells, torch.ones_like(cells, dtype=self._counts.dtype))
            for total, value in zip(self._sums, written, strict=True):
                total.index_add_(0, cells, value)

    def of(self, tokens: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """What stands in for the sources on prompts of these tokens [pair, position].

        Returns:
            For the embedding [pair, position, d_model], and for each layer its heads before W_O
            [head, pair, position, d_head] and its MLP [pair, position, d_model].

        Raises:
            WorkbenchError: the means are by position, and there were no prompts of this length.
        """
        assert self._counts is not None
        cells, dtype = self._cells(tokens), self._parts.dtype
        counts = self._counts[cells][:, None]
        values = [(total[cells] / counts).to(dtype).view(*tokens.shape, -1) for total in self._sums]
        n_heads = self._parts.n_heads
        layers = [
            (heads.unflatten(-1, (n_heads, -1)).permute(2, 0, 1, 3), mlp)
            for heads, mlp in zip(values[1::2], values[2::2], strict=True)
        ]
        return values[0], layers

    def neurons_of(self, layer: int, tokens: Tensor) -> Tensor:
        """What stands in for the neurons of a layer's MLP, [pair, position, neuron].

        Their own means over the same cells: the data is run once more for each layer that is asked
        for.

        Raises:
            WorkbenchError: as `of`, or the MLP has no neurons of its own.
        """
        assert self._counts is not None
        if layer not in self._neurons:
            self._neurons[layer] = self._neuron_sums(layer)
        missing = self.missing
        cells = self._cells(tokens)
        self.missing = missing  # told once already, of the outputs
        means = self._neurons[layer][cells] / self._counts[cells][:, None]
        return means.to(self._parts.dtype).view(*tokens.shape, -1)

    def _neuron_sums(self, layer: int) -> Tensor:
        """Sums [cell, neuron] over all prompts."""
        assert self._counts is not None
        total: Tensor | None = None
        for tokens in self._prompts:
            with torch.no_grad():
                mlp_in = record_clean(self._parts, tokens).layers[layer].mlp_in
                values = wide(hidden_values(self._parts.layers[layer], mlp_in).flatten(0, 1))
            if total is None:
                total = values.new_zeros(len(self._places), values.shape[1])
            for keys in self._keys(tokens):
                cells = uploaded([self._places[key] for key in keys], values.device)
                total.index_add_(0, cells, values)
        assert total is not None
        return total

    def _cells(self, tokens: Tensor) -> Tensor:
        assert self._counts is not None
        found = []
        for fine, *coarser in zip(*self._keys(tokens), strict=True):
            key: Key = fine
            if coarser and key not in self._places:
                self.missing += 1
                key = coarser[0]
            if key not in self._places:
                raise WorkbenchError(
                    f"The means are taken position by position, and none of their prompts has "
                    f"{tokens.shape[1]} tokens as some of the task's have: take the means of "
                    "others, or use --ablation mean."
                )
            found.append(self._places[key])
        return uploaded(found, self._counts.device)


def _rows(run: Run) -> list[Tensor]:
    """What every source wrote, token by token, [pair * position, ...]."""
    values = [run.embedding.flatten(0, 1)]
    for layer in run.layers:
        values.append(layer.z.permute(1, 2, 0, 3).flatten(0, 1).flatten(1))
        values.append(layer.mlp_out.flatten(0, 1))
    return values


def means_over(
    parts: ModelParts,
    kind: str,
    batch: Batch,
    intervened: Intervened | None = None,
    *,
    in_pairs: bool = False,
) -> Means:
    """The means over the clean prompts of a batch, run some at a time.

    Args:
        intervened: what is done to the model in these runs; None: nothing.
        in_pairs: the prompts have corrupted ones, of which interventions may take values.
    """
    pieces: list[Tensor] = []
    others: list[Tensor | None] = []
    roles: list[tuple[str, ...]] = []
    if intervened is not None:
        batch = intervened.grouped(batch)
    for group in batch.groups:
        at_once = max(1, ROWS_AT_ONCE // group.length)
        pieces += group.clean.split(at_once)
        others += group.corrupted.split(at_once)
        roles += [batch.roles_of(group)] * (len(pieces) - len(roles))
    if not in_pairs:
        others = [None] * len(pieces)

    def runs() -> Iterator[tuple[Tensor, Run]]:
        for tokens, other, named in zip(pieces, others, roles, strict=True):
            own = parts
            if intervened is not None:
                own = intervened.parts(tokens, other, tokens.shape[1], named)
            yield tokens, record_clean(own, tokens)

    return Means(parts, kind).over(runs(), pieces)
