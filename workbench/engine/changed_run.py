"""The model run with attention knocked out and residuals replaced.

Several ways are one batch. All that lies before the first changed position, and before the first
changed block, is as in the clean run, which is recorded: keys and values of the one are a prefix,
the residual before the other is where the run begins. So a knock-out at the last token alone costs
one position.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.base.transfers import kept_index, uploaded
from workbench.engine.budget import alternative_rows, what_if_bytes
from workbench.engine.changes import (
    Changes,
    Replacement,
    check_changes,
)
from workbench.engine.model_layers import mlp_rows
from workbench.engine.residual_means import ResidualMeans
from workbench.errors import WorkbenchError
from workbench.experiment.hidden_attention import knockout_mask, refuse_blind
from workbench.experiment.knockouts import resolve_positions
from workbench.transformer.attention import Softmax, plain_softmax
from workbench.transformer.forward import run_heads, write_heads
from workbench.transformer.parts import Layer, ModelParts, Rotation
from workbench.transformer.recording import Recording, Run

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.prompts.batch import Group

Prefix = tuple[Tensor, Tensor] | None
"""Keys and values [kv_head, pair, prefix, d_head] of the positions before."""


def masked_softmax(hidden: Tensor | None) -> Softmax:
    """A softmax that leaves out the keys that are hidden.

    Args:
        hidden: bool, [head or 1, pair or 1, alternative or 1, query, key]; None: none is.
    """
    if hidden is None:
        return plain_softmax

    def masked(scores: Tensor) -> Tensor:
        # A sink, which stands first, is never hidden.
        keys = scores[..., scores.shape[-1] - hidden.shape[-1] :]
        seen = keys.masked_fill(hidden, float("-inf"))
        if keys.shape[-1] == scores.shape[-1]:
            return plain_softmax(seen)
        return plain_softmax(torch.cat((scores[..., : -keys.shape[-1]], seen), dim=-1))

    return masked


def run_block(
    parts: ModelParts,
    layer: Layer,
    x: Tensor,
    rotary: Rotation | None,
    prefix: Prefix,
    hidden: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One block with attention masked.

    Args:
        x: [pair, alternative, position, d_model], the residual before it.
        rotary: the rotation of these positions.
        hidden: as of `masked_softmax`.

    Returns:
        The residual after it, and the keys and values, [kv_head, pair, alternative, position,
        d_head] both.
    """
    _, k, v, z = run_heads(layer, x, rotary, prefix, masked_softmax(hidden))
    after = x + layer.after_attention(write_heads(layer, z))
    return after + mlp_rows(layer, x if parts.parallel else after), (k, v)


def residual_after(run: Run, layer: int) -> Tensor:
    """A recorded residual after a block (-1: the embedding), [pair, position, d_model]."""
    return run.final if layer + 1 == len(run.layers) else run.layers[layer + 1].attn_in


def changed_finals(
    experiment: Experiment, ways: Sequence[Changes], means: ResidualMeans | None = None
) -> list[Tensor]:
    """The last residual of the clean prompts, changed in several ways.

    Args:
        experiment: whose clean runs are changed.
        ways: alternatives, each from the clean run.
        means: what `mean` and `context-mean` put in; needed if there are any.

    Returns:
        For each group of pairs [pair, alternative, d_model], at the last position.

    Raises:
        WorkbenchError: no such layer, head, position or pair, or a query is left nothing to see.
    """
    return [
        changed_finals_of(experiment, number, ways, means)
        for number in range(len(experiment.recordings))
    ]


def changed_finals_of(
    experiment: Experiment,
    number: int,
    ways: Sequence[Changes],
    means: ResidualMeans | None = None,
) -> Tensor:
    """The same of one group of pairs, by its number."""
    recording = experiment.recordings[number]
    parts = recording.parts
    for changes in ways:
        check_changes(changes, len(parts.layers), parts.n_heads, experiment.n_pairs)
    runner = _Runner(experiment, number, means)
    final = recording.whole.final[:, -1:].repeat(1, len(ways), 1)
    with torch.no_grad():
        for chosen in _batches(parts, recording, ways):
            final[:, uploaded(chosen, final.device)] = runner.run([ways[i] for i in chosen])
    return final


def _batches(parts: ModelParts, recording: Recording, ways: Sequence[Changes]) -> list[list[int]]:
    """Alternatives that are run together: those that begin at one block, as memory allows."""
    n_layers = len(parts.layers)
    length = recording.whole.final.shape[1]

    def first(i: int) -> tuple[int, int]:
        return ways[i].first_layer(n_layers), _first_position(ways[i], length)

    order = sorted((i for i in range(len(ways)) if first(i)[0] < n_layers), key=first)
    replaced = [i for i in range(len(ways)) if first(i)[0] == n_layers and ways[i].replacements]
    batches = []
    for (_, start), members in groupby([*order, *replaced], first):
        alike = list(members)
        room = rows_at_once(recording, length - start)
        batches += [alike[i : i + room] for i in range(0, len(alike), room)]
    return batches


