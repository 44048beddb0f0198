"""The value of a circuit with edges at roles: cells of which single rows are computed.

A row is a position of a pair. A cell is up to date at some positions, and elsewhere it is what it
is in the corrupted run, which is right wherever nothing clean reaches it. So what an edit changes
at one role is computed at that role alone, and from there where a key or a value is looked back at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import kept_index, uploaded
from workbench.circuits.graph import HEAD_INPUTS, Graph, Stage
from workbench.engine.carry import Carry
from workbench.engine.incremental import IncrementalRun
from workbench.engine.kept_edges import (
    NOTHING,
    WHOLE,
    Bits,
    Kept,
    as_bits,
    differing_columns,
    has_roles,
)
from workbench.engine.live_positions import live_positions
from workbench.engine.node_math import (
    at_positions,
    head_outputs,
    project_entries,
    recorded_input,
)
from workbench.engine.plan import Plan, Positions, make_plan
from workbench.engine.recorded_residuals import residuals
from workbench.engine.role_layout import LAST, RoleLayout
from workbench.engine.role_rows import MOST, flat_rows, rows_at, some_rows
from workbench.transformer.attention import Q
from workbench.transformer.recording import Recording


class RoleRun(IncrementalRun):
    """The cells of a circuit for one group, row by row once edges are told apart by roles.

    Until then they are those of an `IncrementalRun`; from then on for good `kept` has roles.

    Glossary: docs/glossary.md#cells, docs/glossary.md#incremental-run.
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
        # At which positions sources and the heads' q, k and v are up to date, as bits.
        self._at = np.zeros(graph.n_sources, dtype=np.uint64)
        self._in_at = np.zeros(graph.n_destinations, dtype=np.uint64)
        self._at[0] = WHOLE
        self._layout: RoleLayout | None = None
        # With constants, where a source can be anything else.
        self._alive: NDArray[np.bool_] | None = None
        self._rows: dict[int, Tensor] = {}
        super().__init__(graph, recording, kept, is_open, neurons)

    def update(
        self,
        kept: Kept,
        is_open: NDArray[np.bool_],
        demand: NDArray[np.uint8] | Bits | None = None,
        neurons: Mapping[int, Tensor] | None = None,
    ) -> None:
        """As of `IncrementalRun`; `demand` may be bits of positions."""
        if self._layout is not None or has_roles(kept):
            kept = as_bits(kept)
            self._tell_roles_apart()
        super().update(kept, is_open, demand, neurons)

    def _tell_roles_apart(self) -> None:
        """From now on cells may be up to date at some positions only."""
        if self._layout is not None:
            return
        self._layout = layout = RoleLayout.of_rows(self._roles())
        self._at[1:][self._positions[1:] == Positions.ALL] = WHOLE
        self._at[1:][self._positions[1:] == Positions.LAST] = LAST
        for column, value in self._heads_in.items():
            # Rows are replaced in place from now on.
            self._heads_in[column] = value.contiguous()
            whole = value.shape[2] == self.recording.n_positions
            self._in_at[column] = layout.everywhere if whole else LAST
        self._z = {source: value.contiguous() for source, value in self._z.items()}

    def _forget(self) -> None:
        super()._forget()
        self._at[1:] = NOTHING
        self._in_at[:] = NOTHING

    def _plan(
        self, kept: Kept, is_open: NDArray[np.bool_], demand: NDArray[np.uint8] | Bits | None
    ) -> Plan:
        return make_plan(self.graph, kept, is_open, demand, self._layout)

    def _edited(
        self, kept: Kept, is_open: NDArray[np.bool_], plan: Plan, narrowed: Sequence[int]
    ) -> NDArray[Any]:
        """The same at which positions, as bits [destination].

        An edge is edited where its source adds something, or did.
        """
        if self._layout is None or plan.live_at is None:
            return super()._edited(kept, is_open, plan, narrowed)
        layout, before = self._layout, as_bits(self.kept)
        edited = np.zeros(self.graph.n_destinations, dtype=np.uint64)
        columns = np.flatnonzero(differing_columns(kept, before))
        if columns.size:
            differing = as_bits(kept)[:, columns] ^ before[:, columns]
            sources = np.flatnonzero(differing.any(axis=1))
            adding = (plan.live_at[sources] | self._at[sources]) & layout.everywhere
            at = layout.positions(differing[sources]) & adding[:, None]
            edited[columns] = np.bitwise_or.reduce(at, axis=0)
        edited[is_open != self.is_open] = layout.everywhere
        edited[list(narrowed)] = layout.everywhere
        return edited

    def _recompute(self, plan: Plan, edited: NDArray[Any]) -> None:
        if self._layout is None or plan.need_at is None:
            super()._recompute(plan, edited)
            return
        layout, kept = self._layout, as_bits(self.kept)
        if self.recording.constants:
            self._alive = live_positions(self.graph, kept, self.is_open, self._roles())
        wanted = np.where(plan.need_at & layout.everywhere, plan.need_at, NOTHING)
        changed = np.zeros(self.graph.n_sources, dtype=np.uint64)
        carry = Carry(self.deltas)
        for stage in self._stages:
            columns, rows = stage.columns, stage.rows
            dirty = edited[columns].copy()
            above = np.flatnonzero(changed[: stage.parents])
            if above.size:
                read = layout.positions(kept[above, columns]) & changed[above, None]
                closed = np.where(self.is_open[columns], NOTHING, WHOLE)
                dirty |= np.bitwise_or.reduce(read, axis=0) & closed
            if stage.kind == "logits":
                if dirty[0] & LAST:
                    column = np.array([columns.start])
                    self.final = self.inputs(column, Positions.LAST, carry)[0][:, 0, 0]
            elif dirty.any() or (wanted[rows] & ~self._at[rows]).any():
                if stage.kind == "heads":
                    self._head_rows(stage, plan, wanted, dirty, changed, carry)
                else:
                    self._mlp_rows(stage, plan, wanted, dirty, changed, carry)

    def _rows_of(self, positions: np.uint64) -> Tensor:
        """The rows of the flattened [pair, position] at these positions."""
        key = int(positions)
        if key not in self._rows:
            rows = rows_at(self._roles(), positions)
            self._rows[key] = uploaded(rows, self.recording.clean.final.device)
        return self._rows[key]

    def _missing(
        self,
        source: int,
        plan: Plan,
        wanted: np.uint64,
        dirty: np.uint64,
        changed: Bits,
    ) -> np.uint64:
        """Where to compute a source now, as bits; what is out of date is forgotten.

        Args:
            wanted: where it is to be up to date.
            dirty: where what it reads has changed.
        """
        need, held = int(plan.need[source]), int(self._positions[source])
        lost = self._at[source] & dirty
        self._at[source] &= ~dirty
        if wanted == NOTHING:
            if held and (dirty or held < need):
                changed[source] |= dirty | self._at[source]
                self.deltas.drop(source)
                self._positions[source], self._at[source] = Positions.NONE, NOTHING
                self._z.pop(source, None)
            return NOTHING
        missing = wanted if held < need else wanted & ~self._at[source]
        changed[source] |= dirty | missing
        if held == Positions.ALL:
            self._reset(source, lost & ~missing)
        return np.uint64(missing)

    def _reset(self, source: int, positions: np.uint64) -> None:
        """Let a source add nothing at these positions."""
        if positions == NOTHING:
            return
        rows = self._rows_of(positions)
        self.deltas.put_rows(source, rows, 0.0)
        if source in self._z:
            node = self.graph.node_table[source]
            z = self.recording.corrupted.layers[node.layer].z[node.head]
            flat_rows(self._z[source])[rows] = some_rows(z, rows)

    def _lay_out(self, source: int) -> None:
        """Make room for what a source adds at all positions: nothing yet."""
        if self._positions[source] == Positions.ALL:
            return
        self.deltas.put_nothing(source)
        self._positions[source] = Positions.ALL
        node = self.graph.node_table[source]
        if node.kind == "head":
            z = self.recording.corrupted.layers[node.layer].z[node.head]
            self._z[source] = z[:, None].clone(memory_format=torch.contiguous_format)

    def _head_index(self, heads: Sequence[int]) -> Tensor:
        return kept_index(tuple(heads), self.recording.clean.final.device)

    def _dead(self, source: int, rows: Tensor | None) -> Tensor | None:
        """Where a source writes its constant, bool [row, 1]; of the last position without rows."""
        if self._alive is None or self._alive[source].all():
            return None
        dead = uploaded(~self._alive[source], self.recording.clean.final.device)
        return (dead[:, -1] if rows is None else dead.reshape(-1)[rows])[:, None]

    def _mlp_rows(
        self,
        stage: Stage,
        plan: Plan,
        wanted: Bits,
        dirty: Bits,
        changed: Bits,
        carry: Carry,
    ) -> None:
        source = self.graph.mlp_source(stage.layer)
        missing = self._missing(source, plan, wanted[source], dirty[0], changed)
        if missing == NOTHING:
            return
        corrupted = self.recording.corrupted.layers[stage.layer].mlp_out
        if plan.need[source] == Positions.LAST:
            out = self._mlp_out(stage, None, carry) - corrupted[:, -1]
            if (dead := self._dead(source, None)) is not None:
                out = out.masked_fill(dead, 0)
            self.deltas.put(source, out[:, None, None], Positions.LAST)
            self._positions[source], self._at[source] = Positions.LAST, LAST
            return
        rows = self._rows_of(missing)
        out = self._mlp_out(stage, rows, carry) - some_rows(corrupted, rows)
        if (dead := self._dead(source, rows)) is not None:
            out = out.masked_fill(dead, 0)
        self._lay_out(source)
        self.deltas.put_rows(source, rows, out)
        self._at[source] |= missing

    def _mlp_out(self, stage: Stage, rows: Tensor | None, carry: Carry) -> Tensor:
        """What an MLP writes in some rows, [row, d_model]; None: at the last positions."""
        layer, column = stage.layer, np.array([stage.columns.start])
        part = self.recording.parts.layers[layer]
        if self.is_open[column[0]] and layer not in self.narrowed.kept:
            clean = self.recording.clean.layers[layer].mlp_out
            return clean[:, -1] if rows is None else some_rows(clean, rows)
        if rows is None:
            x = self.inputs(column, Positions.LAST, carry)[0]
            return self.narrowed.run(layer, x)[:, 0, 0]
        if layer in self.narrowed.kept or not part.is_plain:
            x = self.inputs(column, Positions.ALL, carry)[0]
            return some_rows(self.narrowed.run(layer, x), rows)
        return part.run_mlp(self._inputs_at(column, rows, carry)[0])[0]

    def _inputs_at(
        self, columns: NDArray[np.int64], rows: Tensor, carry: Carry
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """As `unique_inputs` in some rows, [input, 1, row, d_model]."""
        n_rows = self.recording.n_pairs * self.recording.n_positions
        if len(rows) > MOST * n_rows:
            x, index = self.unique_inputs(columns, Positions.ALL, carry)
            return x.flatten(1, 3)[:, None, rows], index
        clean, corrupted = (
            some_rows(run, rows)
            for run in residuals(self.graph, self.recording, int(columns[0]), Positions.ALL)
        )
        chosen, is_open, index = self._different(columns, Positions.ALL)
        total = self.deltas.sum(chosen, Positions.ALL, rows)
        if total is None:
            x = corrupted.expand(len(chosen), *corrupted.shape).clone()
        else:
            x = corrupted + total
        if is_open.any():
            x[uploaded(np.flatnonzero(is_open), x.device)] = clean
        return x[:, None], index

    def _head_rows(
        self,
        stage: Stage,
        plan: Plan,
        wanted: Bits,
        dirty: Bits,
        changed: Bits,
        carry: Carry,
    ) -> None:
        graph, layer, n_heads = self.graph, stage.layer, self.graph.n_heads
        assert self._layout is not None
        q, k, v = dirty.reshape(3, n_heads)
        by_head = q | self._layout.after(k | v)
        for place in np.flatnonzero(dirty):
            self._forget_input(stage.columns.start + int(place), dirty[place])
        todo: dict[int, dict[int, np.uint64]] = {Positions.LAST: {}, Positions.ALL: {}}
        for head in range(n_heads):
            source = graph.head_source(layer, head)
            missing = self._missing(source, plan, wanted[source], by_head[head], changed)
            if missing:
                todo[int(plan.need[source])][head] = missing
        if not (todo[Positions.LAST] or todo[Positions.ALL]):
            return
        self._project_rows(stage, plan, todo, carry)
        if todo[Positions.LAST]:
            self._write_last(layer, list(todo[Positions.LAST]))
        if todo[Positions.ALL]:
            self._write_rows(layer, todo[Positions.ALL])

    def _forget_input(self, column: int, dirty: np.uint64) -> None:
        """Let q, k or v be the corrupted run's own where it is out of date."""
        lost = self._in_at[column] & dirty
        self._in_at[column] &= ~dirty
        if self._in_at[column] == NOTHING:
            self._heads_in.pop(column, None)
        elif lost:
            rows = self._rows_of(lost)
            flat_rows(self._heads_in[column])[rows] = some_rows(self._recorded(column), rows)

    def _recorded(self, column: int) -> Tensor:
        """The corrupted run's q, k or v, [pair, 1, position, d_head]."""
        destination = self.graph.destination_table[column]
        node, entry = destination.node, destination.input
        assert node.head is not None and entry is not None
        record, which = self.recording.corrupted.layers[node.layer], HEAD_INPUTS.index(entry)
        return recorded_input(self.recording, record, which, node.head, Positions.ALL)

    def _project_rows(
        self, stage: Stage, plan: Plan, todo: dict[int, dict[int, np.uint64]], carry: Carry
    ) -> None:
        """Compute the missing rows of q, k and v of the heads to be computed."""
        assert plan.need_in_at is not None and plan.live_in_at is not None
        missing: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for positions, heads in todo.items():
            for head in heads:
                for which in range(3):
                    column = self.graph.head_destination(stage.layer, which, head)
                    asked = positions if which == Q else Positions.ALL
                    known = self._heads_in.get(column)
                    if self.is_open[column] or plan.live_in_at[column] == NOTHING:
                        continue
                    at = plan.need_in_at[column] & plan.live_in_at[column]
                    if asked == Positions.ALL and known is not None and known.shape[2] == 1:
                        self._forget_input(column, WHOLE)
                    if at := at & ~self._in_at[column]:
                        missing[asked, int(at)].append((which, head))
        for (positions, at), entries in missing.items():
            self._fill(stage.layer, entries, positions, np.uint64(at), carry)

    def _fill(
        self,
        layer: int,
        entries: list[tuple[int, int]],
        positions: int,
        at: np.uint64,
        carry: Carry,
    ) -> None:
        """Compute q, k or v of these (which, head) at some positions."""
        recording, part = self.recording, self.recording.parts.layers[layer]
        columns = np.array([self.graph.head_destination(layer, *entry) for entry in entries])
        rows = places = None
        if positions == Positions.LAST:
            x, index = self.unique_inputs(columns, positions, carry)
            normed = part.norm1(x)
        else:
            rows = self._rows_of(at)
            places = rows % recording.n_positions
            if part.copies is None:
                x, index = self._inputs_at(columns, rows, carry)
                normed = part.norm1(x)[:, None]
            else:  # where an intervention on edges is, a norm is not the same everywhere
                x, index = self.unique_inputs(columns, positions, carry)
                normed = part.norm1(x).flatten(1, 3)[:, None, None, rows]
        projected = project_entries(
            recording, layer, entries, normed, index, places, is_normed=True
        )
        for column, value in zip(columns.tolist(), projected, strict=True):
            known = self._heads_in.get(column)
            if rows is None and known is None:
                self._heads_in[column] = value.contiguous()
            elif rows is None:
                assert known is not None
                known[:, :, -1:] = value
            else:
                if known is None:
                    known = self._recorded(column).clone(memory_format=torch.contiguous_format)
                    self._heads_in[column] = known
                flat_rows(known)[rows] = value[0, 0]
            self._in_at[column] |= at

    def _write_last(self, layer: int, heads: list[int]) -> None:
        """What heads write at the last position, where alone they are needed."""
        z = self._values(layer, heads, Positions.LAST)
        corrupted = at_positions(
            self.recording.corrupted.layers[layer].z[self._head_index(heads)], Positions.LAST
        )
        for i, head in enumerate(heads):
            dead = self._dead(self.graph.head_source(layer, head), None)
            if dead is not None:
                z[i] = torch.where(dead[:, None, None], corrupted[i][:, None], z[i])
        added = head_outputs(self.recording, layer, heads, z - corrupted[:, :, None])
        for i, head in enumerate(heads):
            source = self.graph.head_source(layer, head)
            self._z[source] = z[i].contiguous()
            self.deltas.put(source, added[i], Positions.LAST)
            self._positions[source], self._at[source] = Positions.LAST, LAST

    def _write_rows(self, layer: int, todo: Mapping[int, np.uint64]) -> None:
        """What heads write at the positions of each."""
        heads = list(todo)
        z = self._values(layer, heads, Positions.ALL).flatten(1, 3)
        groups: dict[int, list[int]] = defaultdict(list)
        for place, missing in enumerate(todo.values()):
            groups[int(missing)].append(place)
        for at, members in groups.items():
            rows, some = self._rows_of(np.uint64(at)), [heads[i] for i in members]
            recorded = self.recording.corrupted.layers[layer].z[self._head_index(some)]
            corrupted = recorded.flatten(1, 2)[:, rows]
            own = z[kept_index(tuple(members), z.device)][:, rows]
            for i, head in enumerate(some):
                dead = self._dead(self.graph.head_source(layer, head), rows)
                if dead is not None:
                    own[i] = torch.where(dead, corrupted[i], own[i])
            added = head_outputs(self.recording, layer, some, (own - corrupted)[:, None, None])
            for i, head in enumerate(some):
                source = self.graph.head_source(layer, head)
                self._lay_out(source)
                flat_rows(self._z[source])[rows] = own[i]
                self.deltas.put_rows(source, rows, added[i, 0, 0])
                self._at[source] |= np.uint64(at)
