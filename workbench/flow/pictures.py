"""Plots of the flow between tokens: maps over layers.

Matplotlib is imported when one is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.base.text import printable
from workbench.flow.results import AllForOne, KnockoutMap, Matrix
from workbench.pictures.figure import GREY, Drawing, axes

CELL = 0.2
"""Inches of a cell's side, with few of them."""
WIDEST = 6.9
"""Inches: the width of a page of two columns."""
MOST_TICKS = 16
"""Labels along an axis."""


def flow_pictures(result: AllForOne | KnockoutMap) -> list[tuple[str, Drawing, str]]:
    """A name, the plot, and a caption of each."""
    if isinstance(result, KnockoutMap):
        caption = f"{result.headline} {result.definition}"
        return [("knock-out", knockout_picture(result), caption)]
    caption = f"{result.headline} {result.definition}"
    return [("all-for-one", all_for_one_picture(result), caption)]


def all_for_one_picture(result: AllForOne) -> Drawing:
    """The accuracy, or the metric, by first layer and number of layers; what suffices framed."""
    by_accuracy = result.measure == "accuracy"
    values = result.accuracy if by_accuracy else result.metric
    unit = "accuracy" if by_accuracy else result.metric_name
    free = [score.of(result.measure) for score in result.waiting]
    # The last column, apart from the others: attention as ever after the wait.
    rows = tuple((*row, None, one) for row, one in zip(values, free, strict=True))
    columns = [*map(str, range(len(values[0]))), "", "free"]
    most = 1.0 if by_accuracy else None
    frame = None
    if result.wait is not None and result.window[:1] in ((), (result.wait,)):
        frame = (result.wait, len(result.window))
    return _map(rows, [str(i) for i in range(len(rows))], columns, unit,
                along=("layers in which the last token looks at all", "first layer after the wait"),
                most=most, frame=frame)  # fmt: skip


def knockout_picture(result: KnockoutMap) -> Drawing:
    """The effect by position and layer."""
    rows = (*result.effect, result.all_others)
    labels = [_shown(token) for token in result.tokens] + ["all but the first"]
    layers = [str(layer) for layer in range(len(result.all_others))]
    unit = f"change of {result.metric_name}"
    window = "" if not result.reach else f" (± {result.reach})"
    return _map(rows, labels, layers, unit, along=(f"layer{window}", "not seen"))


def _map(
    values: Matrix,
    rows: Sequence[str],
    columns: Sequence[str],
    unit: str,
    *,
    along: tuple[str, str],
    most: float | None = None,
    frame: tuple[int, int] | None = None,
) -> Drawing:
    """A map dark where a value is large, in two hues where there are values below zero.

    Args:
        along: what the columns and the rows are.
        most: the value of the darkest; None for the largest.
        frame: a cell's row and column to be framed.
    """
    cells = np.array([[np.nan if v is None else v for v in row] for row in values], dtype=float)
    signed = bool(np.nanmin(cells, initial=0.0) < 0)
    top = most or float(np.nanmax(np.abs(cells), initial=0.0)) or 1.0
    n_rows, n_columns = cells.shape
    label = 0.06 * max(map(len, rows))
    cell = min(CELL, (WIDEST - 1.6 - label) / n_columns)
    with axes(max(2.6, n_columns * cell + 1.6 + label), max(1.4, n_rows * cell + 0.8)) as (
        ax,
        done,
    ):
        drawn = ax.imshow(
            cells,
            cmap="PuOr" if signed else "Blues",
            vmin=-top if signed else 0,
            vmax=top,
            aspect="equal",
        )
        _ticks(ax.set_xticks, columns)
        _ticks(ax.set_yticks, rows, every=label > 0.2)
        ax.tick_params(labelsize=6, length=0)
        ax.set_xlabel(along[0], fontsize=7)
        ax.set_ylabel(along[1], fontsize=7)
        if frame is not None:
            from matplotlib.patches import Rectangle

            row, column = frame
            ax.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", lw=1.2)
            )
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8)
        bar.ax.tick_params(labelsize=6)
        bar.set_label(unit, fontsize=7)
        bar.outline.set(linewidth=0.4, edgecolor=GREY)
    return done()


def _ticks(put: Any, labels: Sequence[str], *, every: bool = False) -> None:
    step = 1 if every else max(1, -(-len(labels) // MOST_TICKS))
    named = [i for i, label in enumerate(labels) if i % step == 0 or not label.isdigit()]
    put(named, [labels[i] for i in named])


def _shown(token: str) -> str:
    """A token with its blanks to be seen, and nothing that a terminal would obey."""
    return printable(token).replace(" ", "·")[:16]
