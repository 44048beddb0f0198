"""Direct against total effect, drawn into a Plotext figure."""

from __future__ import annotations

from typing import Any

from workbench.effects.plots import kind_of
from workbench.effects.repair_results import SelfRepair

MARKERS = {"head": "dot", "mlp": "x", "other": "+"}
REPAIRED = "o"
CHOSEN = "◆"


def draw_scatter(plt: Any, found: SelfRepair, chosen: str | None) -> None:
    """Total effects (up) by direct ones (across); the diagonal is: nothing is repaired."""
    plt.clear_figure()
    most = max((abs(row.direct) for row in found.rows), default=0.0) or 1.0
    plt.plot([-most, most], [-most, most], marker="braille", color="gray", label="total = direct")
    for kind, marker in MARKERS.items():
        rows = [r for r in found.rows if kind_of(r) == kind and not r.is_repaired]
        if rows:
            xs, ys = [r.direct for r in rows], [r.total for r in rows]
            plt.scatter(xs, ys, label=kind, marker=marker)
    rows = [r for r in found.rows if r.is_repaired]
    if rows:
        xs, ys = [r.direct for r in rows], [r.total for r in rows]
        plt.scatter(xs, ys, label="repaired", marker=REPAIRED)
    for row in found.rows:
        if row.node == chosen:
            plt.scatter([row.direct], [row.total], label=row.node, marker=CHOSEN)
    plt.title("total effect (up) by direct effect (across), logits")
