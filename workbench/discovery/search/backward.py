"""A circuit that a search prunes from the logits backward, destination by destination.

While the search is at a destination everything above it is still whole, so the destinations not
yet visited are *open* in the sense of `Circuit`: their input is the clean residual, their nodes
write what they write in the clean run, and nothing of that is ever computed again. Below, the
circuit is already pruned. So what the search asks again and again, the metric for many choices of
the sources kept at one destination, costs that destination's node and what hangs on it in the
pruned circuit, all choices in one batch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.engine.alternatives import AlternativeRuns
from workbench.engine.budget import alternative_rows, row_bytes, what_if_bytes
from workbench.engine.kept_edges import WHOLE, Kept, has_roles
from workbench.engine.plan import Plan, Positions, make_plan
from workbench.engine.post_norm import has_post_norms
from workbench.engine.reach import Alternative, Reach
from workbench.engine.recorded_residuals import residuals
from workbench.engine.role_layout import RoleLayout
from workbench.engine.role_run import RoleRun
from workbench.experiment.experiment import Experiment


class Backward:
    """The full circuit, to be pruned from the logits to the first layer.

    Args:
        layout: where the roles stand, if edges are told apart by them.

    Attributes:
        kept: [source, destination], the edges that are left into the destinations visited.
        is_open: bool [destination], those not visited yet: they have all their edges.

    Glossary: docs/glossary.md#backward.
    """

    def __init__(self, experiment: Experiment, layout: RoleLayout | None = None) -> None:
        self.graph = graph = experiment.graph
        self._layout = layout
        self.kept: Kept = np.zeros(
            (graph.n_sources, graph.n_destinations), dtype=bool if layout is None else np.uint64
        )
        self.is_open = np.ones(graph.n_destinations, dtype=bool)
        self._experiment = experiment
        self._sheets = [RoleRun(graph, r, self.kept, self.is_open) for r in experiment.recordings]
        self._plan: Plan | None = None
        self._column = -1
        self._inputs: list[Tensor] = []  # of the destination visited, as it is now, by group

    def positions(self, column: int) -> np.uint64:
        """Where a destination is read by what is left below it, as bits; by role only."""
        if self._layout is None:
            return WHOLE
        closed = self.is_open.copy()
        closed[column] = False
        need_in = make_plan(self.graph, self.kept, closed, layout=self._layout).need_in_at
        assert need_in is not None
        return np.uint64(need_in[column])

    def visit(self, column: int, kept: Kept) -> None:
        """Make ready for trials at a destination, and close it with these edges kept.

        What its sources add is brought up to date, which is done only once for each.

        Args:
            kept: [source], the first so many.
        """
        wider, wider_open = self.kept.copy(), self.is_open.copy()
        wider[: len(kept), column] = kept
        wider_open[column] = False
        plan = make_plan(self.graph, wider, wider_open, layout=self._layout)
        for sheet in self._sheets:
            sheet.update(self.kept, self.is_open, plan.demand)
        self.kept, self.is_open = wider, wider_open
        self._column, self._plan = column, plan
        self._inputs = [
            residuals(self.graph, sheet.recording, column, self._positions)[0]
            for sheet in self._sheets
        ]

    @property
    def _positions(self) -> int:
        assert self._plan is not None
        return int(self._plan.need_in[self._column])

    def room(self) -> int:
        """How many trials at the destination visited make a batch that fits the memory."""
        assert self._plan is not None
        one = Alternative((), closed=(self._column,))
        reach = Reach(self.graph, self._sheets[0].kept, self._plan, [one])
        need = self._plan.need[reach.sources[:, 0]]
        width = max(int(reach.destinations[stage.columns].sum()) for stage in reach.stages)
        at_all, at_last = int((need == Positions.ALL).sum()), int((need == Positions.LAST).sum())
        rows = alternative_rows(at_all, at_last, width, tail=reach.tail < len(reach.stages) - 1)
        budget = what_if_bytes(self._experiment.parts.device.type)
        return max(1, int(budget // (rows * row_bytes(self._experiment))))

    def trials(self, dropped: Kept) -> NDArray[np.float64]:
        """The mean metric without several choices of edges into the destination visited.

        Args:
            dropped: [trial, source], of the edges that are left.
        """
        assert self._plan is not None
        kept = self.kept[: dropped.shape[1], self._column] & ~dropped
        values = []
        with torch.no_grad():
            for sheet, x, metric in zip(
                self._sheets, self._inputs, self._experiment.metrics, strict=True
            ):
                inputs = self._without(sheet, x, dropped)
                spread = _Trials(sheet, self._plan, self._column, inputs, kept)
                values.append(metric.of_residual(spread.final()))
        return self._experiment.in_order(values).mean(axis=0)

    def drop(self, dropped: Kept) -> None:
        """Drop edges from these sources, [source], into the destination visited."""
        if not dropped.any():
            return
        with torch.no_grad():
            self._inputs = [
                self._without(sheet, x, dropped[None])[0]
                for sheet, x in zip(self._sheets, self._inputs, strict=True)
            ]
        self.kept[: len(dropped), self._column] &= ~dropped

    def skip(self, column: int) -> None:
        """Drop all edges into a destination whose node nothing reads."""
        self.is_open[column] = False

    def _without(self, sheet: RoleRun, x: Tensor, dropped: Kept) -> Tensor:
        """The destination's input, now x [pair, 1, position or 1, d_model], without some sources.

        Args:
            dropped: [trial, source].

        Returns:
            [trial, pair, 1, position or 1, d_model].
        """
        if has_post_norms(sheet.recording):  # where a source's part depends on the others
            kept = self.kept[: dropped.shape[1], self._column] & ~dropped
            _, corrupted = residuals(self.graph, sheet.recording, self._column, self._positions)
            added = sheet.deltas.sum(kept, self._positions)
            return corrupted.expand(len(dropped), *x.shape) if added is None else corrupted + added
        taken = sheet.deltas.sum(dropped, self._positions)
        return x.expand(len(dropped), *x.shape) if taken is None else x - taken


class _Trials(AlternativeRuns):
    """Alternatives of what one destination reads.

    Args:
        base: the destination is open in it.
        inputs: [alternative, pair, 1, position or 1, d_model].
        kept: [alternative, source], from which edges they are made.
    """

    def __init__(self, base: RoleRun, plan: Plan, column: int, inputs: Tensor, kept: Kept) -> None:
        super().__init__(base, plan, [Alternative((), closed=(column,))] * len(inputs))
        self._new = inputs[:, :, 0].transpose(0, 1)
        if self._live is not None:
            self._live = base.live_in([_fed_by(column, row) for row in kept])

    def _change(self, x: Tensor, column: int, positions: int, which: NDArray[np.int64]) -> None:
        x.copy_(self._new)


def _fed_by(column: int, kept: Kept) -> Alternative:
    """A destination, open before, that has these edges, [source]."""
    sources = np.flatnonzero(kept)
    return Alternative(
        tuple((int(source), column, 1) for source in sources),
        closed=(column,),
        roles=tuple(kept[sources]) if has_roles(kept) else (),
    )