def rows_at_once(recording: Recording, positions: int) -> int:
    """How many alternatives of so many positions memory allows."""
    parts = recording.parts
    row = recording.n_pairs * positions * parts.d_model * recording.whole.final.element_size()
    # Scores of all keys beside what a block computes.
    keys = parts.n_heads * recording.whole.final.shape[1] / parts.d_model
    rows = alternative_rows(0, 0, 0, tail=True) + 3 * keys
    return max(1, int(what_if_bytes(parts.device.type) / (row * rows)))


def _first_position(changes: Changes, length: int) -> int:
    """The first position at which something is changed."""
    where = [k.queries for k in changes.knockouts] + [r.positions for r in changes.replacements]
    return min((resolve_positions(p, length)[0] for p in where), default=length - 1)


class _Runner:
    """Changed runs of one group of pairs."""

    def __init__(self, experiment: Experiment, number: int, means: ResidualMeans | None) -> None:
        self._experiment = experiment
        self._group: Group = experiment.batch.groups[number]
        self._recording = experiment.recordings[number]
        self._means = means

    def run(self, ways: Sequence[Changes]) -> Tensor:
        """[pair, alternative, d_model] of alternatives that begin at one block and position."""
        parts, whole = self._recording.parts, self._recording.whole
        n_layers, length = len(parts.layers), whole.final.shape[1]
        first = ways[0].first_layer(n_layers)
        start = _first_position(ways[0], length)
        rotary = parts.rotations(torch.arange(start, length))
        x = residual_after(whole, first - 1)[:, None, start:].repeat(1, len(ways), 1, 1)
        self._replace(x, ways, first - 1, start)
        for index in range(first, n_layers):
            layer, record = parts.layers[index], whole.layers[index]
            prefix = (record.k[:, :, :start], record.v[:, :, :start]) if start else None
            hidden = self._hidden(ways, index, start)
            x, _ = run_block(parts, layer, x, rotary[index], prefix, hidden)
            self._replace(x, ways, index, start)
        return x[:, :, -1]

    def _hidden(self, ways: Sequence[Changes], index: int, start: int) -> Tensor | None:
        """What is masked in a block, [head, 1, alternative, query, key]; None for nothing."""
        named = [[k for k in way.knockouts if k.in_layer(index)] for way in ways]
        if not any(named):
            return None
        parts, length = self._recording.parts, self._recording.whole.final.shape[1]
        masks = [knockout_mask(of, parts.n_heads, length)[:, start:] for of in named]
        hidden = uploaded(torch.stack(masks, dim=1), parts.device)
        refuse_blind(parts.layers[index].attention, hidden, index)
        return hidden[:, None]

    def _replace(self, x: Tensor, ways: Sequence[Changes], layer: int, start: int) -> None:
        """Put in what stands in for residuals after a block."""
        for i, way in enumerate(ways):
            for one in way.replacements:
                if one.layer == layer:
                    at = resolve_positions(one.positions, x.shape[2] + start)
                    places = kept_index(tuple(p - start for p in at), x.device)
                    x[:, i, places] = self._stand_in(one, at)

    def _stand_in(self, one: Replacement, at: list[int]) -> Tensor:
        """What stands in at these positions, [pair, position, d_model]."""
        layer, recording, clean = one.source_layer, self._recording, self._group.clean
        places = kept_index(tuple(at), recording.parts.device)
        by = one.by
        if by in ("mean", "context-mean"):
            assert self._means is not None, "means were asked for and not taken"
            last = clean.shape[1] - 1
            found = self._means.of(clean, layer, by_token=by == "context-mean")
            if by == "context-mean" and last in at:
                found[:, last] = self._means.of(clean, layer, by_token=False)[:, last]
            return found[:, places]
        if by == "pair":
            assert one.pair is not None  # as was checked
            return self._of_pair(one.pair, layer, one.positions)
        own = residual_after(recording.whole, layer)
        if by == "own":
            return own[:, places]
        if recording.constants:
            raise WorkbenchError(
                "There is no corrupted run to take a residual from: use the ablation patching."
            )
        other = own.clone()
        other[:, recording.start :] = residual_after(recording.corrupted, layer)
        return other[:, places]

    def _of_pair(self, pair: int, layer: int, positions: tuple[int, ...] | None) -> Tensor:
        """Another pair's clean residual, [1, position, d_model]; of prompts of its own length."""
        groups = self._experiment.batch.groups
        number = next(i for i, one in enumerate(groups) if pair in one.indices)
        group, row = groups[number], groups[number].indices.index(pair)
        run = self._experiment.recordings[number].whole
        if positions is None and group.length != self._group.length:
            raise WorkbenchError(
                f"Pair {pair + 1} has {group.length} tokens and others have {self._group.length}: "
                "name the positions at which its residual is put in."
            )
        at = _in_order(positions, group.length, self._group.length)
        residual = residual_after(run, layer)
        return residual[row : row + 1, kept_index(tuple(at), residual.device)]


def _in_order(positions: tuple[int, ...] | None, length: int, of: int) -> list[int]:
    """These positions in prompts of `length` tokens, in their order in prompts of `of` tokens."""
    if positions is None:
        return list(range(length))
    for position in positions:
        resolve_positions((position,), length)
    by_place = {position % of: position % length for position in positions}
    return [by_place[place] for place in sorted(by_place)]
