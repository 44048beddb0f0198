"""The model with some nodes ablated together, many such sets as one batch.

Unlike an edge's effect, this is a change that everything later reacts to: whatever an ablated node
would compute, it writes what it writes in the other run, and the model's own layers do the rest.
Alternatives join the batch at the layer of their first ablated node, before which they are the
clean run; so no layer is computed for an alternative that it cannot differ in.

With a `DirectReading`, what every node then writes directly is read off inside the batch, as dot
products at the last position, and with it how far each head looks elsewhere from there; nothing
else of the runs is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import kept_index
from workbench.circuits.graph import Graph
from workbench.engine.model_layers import mlp_rows
from workbench.engine.node_patching import alternatives_at_once, later
from workbench.transformer.attention import attend, plain_softmax
from workbench.transformer.direct_reading import DirectReading
from workbench.transformer.forward import run_heads, write_heads
from workbench.transformer.recording import Recording


@dataclass(frozen=True)
class AblatedRuns:
    """Some alternatives of one group of pairs.

    Attributes:
        which: their numbers among the sets that were asked for.
        finals: [pair, alternative, d_model], the last residual at the last position.
        direct: [pair, alternative, source], what each node writes directly; None without a reading.
        norms: [pair, alternative], what norms behind heads add by another scale; likewise.
        attention: [pair, alternative, source], of a head the sum over keys of |pattern* - pattern|
            at the last position, 0 to 2; zero of others; likewise.
    """

    which: list[int]
    finals: Tensor
    direct: Tensor | None
    norms: Tensor | None
    attention: Tensor | None


def ablated_runs(
    graph: Graph,
    recording: Recording,
    sets: Sequence[Sequence[int]],
    reading: DirectReading | None = None,
    position: int | None = None,
    *,
    seconds: float | None = None,
) -> Iterator[AblatedRuns]:
    """Run the clean prompts with each of these sets of nodes ablated, batch by batch.

    Args:
        recording: both runs; an ablated node writes what it writes in `recording.corrupted`.
        sets: sources of the graph, at least one in each.
        reading: reads direct effects, scales held at the clean run's.
        position: where they are ablated, counted from the prompts' ends (0 is the last position);
            None for all positions.
        seconds: what a batch may about take, going by the one before; None: as many alternatives
            at once as memory allows, which is fastest in all.

    Yields:
        The alternatives, deepest first.
    """
    alone = position is not None
    if position is not None:
        skipped = recording.n_positions - 1 - position
        if skipped < 0:  # the two prompts do not differ yet: nothing changes
            unchanged = recording.clean.final[:, -1:].expand(-1, len(sets), -1)
            yield _unchanged(recording, unchanged, reading)
            return
        recording = later(recording, skipped)
    order = sorted(range(len(sets)), key=lambda i: -min(sets[i]))
    room = alternatives_at_once(recording)
    size, start = room if seconds is None else 1, 0
    while start < len(order):
        began = perf_counter()
        # The earliest first: alternatives join at the end of the batch.
        which = order[start : start + size][::-1]
        with torch.no_grad():
            made = _Batch(graph, recording, [sets[i] for i in which], reading, alone).run(which)
        start += len(which)
        if seconds is not None:
            share = seconds / max(perf_counter() - began, 1e-4)
            size = max(1, min(room, int(size * min(4.0, share))))
        yield made


def _unchanged(recording: Recording, finals: Tensor, reading: DirectReading | None) -> AblatedRuns:
    n = finals.shape[1]
    if reading is None:
        return AblatedRuns(list(range(n)), finals, None, None, None)
    direct = reading.everything(recording.clean)[:, None].expand(-1, n, -1)
    norms, attention = direct.new_zeros(direct.shape[:2]), torch.zeros_like(direct)
    return AblatedRuns(list(range(n)), finals, direct, norms, attention)


class _LastRow:
    """The softmax of every model, which keeps where the last position looks.

    Attributes:
        row: [head, pair, alternative, key], of the last scores.
    """

    row: Tensor

    def __call__(self, scores: Tensor) -> Tensor:
        """Patterns of scores [head, pair, alternative, query, key]."""
        pattern = plain_softmax(scores)
        self.row = wide(pattern[..., -1, :])
        return pattern


class _Batch:
    """Alternatives by the layer at which they join, the earliest first."""

    def __init__(
        self,
        graph: Graph,
        recording: Recording,
        sets: Sequence[Sequence[int]],
        reading: DirectReading | None,
        alone: bool,
    ) -> None:
        self.graph, self.recording, self.sets = graph, recording, sets
        self.parts, self.reading = recording.parts, reading
        self._n_layers = len(self.parts.layers)
        self.at = slice(0, 1) if alone else slice(None)
        self.first = [min(sources) for sources in sets]
        # Which alternatives ablate a source.
        self.of: dict[int, list[int]] = {}
        for k, sources in enumerate(sets):
            for source in sources:
                self.of.setdefault(source, []).append(k)
        self.direct: Tensor | None = None
        self.norms: Tensor | None = None
        self.attention: Tensor | None = None
        if reading is not None:
            clean = reading.everything(recording.clean)
            self.direct = clean[:, None].repeat(1, len(sets), 1)
            self.norms = clean.new_zeros(clean.shape[0], len(sets))
            self.attention = torch.zeros_like(self.direct)

    def run(self, which: list[int]) -> AblatedRuns:
        x = self._embeddings()
        for index in range(max(0, self.graph.node_table[self.first[0]].layer), self._n_layers):
            x = self._layer(index, x)
        return AblatedRuns(which, x[:, :, -1], self.direct, self.norms, self.attention)

    def _joined(self, before: int) -> int:
        """How many alternatives have their first ablated node before this source."""
        return sum(first < before for first in self.first)

    def _with(self, x: Tensor, clean: Tensor, n: int, axis: int) -> Tensor:
        """Alternatives with as many copies of the clean run behind them as make n."""
        n -= x.shape[axis]
        if n == 0:
            return x
        shape = [-1] * x.dim()
        shape[axis] = n
        return torch.cat([x, clean.unsqueeze(axis).expand(shape)], dim=axis)

    def _embeddings(self) -> Tensor:
        """The first residual of the alternatives that ablate the input."""
        run, other = self.recording.clean, self.recording.corrupted
        start = run.layers[0].attn_in
        x = self._with(start[:, None][:, :0], start, self._joined(1), 1)
        if 0 in self.of:
            x = x.clone()
            x[:, :, self.at] += (other.embedding - run.embedding)[:, None, self.at]
            if self.direct is not None and self.reading is not None:
                lies = self.at == slice(None) or run.embedding.shape[1] == 1
                written = (other if lies else run).embedding[:, -1:]
                self.direct[:, : x.shape[1], 0] = self.reading.of_residual(written)
        return x

    def _layer(self, index: int, x: Tensor) -> Tensor:
        layer, parts = self.parts.layers[index], self.parts
        record = self.recording.clean.layers[index]
        heads = list(self.graph.head_sources(index))
        n, with_heads = x.shape[1], self._joined(heads[-1] + 1)
        # Attention: computed where something changed before, recorded where nothing did.
        z = record.z[:, :, None][:, :, :0]
        if n:
            keys, values = self.recording.prefix(index)
            prefix = None if keys is None or values is None else (keys, values)
            seen = _LastRow()
            z = run_heads(layer, x, self.recording.rotary[index], prefix, seen)[3]
            if self.attention is not None:
                moved = (seen.row - self._clean_row(index)).abs().sum(-1)
                self.attention[:, :n, heads[0] : heads[-1] + 1] = moved.permute(1, 2, 0)
        z = self._with(z, record.z, with_heads, 2).contiguous()
        self._ablate_heads(index, heads, z)
        whole = self._with(x, record.attn_in, with_heads, 1)
        if with_heads:
            self._read_heads(index, heads, z)
            middle = whole + layer.after_attention(write_heads(layer, z))
        else:
            middle = whole
        # In a parallel block the MLP reads what attention does.
        changed = n if parts.parallel else with_heads
        reads = x if parts.parallel else middle
        last = index == len(parts.layers) - 1
        if last:
            middle, reads = middle[:, :, -1:], reads[:, :, -1:]
        mlp = self.graph.mlp_source(index)
        joined = self._joined(mlp + 1)
        cut = slice(-1, None) if last else slice(None)
        out = record.mlp_out[:, None, cut][:, :0]
        if changed:
            out = mlp_rows(layer, reads)
        out = self._with(out, record.mlp_out[:, cut], joined, 1)
        out = self._ablate_mlp(index, mlp, out, last)
        if self.direct is not None and self.reading is not None and joined:
            self.direct[:, :joined, mlp] = self.reading.of_residual(out[:, :, -1])
        if joined > middle.shape[1]:
            middle = self._with(middle, self._before_mlp(index)[:, cut], joined, 1)
        return middle + out

    def _clean_row(self, index: int) -> Tensor:
        """Where each head looks from the last position in the clean run.

        Returns:
            [head, pair, 1, key].
        """
        attention, record = self.parts.layers[index].attention, self.recording.clean.layers[index]
        of, seen = attention.kv_of, _LastRow()
        keys, values = self.recording.prefix(index)
        early = None if keys is None or values is None else (keys[of], values[of])
        attend(
            attention,
            record.q[:, :, None, -1:],
            record.k[of][:, :, None],
            record.v[of][:, :, None],
            early,
            seen,
        )
        return seen.row

    def _before_mlp(self, index: int) -> Tensor:
        """The clean residual to which the MLP of a layer adds what it writes."""
        run = self.recording.clean
        if not self.parts.parallel:
            return run.layers[index].mlp_in
        after = run.final if index + 1 == len(run.layers) else run.layers[index + 1].attn_in
        return after - run.layers[index].mlp_out

    def _ablate_heads(self, index: int, heads: Sequence[int], z: Tensor) -> None:
        other = self.recording.corrupted.layers[index].z
        for head, source in enumerate(heads):
            for k in self.of.get(source, ()):
                z[head, :, k, self.at] = other[head][:, self.at]

    def _ablate_mlp(self, index: int, source: int, out: Tensor, last: bool) -> Tensor:
        of = self.of.get(source, ())
        if not of:
            return out
        ablating = kept_index(tuple(of), out.device)
        other, out = self.recording.corrupted.layers[index].mlp_out, out.clone()
        if not last:
            out[:, ablating, self.at] = other[:, None, self.at]
        elif self.at == slice(None) or other.shape[1] == 1:
            out[:, ablating] = other[:, None, -1:]
        return out

    def _read_heads(self, index: int, heads: Sequence[int], z: Tensor) -> None:
        if self.direct is None or self.norms is None or self.reading is None:
            return
        written, n = z[..., -1, :], z.shape[2]
        self.direct[:, :n, heads[0] : heads[-1] + 1] = self.reading.of_heads(index, written)
        added = self.reading.norm_after_heads(index, written)
        if added is None:
            return
        clean = self.recording.clean.layers[index].z[:, :, None, -1]
        base = self.reading.norm_after_heads(index, clean)
        assert base is not None
        self.norms[:, :n] += added - base
