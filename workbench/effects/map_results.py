"""A map of nodes' effects, layer by layer: plain values. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.base.table import Table
from workbench.circuits.graph import Graph
from workbench.effects.definitions import METRIC


@dataclass(frozen=True, eq=False)
class NodeMap:
    """Effects of all nodes on the metric, or through their edges into one node alone.

    Attributes:
        graph: the model's.
        into: `METRIC`, a node, whose inputs are then taken together, or one input of a head.
        estimates: [source], by attribution; None where the metric has no slope.
        exact: [source], NaN where not computed yet.
        reaches: [source], whether the node writes before `into` reads.
        ablation, run, metric_name: how it was measured.
        pair: a pair's number, or None for the mean over all.
    """

    graph: Graph
    into: str
    estimates: NDArray[np.float64] | None = field(repr=False)
    exact: NDArray[np.float64] = field(repr=False)
    reaches: NDArray[np.bool_] = field(repr=False)
    ablation: str
    run: str
    metric_name: str
    pair: int | None = None

    @property
    def values(self) -> NDArray[np.float64]:
        """[source]: exact where known, else the estimate; NaN where there is neither."""
        if self.estimates is None:
            return self.exact
        return np.where(np.isnan(self.exact), self.estimates, self.exact)

    @property
    def n_exact(self) -> int:
        """How many exact values there are."""
        return int((~np.isnan(self.exact)).sum())

    @property
    def complete(self) -> bool:
        """All that can be known is exact."""
        return self.n_exact == int(self.reaches.sum())

    @property
    def done(self) -> float:
        """Which share of the exact values is there."""
        return self.n_exact / max(1, int(self.reaches.sum()))

    @property
    def corner(self) -> str:
        """What the rows are."""
        return "layer"

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the map: the heads by number, then the MLP."""
        return (*(f"h{head}" for head in range(self.graph.n_heads)), "mlp")

    @property
    def rows(self) -> tuple[str, ...]:
        """Of the map: the layers from the last to the first, then the input."""
        return (*(str(layer) for layer in reversed(range(self.graph.n_layers))), "input")

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """[row, column], the source of each cell; -1 where there is none."""
        places = np.full((len(self.rows), len(self.columns)), -1, dtype=np.int64)
        for layer in range(self.graph.n_layers):
            row = places[self.graph.n_layers - 1 - layer]
            row[:-1] = list(self.graph.head_sources(layer))
            row[-1] = self.graph.mlp_source(layer)
        places[-1, 0] = 0
        return places

    def grid(self, values: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """[row, column] as `rows` and `columns` are; the input's value in the first column."""
        values = self.values if values is None else values
        return np.where(self._places < 0, np.nan, values[self._places])

    def estimated(self) -> NDArray[np.bool_]:
        """[row, column], what is no exact value."""
        return np.isnan(self.grid(self.exact))

    def node_at(self, row: int, column: int) -> str | None:
        """The node of a cell; None where there is none."""
        source = int(self._places[row, column])
        return None if source < 0 else self.graph.sources[source]

    def table_row(self, row: int, column: int) -> int | None:
        """Where in the table the node of a cell stands; None where there is none."""
        source = int(self._places[row, column])
        return None if source < 0 else source

    def ranked(self) -> list[tuple[str, float]]:
        """Nodes with a value, the largest |effect| first."""
        values = self.values
        known = [i for i in np.argsort(-np.abs(values), kind="stable") if values[i] == values[i]]
        return [(self.graph.sources[i], float(values[i])) for i in known]

    @property
    def promising(self) -> str:
        """The node of the largest estimate; without estimates, of the largest effect known."""
        values = self.exact if self.estimates is None else self.estimates
        sizes = np.abs(np.nan_to_num(values, nan=0.0))
        return self.graph.sources[int(np.argmax(sizes))]

    @property
    def title(self) -> str:
        """As a heading."""
        where = "" if self.into == METRIC else f" through {self.into} alone"
        return f"Effect of each node on {self.metric_name}{where}, {self.ablation}"

    @property
    def definition(self) -> str:
        """One sentence on what the numbers are."""
        what = (
            "all that it writes is ablated and everything later reacts"
            if self.into == METRIC
            else f"what {self.into} reads of it is ablated, its other readers left as they are"
        )
        return (
            f"Change of {self.metric_name} on the {self.run} prompts"
            f"{'' if self.pair is None else f' (pair {self.pair + 1} alone)'} when {what} "
            f"({self.ablation}); estimates by attribution patching, "
            "(ablated - clean) . gradient."
        )

    def table(self) -> Table:
        """Every node with its layer, estimate and exact effect."""
        estimates = self.estimates if self.estimates is not None else self.exact * np.nan
        rows = tuple(
            (
                node.name,
                *(None if node.layer < 0 else node.layer, node.head, node.kind),
                *(None if v != v else float(v) for v in (estimates[i], self.exact[i])),
            )
            for i, node in enumerate(self.graph.node_table[: self.graph.n_sources])
        )
        return Table(self.title, ("node", "layer", "head", "kind", "estimate", "exact"), rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        table = self.table()
        names = ("into", "ablation", "run", "title", "definition", "complete")
        return {
            **{name: getattr(self, name) for name in names},
            "metric": self.metric_name,
            "pair": None if self.pair is None else self.pair + 1,
            "nodes": [dict(zip(table.columns, row, strict=True)) for row in table.rows],
        }
