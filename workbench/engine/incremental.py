"""The value of a circuit for one group of pairs, kept like a spreadsheet.

Cells are what each source adds beyond the corrupted run (D_s = z_s - z'_s) and the q, k and v of
the kept heads. The input of a destination d is never kept but summed when it is wanted,

    x_d = r'_stage(d) + sum of D_s over the kept edges s -> d,

so that no error builds up from edit to edit. An update visits the stages in order of depth and
computes only what is live, needed for the metric, and changed: everything else stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import kept_index, uploaded
from workbench.circuits.graph import Graph, Stage
from workbench.engine.carry import Carry, look_ahead
from workbench.engine.kept_edges import (
    Bits,
    Kept,
    as_bits,
    differing_columns,
    has_roles,
    is_kept,
)
from workbench.engine.live_positions import live_positions_in
from workbench.engine.live_rows import LiveRows, Rows, as_indices
from workbench.engine.narrowed import NarrowedMlps
from workbench.engine.node_math import (
    at_positions,
    head_outputs,
    head_values,
    project_entries,
    recorded_input,
)
from workbench.engine.plan import Plan, Positions, make_plan, tables
from workbench.engine.post_norm import summed, sums_over_sources
from workbench.engine.reach import Alternative, live_in
from workbench.engine.recorded_residuals import residuals
from workbench.engine.role_rows import carried
from workbench.transformer.attention import Q
from workbench.transformer.recording import Recording


class IncrementalRun:
    """A circuit's cells for one group; `RoleRun` is of circuits with edges at roles too.

    Attributes:
        kept: [source, destination], the kept edges; columns of open destinations are empty.
        mask: bool [source, destination], which of them are kept at any role.
        is_open: bool [destination].
        final: the last residual at the last position, [pair, d_model].

    Glossary: docs/glossary.md#cells, docs/glossary.md#dirty, docs/glossary.md#incremental-run.
    """

    def __init__(
        self,
        graph: Graph,
        recording: Recording,
        kept: Kept,
        is_open: NDArray[np.bool_],
        neurons: Mapping[int, Tensor] | None = None,
    ) -> None:
        """`neurons`: by layer which are kept of an MLP that is narrowed, bool [neuron]."""
        self.graph = graph
        self.recording = recording
        self.narrowed = NarrowedMlps(recording, neurons)
        self.kept: Kept = np.zeros_like(kept)
        self.mask = is_kept(self.kept)
        self.is_open = np.zeros_like(is_open)
        self.final = recording.corrupted.final[:, -1]
        self._stages = graph.stages
        self._positions = np.zeros(graph.n_sources, dtype=np.uint8)
        self._heads_in: dict[
            int, Tensor
        ] = {}  # destination -> q, k or v [pair, 1, position, d_head]
        self._z: dict[int, Tensor] = {}  # head source -> [pair, 1, position, d_head]
        self._nonzero = LiveRows(recording)
        plan = make_plan(graph, kept, is_open)
        wanted = plan.live & (plan.need > Positions.NONE)
        pairs, positions = recording.n_pairs, recording.n_positions
        self.deltas = sums_over_sources(
            graph,
            recording,
            (pairs, 1, positions, recording.parts.d_model),
            (1 + int((plan.need[wanted] == Positions.ALL).sum()), 1 + int(wanted.sum())),
        )
        with torch.no_grad():
            self.deltas.put(
                0,
                (recording.clean.embedding - recording.corrupted.embedding)[:, None],
                Positions.ALL,
            )
        self._positions[0] = Positions.ALL
        self.update(kept, is_open)

    def update(
        self,
        kept: Kept,
        is_open: NDArray[np.bool_],
        demand: NDArray[np.uint8] | Bits | None = None,
        neurons: Mapping[int, Tensor] | None = None,
    ) -> None:
        """Bring every needed cell up to a new circuit.

        Args:
            kept, is_open: the new circuit.
            demand: [source], where sources are to be computed although the metric does not need
                them there.
            neurons: which are kept of the MLPs that are narrowed; None: the same as before.
        """
        narrowed = [] if neurons is None else self.narrowed.differing(neurons)
        plan = self._plan(kept, is_open, demand)
        edited = self._edited(
            kept, is_open, plan, [self.graph.mlp_destination(layer) for layer in narrowed]
        )
        before, kept_before = (self.kept, self.mask, self.is_open), self.narrowed.kept
        self.kept, self.is_open = kept.copy(), is_open.copy()
        self.mask = is_kept(self.kept)
        if neurons is not None:
            self.narrowed.kept = dict(neurons)
        try:
            with torch.no_grad():
                self._recompute(plan, edited)
        except BaseException:
            # Some cells may already be of the new circuit. Forget them all rather than mix two
            # circuits.
            (self.kept, self.mask, self.is_open), self.narrowed.kept = before, kept_before
            self._forget()
            raise

    def _plan(
        self, kept: Kept, is_open: NDArray[np.bool_], demand: NDArray[np.uint8] | Bits | None
    ) -> Plan:
        return make_plan(self.graph, kept, is_open, demand)

    def _edited(
        self, kept: Kept, is_open: NDArray[np.bool_], plan: Plan, narrowed: Sequence[int]
    ) -> NDArray[Any]:
        """Which destinations' inputs a new circuit changes directly, bool [destination].

        Args:
            plan: of the new circuit.
            narrowed: those of the MLPs of which other neurons are kept.
        """
        edited = differing_columns(kept, self.kept) | (is_open != self.is_open)
        edited[narrowed] = True
        return edited

    def _forget(self) -> None:
        """No cell is up to date but what the embedding adds."""
        self._positions[1:] = Positions.NONE
        self._heads_in.clear()
        self.deltas.clear()

    def _roles(self) -> NDArray[np.int64]:
        """The role of each position, [pair, position]."""
        assert self.recording.role_of is not None
        return self.recording.role_of

    def _recompute(self, plan: Plan, edited: NDArray[Any]) -> None:
        graph, table = self.graph, tables(self.graph)
        changed = np.zeros(graph.n_sources, dtype=bool)
        dirty = edited.copy()
        stale = self._positions < np.where(plan.live, plan.need, Positions.NONE)
        visited = np.zeros(len(self._stages), dtype=bool)
        visited[table.stage_of_input[dirty]] = True
        visited[table.stage_of_source[stale]] = True
        many = np.count_nonzero(edited) > graph.destinations_per_layer
        worth_it = many and self.deltas.adds_up
        carry, ahead = Carry(self.deltas), 0 if worth_it else graph.n_layers + 1
        for number, stage in enumerate(self._stages):
            if not visited[number]:
                continue
            columns = stage.columns
            if stage.kind == "heads":
                if stage.layer >= ahead:
                    wanted = edited & (plan.need_in == Positions.ALL) & ~self.is_open
                    ahead = look_ahead(carry, stage, self.mask, self._positions, wanted)
                self._heads(stage, plan, dirty[columns], changed, carry)
            elif stage.kind == "mlp":
                self._mlp(stage, plan, bool(dirty[columns.start]), changed, carry)
            elif dirty[columns.start]:
                self.final = self.inputs(np.array([columns.start]), Positions.LAST, carry)[0][
                    :, 0, 0
                ]
            rows = stage.rows.start + np.flatnonzero(changed[stage.rows])
            if rows.size:
                touched = self.mask[rows].any(axis=0) & ~self.is_open
                dirty |= touched
                visited[table.stage_of_input[touched]] = True

    def _outdated(self, source: int, plan: Plan, dirty: bool, changed: NDArray[np.bool_]) -> bool:
        """Whether to compute a source now; forgets it if it is out of date and not needed."""
        wanted = int(plan.need[source]) if plan.live[source] else Positions.NONE
        if not dirty and self._positions[source] >= wanted:
            return False
        changed[source] = True
        if wanted == Positions.NONE:
            self.deltas.drop(source)
            self._positions[source] = Positions.NONE
            self._z.pop(source, None)
        return wanted > Positions.NONE

    def _heads(
        self,
        stage: Stage,
        plan: Plan,
        dirty: NDArray[np.bool_],
        changed: NDArray[np.bool_],
        carry: Carry,
    ) -> None:
        graph, layer, n_heads = self.graph, stage.layer, self.graph.n_heads
        by_head = np.any(dirty.reshape(3, n_heads), axis=0)
        for column in np.flatnonzero(dirty):
            self._heads_in.pop(stage.columns.start + int(column), None)
        todo: dict[int, list[int]] = {Positions.LAST: [], Positions.ALL: []}
        for head in range(n_heads):
            source = graph.head_source(layer, head)
            if self._outdated(source, plan, bool(by_head[head]), changed):
                todo[int(plan.need[source])].append(head)
        if not (todo[Positions.LAST] or todo[Positions.ALL]):
            return
        self._project(stage, plan, todo, carry)
        for positions, heads in todo.items():
            if heads:
                self._write_heads(layer, heads, positions)
                self._positions[[graph.head_source(layer, head) for head in heads]] = positions
        for head in todo[Positions.ALL] if self._nonzero.useful else ():
            columns = (graph.head_destination(layer, which, head) for which in range(3))
            rows = (self._rows_into(column, stage.parents) for column in columns)
            self._nonzero.set_head(graph.head_source(layer, head), *rows)

    def _project(self, stage: Stage, plan: Plan, todo: dict[int, list[int]], carry: Carry) -> None:
        """Compute the missing q, k and v of the heads to be computed."""
        layer, graph = stage.layer, self.graph
        # -> (which, head)
        missing: dict[int, list[tuple[int, int]]] = {Positions.LAST: [], Positions.ALL: []}
        for positions, heads in todo.items():
            for head in heads:
                for which in range(3):
                    column = graph.head_destination(layer, which, head)
                    asked = positions if which == Q else Positions.ALL
                    if not self._is_computed(column, stage.parents, plan):
                        self._heads_in.pop(column, None)
                        continue
                    known = self._heads_in.get(column)
                    rows = 1 if asked == Positions.LAST else self.recording.n_positions
                    if known is None or known.shape[2] < rows:
                        missing[asked].append((which, head))
        for positions, entries in missing.items():
            if not entries:
                continue
            columns = np.array([graph.head_destination(layer, *entry) for entry in entries])
            x, index = self.unique_inputs(columns, positions, carry)
            projected = project_entries(self.recording, layer, entries, x, index)
            for column, value in zip(columns, projected, strict=True):
                self._heads_in[int(column)] = value

    def _is_computed(self, column: int, parents: int, plan: Plan) -> bool:
        """Whether a destination's input is neither the clean nor the corrupted run's own."""
        return not self.is_open[column] and bool(
            (self.mask[:parents, column] & plan.live[:parents]).any()
        )

    def head_input(self, layer: int, which: int, head: int, positions: int) -> Tensor:
        """q, k or v of a head as the circuit has it, [pair, 1, position, d_head].

        The head has to be up to date at these positions (`update`'s plan or demand).
        """
        column = self.graph.head_destination(layer, which, head)
        if column in self._heads_in:
            return at_positions(self._heads_in[column], positions)
        run = self.recording.clean if self.is_open[column] else self.recording.corrupted
        return recorded_input(self.recording, run.layers[layer], which, head, positions)

    def _values(self, layer: int, heads: list[int], positions: int) -> Tensor:
        """What heads make of their inputs before W_O, [head, pair, 1, position or 1, d_head]."""
        recording, graph = self.recording, self.graph
        index = kept_index(tuple(heads), recording.parts.device)
        clean = [
            all(self.is_open[graph.head_destination(layer, which, head)] for which in range(3))
            for head in heads
        ]
        if all(clean):
            return at_positions(recording.clean.layers[layer].z[index], positions)[:, :, None]
        q, k, v = (
            torch.stack(
                [
                    self.head_input(layer, which, h, positions if which == Q else Positions.ALL)
                    for h in heads
                ]
            )
            for which in range(3)
        )
        return head_values(recording, layer, heads, q, k, v)

    def _write_heads(self, layer: int, heads: list[int], positions: int) -> None:
        recording, graph = self.recording, self.graph
        index = kept_index(tuple(heads), recording.parts.device)
        corrupted = at_positions(recording.corrupted.layers[layer].z[index], positions)[:, :, None]
        z = self._values(layer, heads, positions)
        sources = [graph.head_source(layer, head) for head in heads]
        self._z.update(zip(sources, z, strict=True))
        place = self.deltas.place_for(sources, positions)
        added = head_outputs(recording, layer, heads, z - corrupted, place)
        if place is not None:
            self.deltas.put_in_place(sources, positions)
            return
        for source, value in zip(sources, added, strict=True):
            self.deltas.put(source, value, positions)

    def _mlp(
        self, stage: Stage, plan: Plan, dirty: bool, changed: NDArray[np.bool_], carry: Carry
    ) -> None:
        source = self.graph.mlp_source(stage.layer)
        if not self._outdated(source, plan, dirty, changed):
            return
        positions, recording = int(plan.need[source]), self.recording
        if self.is_open[stage.columns.start] and stage.layer not in self.narrowed.kept:
            out = at_positions(recording.clean.layers[stage.layer].mlp_out, positions)[:, None]
        else:
            x = self.inputs(np.array([stage.columns.start]), positions, carry)[0]
            everywhere = positions == Positions.ALL
            rows = self._rows_into(stage.columns.start, stage.parents) if everywhere else None
            out = self.narrowed.run(stage.layer, x, rows=as_indices(rows, x.device))
        corrupted = at_positions(recording.corrupted.layers[stage.layer].mlp_out, positions)[
            :, None
        ]
        self.deltas.put(source, out - corrupted, positions)
        self._positions[source] = positions
        if positions == Positions.ALL:
            self._nonzero.set_mlp(source, self._rows_into(stage.columns.start, stage.parents))

    def _rows_into(self, column: int, parents: int) -> Rows | None:
        """Where the input of a destination differs from the corrupted run's."""
        if not self._nonzero.useful:
            return None
        feeding = np.flatnonzero(self.mask[:parents, column] & (self._positions[:parents] > 0))
        return self._nonzero.into(feeding.tolist(), is_open=bool(self.is_open[column]))

    def inputs(
        self, columns: NDArray[np.int64], positions: int, carry: Carry | None = None
    ) -> Tensor:
        """Inputs of destinations of one stage, [destination, pair, 1, position or 1, d_model].

        An open destination's input is the clean residual; otherwise the corrupted residual plus
        what the kept sources add, which have to be up to date at these positions.
        """
        unique, index = self.unique_inputs(columns, positions, carry)
        return unique[uploaded(index, unique.device)] if len(columns) > 1 else unique

    def unique_inputs(
        self, columns: NDArray[np.int64], positions: int, carry: Carry | None = None
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """As `inputs`, without repetition: the different inputs, and which each destination has."""
        clean, corrupted = residuals(self.graph, self.recording, int(columns[0]), positions)
        chosen, is_open, index = self._different(columns, positions)
        x = (carry or Carry(self.deltas)).onto(corrupted, chosen, positions)
        if x is None:
            x = corrupted.expand(len(chosen), *corrupted.shape)
        if is_open.any():
            x = x.clone()
            x[uploaded(np.flatnonzero(is_open), x.device)] = clean
        return x, index

    def _different(
        self, columns: NDArray[np.int64], positions: int
    ) -> tuple[Kept, NDArray[np.bool_], NDArray[np.int64]]:
        """The different inputs of destinations: their sources, and whether they are open.

        Returns:
            [input, source], [input], and [destination], which input each has.
        """
        parents = self.graph.n_parents(int(columns[0]))
        live = self._positions[:parents] >= positions
        chosen = (self.kept[:parents, columns] * live[:, None].astype(self.kept.dtype)).T
        keys: dict[tuple[bool, bytes], int] = {}
        index = np.empty(len(columns), dtype=np.int64)
        firsts = []
        for i, column in enumerate(columns):
            key = (bool(self.is_open[column]), chosen[i].tobytes())
            if key not in keys:
                firsts.append(i)
            index[i] = keys.setdefault(key, len(keys))
        return chosen[firsts], np.array([key[0] for key in keys]), index

    def head_value(self, source: int, positions: int) -> Tensor:
        """A head's value before W_O as the circuit has it, [pair, 1, position or 1, d_head]."""
        if source in self._z:
            return at_positions(self._z[source], positions)
        node = self.graph.node_table[source]
        return at_positions(self.recording.corrupted.layers[node.layer].z[node.head], positions)[
            :, None
        ]

    def mlp_value(self, layer: int, positions: int) -> Tensor:
        """An MLP's output as the circuit has it, [pair, 1, position or 1, d_model]."""
        corrupted = at_positions(self.recording.corrupted.layers[layer].mlp_out, positions)[:, None]
        delta = self.delta(self.graph.mlp_source(layer), positions)
        return corrupted if delta is None else corrupted + delta

    def attention_sum(self, layer: int, column: int, positions: int) -> Tensor:
        """What a destination sees of a layer's heads before the norm that follows them.

        Returns:
            [pair, 1, position or 1, d_model], the output bias included.
        """
        run = self.recording.clean if self.is_open[column] else self.recording.corrupted
        total = summed(run, layer, positions)
        for head in self.graph.head_sources(layer):
            if self.mask[head, column] and (delta := self.delta(head, positions)) is not None:
                total = total + carried(delta, self.kept[head, column], self.recording.role_of)
        return total

    def final_residual(self) -> Tensor:
        """The residual before the last norm, at the last position."""
        return self.final

    def live_in(self, changes: Sequence[Alternative]) -> NDArray[np.bool_] | None:
        """Which sources are live in each alternative, bool [source, alternative].

        Where edges are told apart by roles, and where: [source, alternative, pair, position]. None
        where a source that is not live computes what it writes in the corrupted run anyway.
        """
        if not self.recording.constants:
            return None
        if has_roles(self.kept) or any(change.roles for change in changes):
            kept = as_bits(self.kept)
            return live_positions_in(self.graph, kept, self.is_open, changes, self._roles())
        return live_in(self.graph, self.mask, self.is_open, changes)

    def delta(self, source: int, positions: int) -> Tensor | None:
        """What a source adds, [pair, 1, position or 1, d_model]; None if it is nothing."""
        return self.deltas.get(source, positions) if self._positions[source] >= positions else None

    def tensors(self) -> Iterator[Tensor]:
        """All that the sheet holds of its own."""
        yield from self.deltas.tensors()
        yield from self._heads_in.values()
        yield from self._z.values()
        yield from self.narrowed.tensors()
