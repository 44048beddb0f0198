"""A map of what patching activations at roles does: plain values. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.base.table import Table
from workbench.engine.patch_points import ATTENTION, HEAD, KINDS, MLP, RESIDUAL

CORNERS = {RESIDUAL: "before", ATTENTION: "layer", MLP: "layer", HEAD: "head"}
"""What the rows are, by kind."""


@dataclass(frozen=True, eq=False)
class RoleMap:
    """Effects of patching each activation of a kind, at each role alone.

    Attributes:
        kind: of the activations, a name of `KINDS`.
        points: their names, from the first layer on.
        layers: [point], the layer of each.
        roles: names, in the order in which they stand in the prompts.
        values: [point, role], NaN where not computed yet.
        pairs: [role], how many pairs have it.
        ablation, run, metric_name: how it was measured.
        pair: a pair's number, or None for the mean over all that have the role.
    """

    kind: str
    points: tuple[str, ...]
    layers: tuple[int, ...]
    roles: tuple[str, ...]
    values: NDArray[np.float64] = field(repr=False)
    pairs: tuple[int, ...]
    ablation: str
    run: str
    metric_name: str
    pair: int | None = None

    @property
    def complete(self) -> bool:
        """All values are there."""
        return not np.isnan(self.values).any()

    @property
    def done(self) -> float:
        """Which share of the values is there."""
        return float((~np.isnan(self.values)).mean()) if self.values.size else 1.0

    # As a grid, the last layer above.

    @property
    def corner(self) -> str:
        """What the rows are."""
        return CORNERS[self.kind]

    @property
    def rows(self) -> tuple[str, ...]:
        """The points from the last to the first."""
        return self.points[::-1]

    @property
    def columns(self) -> tuple[str, ...]:
        """The roles."""
        return self.roles

    def grid(self) -> NDArray[np.float64]:
        """[row, column] as `rows` and `columns` are; NaN too at a role that no pair has."""
        return np.where(np.array(self.pairs) == 0, np.nan, self.values)[::-1]

    def estimated(self) -> NDArray[np.bool_]:
        """[row, column]: nothing is an estimate."""
        return np.zeros(self.values.shape, dtype=np.bool_)

    def node_at(self, row: int, column: int) -> str | None:
        """The head or MLP of a row; what else can be patched is no node."""
        return self.rows[row] if self.kind in (HEAD, MLP) else None

    def table_row(self, row: int, column: int) -> int | None:
        """Where in the table the point of a row stands."""
        return len(self.points) - 1 - row

    @property
    def title(self) -> str:
        """As a heading."""
        return f"Effect of {KINDS[self.kind]} at each role on {self.metric_name}, {self.ablation}"

    @property
    def definition(self) -> str:
        """One sentence on what the numbers are."""
        whose = (
            "mean over the pairs that have the role"
            if self.pair is None
            else f"pair {self.pair + 1} alone"
        )
        return (
            f"Change of {self.metric_name} on the {self.run} prompts when {KINDS[self.kind]} is "
            f"ablated ({self.ablation}) at the positions of one role alone; everything later "
            f"reacts; {whose}."
        )

    def ranked(self) -> list[tuple[str, str, float]]:
        """Point, role and value, the largest |effect| first."""
        flat = self.grid()[::-1].ravel()
        known = [i for i in np.argsort(-np.abs(flat), kind="stable") if flat[i] == flat[i]]
        n = len(self.roles)
        return [(self.points[i // n], self.roles[i % n], float(flat[i])) for i in known]

    def table(self) -> Table:
        """A row for each point, a column for each role."""
        rows = tuple(
            (point, layer, *(None if v != v else float(v) for v in row))
            for point, layer, row in zip(self.points, self.layers, self.values, strict=True)
        )
        return Table(self.title, ("point", "layer", *self.roles), rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        names = ("kind", "ablation", "run", "title", "definition", "complete")
        return {
            **{name: getattr(self, name) for name in names},
            "metric": self.metric_name,
            "pair": None if self.pair is None else self.pair + 1,
            "roles": [
                {"name": name, "pairs": n} for name, n in zip(self.roles, self.pairs, strict=True)
            ],
            "points": [
                {"name": row[0], "layer": row[1], "values": list(row[2:])}
                for row in self.table().rows
            ],
        }
