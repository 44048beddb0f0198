"""Pictures of effects: direct against total, and maps by layer. No torch.

Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.names import kind_of as node_kind
from workbench.effects.definitions import REPAIRED, find_definition
from workbench.effects.grids import GridMap
from workbench.effects.map_results import NodeMap
from workbench.effects.repair_results import Repair, SelfRepair
from workbench.effects.role_map_results import RoleMap
from workbench.pictures.figure import BLUE, FAINT, GREY, ORANGE, Drawing, axes

NAMED = 12
"""Nodes whose names stand in the scatter plot."""
MARKERS = {"head": "o", "mlp": "s", "other": "D"}
CELL = 0.2
"""Side of a map's cell, in inches."""
MOST_TALL = 9.0
LEGIBLE = 0.09
"""Inches that the name of a row takes."""


def kind_of(row: Repair) -> str:
    """`head`, `mlp`, or `other`: the input, or several together."""
    kind = node_kind(row.node)
    return kind if kind in ("head", "mlp") else "other"


def named(found: SelfRepair, n: int = NAMED) -> list[Repair]:
    """The rows worth a name: the farthest from zero and from the diagonal."""

    def worth(row: Repair) -> float:
        return max(abs(row.direct), abs(row.repaired))

    rows = [row for row in found.rows if worth(row) >= row.noticed]
    return sorted(rows, key=lambda row: -worth(row))[:n]


def scatter(found: SelfRepair) -> Drawing:
    """Total effects over direct ones; what lies beneath half of the diagonal is repaired."""
    xs, ys = ([getattr(row, name) for row in found.rows] for name in ("direct", "total"))
    most = 1.08 * max((abs(v) for v in xs), default=0.0) or 1.0
    with axes(4.4, 3.6) as (ax, done):
        ax.axhline(0, color=GREY, linewidth=0.6)
        ax.axvline(0, color=GREY, linewidth=0.6)
        ax.plot([-most, most], [-most, most], color=GREY, linewidth=0.8, label="total = direct")
        half = REPAIRED * most
        ax.fill_between([-most, 0, most], [0, 0, 0], [-half, 0, half], color=FAINT, alpha=0.6,
                        linewidth=0, label="half to all repaired")  # fmt: skip
        for kind, marker in MARKERS.items():
            for repaired, colour in ((False, BLUE), (True, ORANGE)):
                rows = [r for r in found.rows if (kind_of(r), r.is_repaired) == (kind, repaired)]
                if rows:
                    ax.plot(
                        [r.direct for r in rows], [r.total for r in rows], marker,
                        markersize=3.5, color=colour, linestyle="none",
                        markerfacecolor="white" if repaired else colour,
                        label=f"{kind}{', repaired' if repaired else ''}",
                    )  # fmt: skip
        for row in named(found):
            ax.annotate(row.node, (row.direct, row.total), fontsize=5.5, xytext=(3, 2),
                        textcoords="offset points")  # fmt: skip
        low, high = min([*ys, -most]), max([*ys, most])
        ax.set_ylim(1.05 * low, 1.05 * high)
        ax.set_xlabel(f"direct effect, {find_definition(found.definition).direct} [logits]")
        ax.set_ylabel("total effect [logits]")
        ax.tick_params(labelsize=7)
        ax.legend(fontsize=6, loc="best")
    return done()


def map_drawing(found: GridMap) -> Drawing:
    """A map of either kind."""
    if isinstance(found, RoleMap):
        return role_heat_map(found)
    assert isinstance(found, NodeMap)
    return heat_map(found)


def heat_map(found: NodeMap) -> Drawing:
    """Layers as rows, the last above; orange hues below zero, and grey where there is nothing."""
    state = "" if found.complete else " (estimates)"
    into = "" if found.into == "metric" else f" through {found.into}"
    return _map(
        found.grid(),
        found.columns,
        found.rows,
        f"change of {found.metric_name}{state}",
        f"{found.ablation}{into}",
    )


def role_heat_map(found: RoleMap) -> Drawing:
    """Layers, or heads layer by layer, as rows, the last above; roles as columns."""
    return _map(
        found.grid(),
        found.columns,
        found.rows,
        f"change of {found.metric_name}",
        f"{found.kind}, {found.ablation}",
    )


def _map(
    values: NDArray[np.float64],
    columns: Sequence[str],
    rows: Sequence[str],
    label: str,
    title: str,
) -> Drawing:
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    n_rows, n_columns = values.shape
    cell = min(CELL, MOST_TALL / n_rows)
    with axes(n_columns * cell + 1.4, n_rows * cell + 1.1) as (ax, done):
        ax.set_facecolor(FAINT)
        drawn = ax.imshow(values, cmap="PuOr", vmin=-most, vmax=most, aspect="equal")
        ax.set_xticks(range(n_columns), columns, rotation=90)
        # Of very many rows, as many names as can be read.
        step = max(1, round(LEGIBLE / cell))
        ax.set_yticks(range(0, n_rows, step), rows[::step])
        ax.tick_params(labelsize=5.5, length=0)
        ax.set_ylabel("layer", fontsize=7)
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.6)
        bar.ax.tick_params(labelsize=6)
        bar.set_label(label, fontsize=6.5)
        bar.outline.set_linewidth(0.4)
        ax.set_title(title, fontsize=7)
    return done()
