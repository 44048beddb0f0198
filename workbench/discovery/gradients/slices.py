"""Slices: some pairs at a time with all that their scores need; memory stays bounded.

A slice comes from the recordings of an experiment, as views; or, where there is no experiment, both
prompts are run for it alone and let go of with it (`streamed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.discovery.gradients.backward_rules import Rules
from workbench.discovery.gradients.norm_slope import NormSlope
from workbench.discovery.gradients.tape import Tape
from workbench.engine.budget import FLOAT32
from workbench.engine.node_math import head_outputs
from workbench.engine.post_norm import has_post_norms
from workbench.experiment.room import Shape, runs_bytes
from workbench.metrics.metric import Answers, Metric
from workbench.transformer.recording import Recording, record

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch
    from workbench.transformer.parts import ModelParts

SLICE_BYTES = {"cpu": 96 * 2**20}
SLICE_BYTES_ELSEWHERE = 2**30
"""What one slice may take beside the recordings of an experiment, in bytes."""

ANEW_FACTOR = 4
"""More where runs are made anew for a slice: each reads all weights, whatever its size."""

# In values [pair, position, d_model]. For each of a layer's destinations: its gradient, and two
# more on the way through the norm. For an MLP: what goes into the activation and the product, what
# comes out, and their gradients. For each layer of a run made anew: the residuals that attention
# and MLP read, and what goes into the activation and the product.
_PER_DESTINATION = 3
_MLP = 24
_ANEW = 2 + 8
# In values [head, query, key]: scores, pattern, and the gradients of each.
_PATTERNS = 6


@dataclass
class Slice:
    """Some pairs of one length.

    Attributes:
        recording: both runs, of these pairs and maybe of others.
        metric: of these pairs alone.
        pairs: which pairs of the recording.
        indices: their places in the task.
        n_roles: scores are asked for by role of the prompts, of which there are so many, instead
            of by pair; 0 if not.

    Glossary: docs/glossary.md#slice.
    """

    recording: Recording
    metric: Metric
    pairs: slice
    indices: tuple[int, ...]
    n_roles: int = 0
    _raw: Tensor | None = field(default=None, repr=False)

    @property
    def n_pairs(self) -> int:
        """How many pairs it has."""
        return len(self.indices)

    def clean(self) -> Tape:
        """The clean run."""
        return Tape.of(self.recording, self.recording.clean, self.pairs)

    def corrupted(self) -> Tape:
        """The corrupted run; with patching only, since no other ablation has one."""
        return Tape.of(self.recording, self.recording.corrupted, self.pairs)

    def written(self) -> Tensor:
        """What each source writes in the corrupted run, minus what it writes in the clean one.

        Before a norm that follows. [source, pair, position, d_model].
        """
        if self._raw is None:
            self._raw = _written(self.recording, self.pairs)
        return self._raw

    def differences(self, tape: Tape, rules: Rules) -> Tensor:
        """What corrupting each source adds to the residual, to first order at the run `tape`.

        That is the difference of its outputs; but where a norm stands between a layer's heads and
        the residual, the slope of that norm times it.

        Returns:
            [source, pair, position, d_model].
        """
        if not has_post_norms(self.recording):
            return self.written()
        parts = self.recording.parts
        graph = parts.graph()
        out = self.written().clone()
        for index, layer in enumerate(parts.layers):
            summed = tape.layers[index].attn_sum
            if layer.post_attention is not None and summed is not None:
                heads = out[graph.head_rows(index)]
                heads.copy_(
                    NormSlope(layer.post_attention, summed, rules.frozen_norms).forth(heads)
                )
        return out


def slices(
    experiment: Experiment, *, anew: bool = False, n_roles: int = 0, most: int | None = None
) -> Iterator[Slice]:
    """The pairs of an experiment, group by group.

    Args:
        anew: runs are to be made for each slice that are not recorded.
        n_roles: as `Slice.n_roles`.
        most: pairs in a slice at most; None for as many as there is room for.
    """
    groups = experiment.batch.groups
    for group, recording, metric in zip(
        groups, experiment.recordings, experiment.metrics, strict=True
    ):
        room = pairs_at_once(recording.parts, group.length, recording.start, anew=anew)
        for pairs in _cut(recording.n_pairs, min(room, most or room)):
            own = metric if pairs == slice(0, recording.n_pairs) else metric.part(pairs)
            yield Slice(recording, own, pairs, group.indices[pairs], n_roles)


def streamed(model: Model, batch: Batch, metric: str, *, anew: bool = False) -> Iterator[Slice]:
    """The pairs of a batch with patching, each slice recorded when it is asked for.

    Args:
        anew: further runs are to be made for each slice.
    """
    parts = model.parts
    for group in batch.groups:
        start = group.first_difference
        room = pairs_at_once(parts, group.length, start, recorded=True, anew=anew)
        for pairs in _cut(len(group.indices), room):
            recording = record(parts, group.clean[pairs], group.corrupted[pairs], start, lean=True)
            answers = Answers.of(
                group.answers[pairs], group.wrong_answers[pairs], parts.device, parts.dtype
            )
            with torch.no_grad():
                own = Metric(metric, parts, answers, recording.clean.final[:, -1])
            made = Slice(recording, own, slice(0, recording.n_pairs), group.indices[pairs])
            del recording, own
            yield made
            del made


def _written(recording: Recording, pairs: slice) -> Tensor:
    """As `Slice.written`."""
    parts, clean, corrupted = recording.parts, recording.clean, recording.corrupted
    graph, heads = parts.graph(), list(range(parts.n_heads))
    embedding = corrupted.embedding[pairs] - clean.embedding[pairs]
    out = embedding.new_empty(graph.n_sources, *embedding.shape)
    out[0] = embedding
    with torch.no_grad():
        for index in range(len(parts.layers)):
            here, there = clean.layers[index], corrupted.layers[index]
            z = there.z[:, pairs] - here.z[:, pairs]
            out[graph.head_rows(index)] = head_outputs(recording, index, heads, z[:, :, None])[
                :, :, 0
            ]
            mlp = out[graph.mlp_source(index)]
            torch.sub(there.mlp_out[pairs], here.mlp_out[pairs], out=mlp)
    return out


def _cut(n: int, room: int) -> Iterator[slice]:
    """n pairs in slices as equal as may be, of at most `room`."""
    pieces = -(-n // room)
    for piece in range(pieces):
        yield slice(piece * n // pieces, (piece + 1) * n // pieces)


def pairs_at_once(
    parts: ModelParts, tokens: int, start: int, *, recorded: bool = False, anew: bool = False
) -> int:
    """How many pairs make one slice; arguments as for `pair_bytes`."""
    budget = SLICE_BYTES.get(parts.device.type, SLICE_BYTES_ELSEWHERE)
    budget *= ANEW_FACTOR if anew else 1
    return max(1, budget // pair_bytes(parts, tokens, start, recorded=recorded, anew=anew))


def pair_bytes(
    parts: ModelParts, tokens: int, start: int, *, recorded: bool = False, anew: bool = False
) -> int:
    """What one pair of a slice takes while it is scored.

    Args:
        tokens: length of its prompts.
        start: the first position at which any pair's prompts differ.
        recorded: both runs are recorded for the slice alone, and count.
        anew: another run is made for the slice.
    """
    graph = parts.graph()
    positions = tokens - start
    # Behind norms that follow the heads, differences are kept as written and as they arrive.
    normed = any(layer.post_attention is not None for layer in parts.layers)
    values = (2 if normed else 1) * graph.n_sources
    values += _PER_DESTINATION * graph.destinations_per_layer + _MLP
    if anew:
        heads = (parts.n_heads + 2 * parts.n_kv_heads) * parts.d_head / parts.d_model
        values += int(len(parts.layers) * (_ANEW + heads))
    patterns = _PATTERNS * parts.n_heads * positions * tokens
    own = (positions * parts.d_model * values + patterns) * parts.dtype.itemsize
    # Of one run, and their sum over runs.
    scores = 2 * graph.n_sources * graph.n_destinations * FLOAT32
    if not recorded:
        return own + scores
    late = runs_bytes(parts, Shape(1, positions, 0))
    late += 2 * len(parts.layers) * parts.n_kv_heads * parts.d_head * start * parts.dtype.itemsize
    return own + scores + late
