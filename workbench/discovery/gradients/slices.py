"""Slices: some pairs at a time with all that their scores need; memory stays bounded.

A slice comes from the recordings of an experiment, as views; or, where there is no experiment, both
prompts are run for it alone and let go of with it (`streamed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workbench.discovery.gradients.rows import Rows
from workbench.discovery.gradients.table_room import block_columns, block_rows, held_bytes
from workbench.discovery.gradients.tape import LayerTape, Tape, run_mlp
from workbench.discovery.gradients.written import Written
from workbench.engine.budget import FLOAT32
from workbench.experiment.room import Shape, runs_bytes
from workbench.metrics.metric import Answers, Metric
from workbench.transformer.recording import LayerRecord, Recording, Walk, record

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch
    from workbench.transformer.parts import Layer, ModelParts

SLICE_BYTES = {"cpu": 168 * 2**20}
SLICE_BYTES_ELSEWHERE = 3 * 2**29
"""What one slice may take beside the recordings of an experiment, in bytes."""

ANEW_FACTOR = 2
"""More where runs are made anew for a slice: each reads all weights, whatever its size."""

# In values [pair, position, d_model]. On the way through a layer: what goes into an MLP's
# activation and product, what comes out, and their gradients; residuals. For each layer of a run
# made anew: what goes into the activation and the product.
_LAYER = 16
_INSIDE = 6
# Rows from which on more at a time are hardly faster to multiply.
_ENOUGH_ROWS = 96
# In values [head, query, key]: scores, pattern, and the gradients of each.
_PATTERNS = 6


@dataclass
class Slice:
    """Some pairs of one length.

    Attributes:
        parts: the model, with what an intervention does to these pairs.
        metric: of these pairs alone.
        indices: their places in the task.
        rows: the positions from the first difference on, in the groups that scores are summed over.
        tight: the table of scores is to take no more than it has to.

    Glossary: docs/glossary.md#slice.
    """

    parts: ModelParts
    metric: Metric
    indices: tuple[int, ...]
    rows: Rows
    tight: bool

    @property
    def n_pairs(self) -> int:
        """How many pairs it has."""
        return len(self.indices)

    def clean(self) -> Tape:
        """The clean run."""
        raise NotImplementedError

    def written(self) -> Written:
        """What each source writes in the corrupted run, minus what it writes in the clean one."""
        raise NotImplementedError


@dataclass
class RecordedSlice(Slice):
    """Some pairs of a recording.

    Attributes:
        recording: both runs, of these pairs and maybe of others.
        pairs: which pairs of the recording.
    """

    recording: Recording
    pairs: slice
    _written: Written | None = field(default=None, repr=False)

    def clean(self) -> Tape:
        """The clean run; views."""
        return Tape.of(self.recording, self.recording.clean, self.pairs)

    def corrupted(self) -> Tape:
        """The corrupted run; with patching only, since no other ablation has one."""
        return Tape.of(self.recording, self.recording.corrupted, self.pairs)

    def written(self) -> Written:
        """As of any slice; made when it is first asked for."""
        if self._written is None:
            self._written = self._differences()
        return self._written

    def _differences(self) -> Written:
        here, there, arranged = self.recording.clean, self.recording.corrupted, self.rows.arranged
        pairs, layers = self.pairs, list(zip(here.layers, there.layers, strict=True))
        with torch.no_grad():
            return Written(
                arranged(there.embedding[pairs] - here.embedding[pairs]),
                [arranged(b.z[:, pairs] - a.z[:, pairs]) for a, b in layers],
                [arranged(b.mlp_out[pairs] - a.mlp_out[pairs]) for a, b in layers],
            )


@dataclass
class LeanSlice(Slice):
    """Some pairs of which no more was kept than one backward pass of the clean run takes."""

    _tape: Tape | None
    _written: Written

    def clean(self) -> Tape:
        """The clean run; to be had once, since what it took is let go of on the way."""
        assert self._tape is not None, "the clean run was given away"
        tape, self._tape = self._tape, None
        return tape

    def written(self) -> Written:
        """As of any slice."""
        return self._written


@dataclass(frozen=True)
class Keeping:
    """What of a slice counts beside what the table of scores takes.

    Attributes:
        recorded: both runs are recorded for the slice alone.
        lean: of them no more is kept than a `LeanSlice` has.
        anew: another run is made for the slice.
        apart: scores are kept pair by pair.
        inside: what goes into each MLP's activation and product in the clean run is kept.
        tight: one pair is already more than there is to be: what can be made again is not kept.
    """

    recorded: bool = False
    lean: bool = False
    anew: bool = False
    apart: bool = False
    inside: bool = False
    tight: bool = False


_NOTHING = Keeping()


class Grouping(Enum):
    """What scores are summed over."""

    ALL = "all"
    PAIRS = "pairs"
    ROLES = "roles"


def slices(
    experiment: Experiment,
    *,
    anew: bool = False,
    grouping: Grouping = Grouping.ALL,
    most: int | None = None,
) -> Iterator[RecordedSlice]:
    """The pairs of an experiment, group by group.

    Args:
        anew: runs are to be made for each slice that are not recorded.
        most: pairs in a slice at most; None for as many as there is room for.
    """
    groups = experiment.batch.groups
    n_roles = len(experiment.batch.roles.names) if grouping is Grouping.ROLES else 0
    for group, recording, metric in zip(
        groups, experiment.recordings, experiment.metrics, strict=True
    ):
        keeping = Keeping(anew=anew, apart=grouping is Grouping.PAIRS)
        room = pairs_at_once(recording.parts, group.length, recording.start, keeping)
        for pairs in _cut(recording.n_pairs, min(room, most or room)):
            own = metric if pairs == slice(0, recording.n_pairs) else metric.part(pairs)
            indices, parts = group.indices[pairs], recording.parts.of_pairs(pairs)
            shape = len(indices), recording.n_positions
            if grouping is Grouping.ROLES:
                assert recording.role_of is not None
                rows = Rows.by_role(recording.role_of[pairs], n_roles)
            else:
                rows = (Rows.by_pair if grouping is Grouping.PAIRS else Rows.together)(*shape)
            yield RecordedSlice(parts, own, indices, rows, False, recording, pairs)


def streamed(
    model: Model, batch: Batch, metric: str, *, anew: bool = False, lean: bool = False
) -> Iterator[Slice]:
    """The pairs of a batch with patching, each slice recorded when it is asked for.

    Args:
        anew: further runs are to be made for each slice.
        lean: it is enough to have a `LeanSlice`.
    """
    parts = model.parts
    for group in batch.groups:
        start = group.first_difference
        keeping = Keeping(recorded=True, lean=lean, anew=anew)
        if lean:
            keeping = lean_keeping(parts, group.length, start, len(group.indices))
        room = pairs_at_once(parts, group.length, start, keeping)
        for pairs in _cut(len(group.indices), room):
            answers = Answers.of(
                group.answers[pairs], group.wrong_answers[pairs], parts.device, parts.dtype
            )
            prompts = group.clean[pairs], group.corrupted[pairs]
            made: Slice
            if lean:
                of = metric, answers
                made = _lean(parts, prompts, start, of, group.indices[pairs], keeping)
            else:
                made = _recorded(parts, prompts, start, (metric, answers), group.indices[pairs])
            yield made
            del made


def _recorded(
    parts: ModelParts,
    prompts: tuple[Tensor, Tensor],
    start: int,
    of: tuple[str, Answers],
    indices: tuple[int, ...],
) -> RecordedSlice:
    recording = record(parts, *prompts, start, lean=True)
    with torch.no_grad():
        metric = Metric(of[0], parts, of[1], recording.clean.final[:, -1])
    rows = Rows.together(recording.n_pairs, recording.n_positions)
    every = slice(0, recording.n_pairs)
    return RecordedSlice(parts, metric, indices, rows, False, recording, every)


def _lean(
    parts: ModelParts,
    prompts: tuple[Tensor, Tensor],
    start: int,
    of: tuple[str, Answers],
    indices: tuple[int, ...],
    room: Keeping,
) -> LeanSlice:
    """Both runs side by side, of which the tape and the differences are kept."""
    rows = Rows.together(len(indices), prompts[0].shape[1] - start)
    with torch.no_grad():
        here, there = Walk(parts, prompts[0], 0), Walk(parts, prompts[1][:, start:], start)
        moved = Written(rows.arranged(there.embedding - here.embedding[:, start:]), [], [])
        layers, prefixes = {}, []
        for index in range(len(parts.layers)):
            # What the last layer writes is read at the last position alone.
            last = index == len(parts.layers) - 1
            own, prefix = here.attend(None, last=last), None
            if start:
                prefix = own.k[:, :, :start].clone(), own.v[:, :, :start].clone()
            other = there.attend(prefix, last=last)
            before = _mlps(parts.layers[index], here, there, own, other, start)
            n = other.z.shape[2]
            moved.z.append(rows.arranged(other.z.sub_(own.z[:, :, -n:])))
            moved.mlp.append(rows.arranged(other.mlp_out - own.mlp_out[:, -n:]))
            layers[index] = _kept(own, start, n, before, room)
            prefixes.append(prefix)
        metric = Metric(of[0], parts, of[1], here.residual[:, -1])
    tape = Tape(parts, layers, here.residual[:, -1:].clone(), prefixes, there.rotary)
    return LeanSlice(parts, metric, indices, rows, room.tight, tape, moved)


def _mlps(
    layer: Layer, here: Walk, there: Walk, own: LayerRecord, other: LayerRecord, start: int
) -> tuple[Tensor, ...] | None:
    """Both runs through a layer's MLP, as rows of one product where it does the same to all.

    Returns:
        `LayerTape.before` of the clean run, of the positions from `start` on.
    """
    if not layer.is_plain or layer.copies is not None:
        before, mine = run_mlp(layer, own.mlp_in)
        here.add(own, mine)
        there.add(other, layer.run_mlp(other.mlp_in))
    else:
        flat = [record.mlp_in.flatten(0, 1) for record in (own, other)]
        before, both = run_mlp(layer, torch.cat(flat)[None])
        mine, theirs = both[0].split([len(part) for part in flat])
        here.add(own, mine.view_as(own.mlp_in))
        there.add(other, theirs.view_as(other.mlp_in))
        if before is not None:
            before = tuple(b[0, : len(flat[0])].unflatten(0, own.mlp_in.shape[:2]) for b in before)
    n = other.mlp_in.shape[1]
    return before if before is None else tuple(value[:, -n:] for value in before)


def _kept(
    own: LayerRecord, start: int, n: int, before: tuple[Tensor, ...] | None, room: Keeping
) -> LayerTape:
    """What is kept of a layer of the clean run; copies of what is more than that."""

    def late(value: Tensor, first: int) -> Tensor:
        return value[..., first:, :].clone() if start else value

    tape = LayerTape(
        late(own.attn_in, start),
        late(own.q, -n),
        late(own.k, start),
        late(own.v, start),
        None if room.tight else late(own.mlp_in, -n),
        None if own.attn_sum is None else late(own.attn_sum, -n),
    )
    if before is not None and room.inside:
        tape.before = tuple(value.clone() for value in before)
    return tape


def _cut(n: int, room: int) -> Iterator[slice]:
    """n pairs in slices as equal as may be, of at most `room`."""
    pieces = -(-n // room)
    for piece in range(pieces):
        yield slice(piece * n // pieces, (piece + 1) * n // pieces)


def pairs_at_once(parts: ModelParts, tokens: int, start: int, keeping: Keeping = _NOTHING) -> int:
    """How many pairs make one slice; arguments as for `pair_bytes`."""
    return max(1, _room(parts, tokens, start, keeping))


def _room(parts: ModelParts, tokens: int, start: int, keeping: Keeping) -> int:
    budget = SLICE_BYTES.get(parts.device.type, SLICE_BYTES_ELSEWHERE)
    budget *= ANEW_FACTOR if keeping.anew else 1
    left = budget - table_bytes(parts)
    return max(0, left // pair_bytes(parts, tokens, start, keeping))


def lean_keeping(parts: ModelParts, tokens: int, start: int, n_pairs: int) -> Keeping:
    """What there is room to keep of pairs that are run for a `LeanSlice`."""
    inside = Keeping(recorded=True, lean=True, inside=True)
    room = min(n_pairs, _room(parts, tokens, start, inside))
    if room and (room == n_pairs or room * (tokens - start) >= _ENOUGH_ROWS):
        return inside
    usual = replace(inside, inside=False)
    return usual if _room(parts, tokens, start, usual) else replace(usual, tight=True)


def slice_bytes(parts: ModelParts, shape: Shape, keeping: Keeping = _NOTHING) -> int:
    """What a slice of this shape takes while it is scored."""
    pairs = shape.pairs * pair_bytes(parts, shape.tokens, shape.start, keeping)
    return pairs + table_bytes(parts, shape.rows, tight=keeping.tight)


def pair_bytes(parts: ModelParts, tokens: int, start: int, keeping: Keeping = _NOTHING) -> int:
    """What one pair of a slice takes while it is scored, beside the table's part.

    Args:
        tokens: length of its prompts.
        start: the first position at which any pair's prompts differ.
    """
    graph, layers, d_model = parts.graph(), len(parts.layers), parts.d_model
    positions = tokens - start
    queries, keys = parts.n_heads * parts.d_head, parts.n_kv_heads * parts.d_head
    normed = any(layer.post_attention is not None for layer in parts.layers)
    residuals = 1 if keeping.tight else 2
    tape = layers * ((residuals + normed) * d_model + queries + 2 * keys)
    # What sources write; and on the way through one layer.
    values = (layers + 1) * d_model + layers * queries + _LAYER * d_model
    values += 2 * (parts.n_heads + parts.n_kv_heads) * parts.d_projected
    if keeping.lean:
        values += tape + (layers * _INSIDE * d_model if keeping.inside else 0)
    elif keeping.anew:
        values += tape + layers * _INSIDE * d_model
    patterns = _PATTERNS * parts.n_heads * positions * tokens
    own = (positions * values + patterns) * parts.dtype.itemsize
    if keeping.apart:
        # Of one run, and their sum over runs.
        own += 2 * graph.n_sources * graph.n_destinations * FLOAT32
    if keeping.recorded:
        own += 2 * layers * keys * start * parts.dtype.itemsize
        if not keeping.lean:
            own += runs_bytes(parts, Shape(1, positions, 0))
    return own


def table_bytes(parts: ModelParts, rows: int | None = None, *, tight: bool = False) -> int:
    """What the table of scores of so many rows takes while it is made; None for any number.

    That is gradients of some layers, a block of rows d_model wide, and the scores.
    """
    graph, size = parts.graph(), parts.dtype.itemsize
    block = block_rows(parts, tight=tight)
    block = block if rows is None else min(block, rows)
    columns = min(block_columns(graph), graph.n_destinations)
    made = block * (graph.n_sources + columns + graph.head_inputs_per_layer) * parts.d_model * size
    held = held_bytes(parts, tight=tight)
    if rows is not None:
        width = graph.head_inputs_per_layer * parts.d_projected + 2 * parts.d_model
        held = min(held + rows * width * size, len(parts.layers) * rows * width * size)
    return made + held + 2 * graph.n_sources * graph.n_destinations * FLOAT32
