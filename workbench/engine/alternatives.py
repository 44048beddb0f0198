"""Many alternatives at once: how changes at some inputs spread to the metric.

One pass evaluates K alternatives of a baseline as a batch. Each alternative changes the input of
some destinations; what follows from that is computed for the nodes it reaches, and only for the
alternatives that reach them, while everything untouched is shared. The baseline is a circuit's
`IncrementalRun` (what if this edge were dropped?) or the clean run itself (`CleanBaseline`: what
does corrupting this edge do to the model?).

Where from some stage on every edge is kept, the inputs of a layer are one residual, so the rest is
run as the model's ordinary layers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.base.work import Work, finish
from workbench.circuits.graph import Graph, Stage
from workbench.engine.baseline import Baseline
from workbench.engine.carry import Carry
from workbench.engine.deltas import Deltas
from workbench.engine.kept_edges import Kept
from workbench.engine.model_layers import run_layers
from workbench.engine.narrowed import NeuronChange
from workbench.engine.node_math import (
    at_positions,
    head_outputs,
    head_values,
    project_entries,
)
from workbench.engine.plan import Plan, Positions
from workbench.engine.post_norm import has_post_norms, summed
from workbench.engine.reach import Alternative, Reach
from workbench.engine.recorded_residuals import residuals
from workbench.engine.role_rows import carried, needed_rows
from workbench.transformer.attention import K, Q, V
from workbench.transformer.recording import Recording


class _Change(NamedTuple):
    """In one alternative an edge's part is added to an input or taken from it.

    Attributes:
        roles: at which roles, as bits.
    """

    alternative: int
    source: int
    sign: int
    roles: np.uint64


class AlternativeRuns:
    """One batch of alternatives through one group of pairs.

    Args:
        base: what they depart from; up to date wherever `plan` needs it.
        plan: where values are needed, for the base's mask and every edge that an alternative adds.
        changes: the alternatives.

    Glossary: docs/glossary.md#alternatives.
    """

    def __init__(self, base: Baseline, plan: Plan, changes: Sequence[Alternative]) -> None:
        self.base = base
        self.graph = base.graph
        self.recording = base.recording
        self.plan = plan
        self.changes = changes
        self.reach = Reach(base.graph, base.kept, plan, changes, base.narrowed.kept)
        self._live = base.live_in(changes)
        self._n = len(changes)
        reached = self.reach.sources.any(axis=1)
        recording = self.recording
        self.deltas = Deltas(
            self.graph.n_sources,
            (recording.n_pairs, self._n, recording.n_positions, recording.parts.d_model),
            (int((plan.need[reached] == Positions.ALL).sum()), int(reached.sum())),
            recording.clean.final,
            recording.role_of,
        )
        self._carry = Carry(self.deltas)
        self._have = np.zeros(self.graph.n_sources, dtype=bool)
        self._behind_norms = _behind_norms(self.graph, recording)
        self._edges: dict[int, list[_Change]] = defaultdict(list)
        self._override: dict[int, dict[int, bool]] = defaultdict(dict)
        self._neurons: dict[int, list[tuple[int, int, bool]]] = defaultdict(list)
        for k, change in enumerate(changes):
            for source, column, sign, bits in change.edges_at():
                self._edges[column].append(_Change(k, source, sign, bits))
            for layer, neuron, kept in change.neurons:
                self._neurons[layer].append((k, neuron, kept))
            for column in change.opened:
                self._override[column][k] = True
            for column in change.closed:
                self._override[column][k] = False

    def final(self) -> Tensor:
        """The last residual at the last position, [pair, alternative, d_model]."""
        return finish(self.pieces())

    def pieces(self) -> Work[Tensor]:
        """The same, stage by stage."""
        stages = self.reach.stages
        for i, stage in enumerate(stages):
            if i != self.reach.tail and not self.reach.destinations[stage.columns].any():
                continue
            with torch.no_grad():
                if i == self.reach.tail:
                    return self._ordinary(i)
                if stage.kind == "logits":
                    return self._logits(stage)
                if stage.kind == "heads":
                    self._heads(stage)
                else:
                    self._mlp(stage)
            yield (i + 1) / len(stages)
        return self._unchanged()

    def _unchanged(self) -> Tensor:
        base = self.base.final_residual()
        return base[:, None].expand(-1, self._n, -1)

    def _logits(self, stage: Stage) -> Tensor:
        column = stage.columns.start
        which = np.flatnonzero(self.reach.destinations[column])
        x = self._inputs([column], Positions.LAST, which)[0][0][:, :, 0]
        if len(which) == self._n:
            return x
        final = self._unchanged().clone()
        final[:, uploaded(which, x.device)] = x
        return final

    def _ordinary(self, index: int) -> Tensor:
        """From this stage on the model's own layers, on one residual per alternative."""
        recording = self.recording
        stage = self.reach.stages[index]
        last_layer = len(recording.parts.layers) - 1
        at_end = stage.kind == "logits" or (stage.kind == "mlp" and stage.layer == last_layer)
        positions = Positions.LAST if at_end else Positions.ALL
        column = stage.columns.start
        touched = np.flatnonzero(self.reach.destinations[column])
        if not touched.size:
            return self._unchanged()
        x = self._inputs([column], positions, touched)[0][0]
        x = run_layers(recording, x, stage.layer, from_mlp=stage.kind == "mlp")
        if len(touched) == self._n:
            return x
        final = self._unchanged().clone()
        final[:, uploaded(touched, x.device)] = x
        return final

    def _heads(self, stage: Stage) -> None:
        graph, layer, n_heads = self.graph, stage.layer, self.graph.n_heads
        touched = self.reach.destinations[stage.columns].reshape(3, n_heads, self._n)
        batches: dict[tuple[bytes, bool, bool, int], list[int]] = defaultdict(list)
        for head in range(n_heads):
            source = graph.head_source(layer, head)
            which = self.reach.sources[source]
            if which.any():
                by_key, by_value = (bool(touched[i, head].any()) for i in (K, V))
                key = (which.tobytes(), by_key, by_value, int(self.plan.need[source]))
                batches[key].append(head)
        for (key_bytes, _, _, positions), heads in batches.items():
            which = np.flatnonzero(np.frombuffer(key_bytes, dtype=bool))
            self._head_batch(layer, heads, touched, which, positions)

    def _head_batch(
        self,
        layer: int,
        heads: list[int],
        touched: NDArray[np.bool_],
        which: NDArray[np.int64],
        positions: int,
    ) -> None:
        """Heads that the same alternatives reach, through the same inputs and positions."""
        graph, recording = self.graph, self.recording
        columns = {
            own: [
                (i, head)
                for i in range(3)
                for head in heads
                if touched[i, head].any() and (positions if i == Q else Positions.ALL) == own
            ]
            for own in {positions, Positions.ALL}
        }
        new: dict[tuple[int, int], Tensor] = {}
        for own, entries in columns.items():
            if not entries:
                continue
            indices = [graph.head_destination(layer, i, head) for i, head in entries]
            x, index = self._inputs(indices, own, which)
            projected = project_entries(recording, layer, entries, x, index)
            new.update(zip(entries, projected, strict=True))
        q, k, v = (
            self._stacked(layer, heads, i, new, len(which), positions if i == Q else Positions.ALL)
            for i in range(3)
        )
        if q.shape[2] == 1 and len(which) > 1:
            q = q.expand(-1, -1, len(which), -1, -1)
        z = head_values(recording, layer, heads, q, k, v)
        for place, head in enumerate(heads):
            constant = at_positions(recording.corrupted.layers[layer].z[head], positions)
            self._write_constants(graph.head_source(layer, head), z[place], constant, which)
        base = torch.stack(
            [self.base.head_value(graph.head_source(layer, head), positions) for head in heads]
        )
        added = head_outputs(recording, layer, heads, z - base)
        for at_, head in enumerate(heads):
            self._put(graph.head_source(layer, head), added[at_], which, positions)

    def _stacked(
        self,
        layer: int,
        heads: list[int],
        i: int,
        new: dict[tuple[int, int], Tensor],
        n: int,
        positions: int,
    ) -> Tensor:
        """q, k or v, [head, pair, alternative or 1, ...]; the base's where untouched."""
        values = [
            new[i, head] if (i, head) in new else self.base.head_input(layer, i, head, positions)
            for head in heads
        ]
        if any((i, head) in new for head in heads):
            values = [value.expand(-1, n, -1, -1) for value in values]
        return torch.stack(values)

    def _mlp(self, stage: Stage) -> None:
        source, column = self.graph.mlp_source(stage.layer), stage.columns.start
        which = np.flatnonzero(self.reach.sources[source])
        if not which.size:
            return
        positions = int(self.plan.need[source])
        x = self._inputs([column], positions, which)[0][0]
        place = {int(k): j for j, k in enumerate(which)}
        own = [change for change in self._neurons[stage.layer] if change[0] in place]
        neurons = [NeuronChange(place[k], n, kept) for k, n, kept in own]
        rows = needed_rows(self.plan, source, self.recording.role_of)
        out = self.base.narrowed.run(stage.layer, x, neurons, rows)
        constant = at_positions(self.recording.corrupted.layers[stage.layer].mlp_out, positions)
        self._write_constants(source, out, constant, which)
        added = out - self.base.mlp_value(stage.layer, positions)
        self._put(source, added, which, positions)

    def _write_constants(
        self, source: int, written: Tensor, constant: Tensor, which: NDArray[np.int64]
    ) -> None:
        """Put a source's constant wherever nothing clean reaches it, in place.

        Args:
            written: [pair, alternative, position or 1, any], of the alternatives `which`.
            constant: [pair, position or 1, any].
        """
        if self._live is None or self._live[source, which].all():
            return
        dead = ~self._live[source, which]
        if dead.ndim == 1:
            written[:, uploaded(np.flatnonzero(dead), written.device)] = constant[:, None]
        else:
            dead = dead.swapaxes(0, 1)[..., -written.shape[2] :, None]
            there = uploaded(dead, written.device)
            written.copy_(torch.where(there, constant[:, None], written))

    def _put(self, source: int, added: Tensor, which: NDArray[np.int64], positions: int) -> None:
        """Keep what a source adds to the base in the alternatives that reach it; zero elsewhere."""
        if len(which) < self._n:
            whole = added.new_zeros(added.shape[0], self._n, *added.shape[2:])
            whole[:, uploaded(which, added.device)] = added
            added = whole
        self.deltas.put(source, added, positions)
        self._have[source] = True

    def _inputs(
        self, columns: list[int], positions: int, which: NDArray[np.int64]
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """The different inputs of a stage's destinations in some alternatives, and whose each is.

        Returns:
            [different input, pair, alternative, position or 1, d_model], and [destination].
        """
        array = np.array(columns)
        base, base_index = self.base.unique_inputs(array, positions)
        parents = self.graph.n_parents(columns[0])
        kept = self.base.kept
        chosen = (kept[:parents, array] * self._have[:parents, None].astype(kept.dtype)).T
        keys: dict[tuple[int, bytes, int], int] = {}
        index = np.empty(len(columns), dtype=np.int64)
        for i, column in enumerate(columns):
            own = column if column in self._edges or column in self._override else -1
            key = (int(base_index[i]), chosen[i].tobytes(), own)
            index[i] = keys.setdefault(key, len(keys))
        firsts = [int(np.flatnonzero(index == i)[0]) for i in range(len(keys))]
        direct = chosen[firsts]
        if self._behind_norms is not None:
            direct[:, self._behind_norms[:parents]] = 0
        total = self._carry.sum(direct, positions)
        x = base[uploaded(base_index[firsts], base.device)]
        picked = None if len(which) == self._n else uploaded(which, base.device)
        if total is None:
            x = x.expand(-1, -1, len(which), -1, -1)
        else:
            x = x + (total if picked is None else total[:, :, picked])
        own_columns = [(i, columns[first]) for i, first in enumerate(firsts)]
        own_columns = [(i, c) for i, c in own_columns if c in self._edges or c in self._override]
        if own_columns:
            x = x.contiguous() if total is not None else x.clone()
            for i, column in own_columns:
                self._change(x[i], column, positions, which)
        if self._behind_norms is not None:
            if not own_columns:
                x = x.clone()
            for i, first in enumerate(firsts):
                self._add_views(x[i], columns[first], chosen[first], positions, which)
        return x, index

    def _change(self, x: Tensor, column: int, positions: int, which: NDArray[np.int64]) -> None:
        """Apply the alternatives' own changes to the input of a destination, in place."""
        place, roles = {int(k): j for j, k in enumerate(which)}, self.recording.role_of
        clean, corrupted = residuals(self.graph, self.recording, column, positions)
        for k, opened in self._override.get(column, {}).items():
            if k in place:
                x[:, place[k]] = (clean if opened else corrupted)[:, 0]
        cached: dict[int, Tensor | None] = {}
        for k, source, sign, bits in self._edges.get(column, ()):
            if k not in place or self._is_behind_norm(source):
                continue
            if source not in cached:
                cached[source] = self.base.delta(source, positions)
            delta = cached[source]
            if delta is not None:
                x[:, place[k]].add_(carried(delta[:, 0], bits, roles), alpha=sign)
            if self.reach.sources[source, k]:
                own = self.deltas.get(source, positions)[:, k]
                x[:, place[k]].add_(carried(own, bits, roles), alpha=sign)

    def _is_behind_norm(self, source: int) -> bool:
        return self._behind_norms is not None and bool(self._behind_norms[source])

    def _add_views(
        self,
        x: Tensor,
        column: int,
        chosen: Kept,
        positions: int,
        which: NDArray[np.int64],
    ) -> None:
        """Add, in place, what becomes of a destination's views of layers with a norm.

        The norm stands after their heads.

        Args:
            x: its input [pair, alternative, position or 1, d_model], all else being in it.
            chosen: [source], of which sources the alternatives' own values reach it.
        """
        graph, recording, roles = self.graph, self.recording, self.recording.role_of
        place = {int(k): j for j, k in enumerate(which)}
        for index, layer in enumerate(recording.parts.layers):
            heads = graph.head_sources(index)
            if heads.start >= len(chosen):
                break
            if layer.post_attention is None:
                continue
            edges = self._edges.get(column, ())
            own = [e for e in edges if e.alternative in place and e.source in heads]
            reached = np.zeros_like(chosen)
            reached[heads.start : heads.stop] = chosen[heads.start : heads.stop]
            if not own and not reached.any():
                continue
            before = self.base.attention_sum(index, column, positions)
            before = before.repeat(1, len(which), 1, 1)
            after = before.clone()
            added = self.deltas.sum(reached[None], positions)
            if added is not None:
                after += added[0][:, uploaded(which, x.device)]
            for k, opened in self._override.get(column, {}).items():
                if k in place:
                    run = recording.clean if opened else recording.corrupted
                    before[:, place[k]] = after[:, place[k]] = summed(run, index, positions)[:, 0]
            for k, source, sign, bits in own:
                if (delta := self.base.delta(source, positions)) is not None:
                    after[:, place[k]].add_(carried(delta[:, 0], bits, roles), alpha=sign)
                if self.reach.sources[source, k]:
                    new = self.deltas.get(source, positions)[:, k]
                    after[:, place[k]].add_(carried(new, bits, roles), alpha=sign)
            x += layer.after_attention(after) - layer.after_attention(before)


def _behind_norms(graph: Graph, recording: Recording) -> NDArray[np.bool_] | None:
    """Bool [source], the heads that reach the residual through a norm; None if none does."""
    if not has_post_norms(recording):
        return None
    behind = np.zeros(graph.n_sources, dtype=bool)
    for index, layer in enumerate(recording.parts.layers):
        behind[graph.head_rows(index)] = layer.post_attention is not None
    return behind
