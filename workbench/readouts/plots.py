"""Plots of readouts: curves over an ordered axis, maps over tokens, bars. No torch.

Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from workbench.base.text import printable
from workbench.pictures.figure import BLUE, GREY, ORANGE, Drawing, axes
from workbench.readouts.results import AnswerCurve, AttentionPattern, ResidualLens
from workbench.readouts.shapes import BuiltIn, Grid, Ranking, Series, Shape, shape_of

COLUMN = 3.35
"""Width in inches: a column of a paper in two columns."""
MOST_BARS = 40
TEXT_CELL = 0.55
"""Width of a cell that holds a token."""
MOST_TEXT = 10
"""Characters of a token in a cell."""
MANY = 25
"""Labels from which a series is a curve and not bars."""


def plot_of(result: Shape | BuiltIn) -> Drawing | None:
    """A picture of what was found; None where a table says all."""
    if isinstance(result, AnswerCurve):
        return _curve(result)
    if isinstance(result, AttentionPattern):
        return _map(shape_of(result), "share of attention", causal=not result.by_role)
    if isinstance(result, ResidualLens):
        values = [row.logit_difference for row in result.rows]
        return _series([row.name for row in result.rows], values, "logit difference", "after")
    shape = shape_of(result)
    if isinstance(shape, Ranking):
        names = [name for name, _ in shape.values[:MOST_BARS]]
        return _bars(names, [value for _, value in shape.values[:MOST_BARS]], shape.unit)
    if isinstance(shape, Series):
        return _series(shape.labels, shape.values, shape.unit)
    if isinstance(shape, Grid):
        return _map(shape, shape.unit)
    return None


def _curve(curve: AnswerCurve) -> Drawing:
    if len(curve.labels) < MANY:
        return _bars(curve.labels, curve.values, "centred logit")
    xs = list(range(len(curve.labels)))
    with axes(COLUMN, 2.2) as (ax, done):
        ax.axhline(0, color=GREY, linewidth=0.6)
        ax.plot(xs, curve.values, color=BLUE, linewidth=1.2)
        low = min(*curve.values, 0.0)
        low -= 0.08 * (max(*curve.values, 0.0) - low or 1.0)
        shares = list(zip(xs, curve.answers, curve.wrong_answers, strict=True))
        for members, colour, marker, label in (
            ([x for x, right, wrong in shares if right > wrong], BLUE, "|", "answers"),
            ([x for x, right, wrong in shares if wrong > right], ORANGE, "x", "wrong answers"),
        ):
            if members:
                ax.plot(
                    members, [low] * len(members), marker, color=colour, markersize=3, label=label
                )
        _ticks(ax, curve.labels)
        ax.set_ylabel("centred logit", fontsize=7)
        ax.tick_params(labelsize=7)
        if curve.probabilities:
            beside = ax.twinx()
            beside.plot(xs, curve.probabilities, color=GREY, linewidth=1.0, linestyle=":")
            beside.set_ylabel("probability", fontsize=7)
            beside.tick_params(labelsize=7)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="best", fontsize=7)
    return done()


def _series(labels: Any, values: Any, unit: str, along: str = "") -> Drawing:
    xs = list(range(len(labels)))
    with axes(COLUMN, 2.2) as (ax, done):
        ax.axhline(0, color=GREY, linewidth=0.6)
        ax.plot(xs, values, "o-", color=BLUE, linewidth=1.2, markersize=2.5)
        _ticks(ax, labels)
        ax.set_ylabel(unit, fontsize=7)
        ax.set_xlabel(along, fontsize=7)
        ax.tick_params(labelsize=7)
    return done()


def _ticks(ax: Any, labels: Any) -> None:
    """Some ten labels along the axis; long ones stand upright."""
    step = max(1, -(-len(labels) // 10))
    at = list(range(0, len(labels), step))
    shown = [_shown(labels[i]) for i in at]
    upright = sum(map(len, shown)) > 40
    ax.set_xticks(at, shown, rotation=90 if upright else 0)


def _bars(names: Any, values: Any, unit: str) -> Drawing:
    with axes(COLUMN, max(1.2, 0.13 * len(names) + 0.5)) as (ax, done):
        colours = [ORANGE if value < 0 else BLUE for value in values]
        drawn = ax.barh(range(len(names)), values, color=colours, height=0.7)
        for bar, value in zip(drawn, values, strict=True):
            if value < 0:  # told apart in grey too
                bar.set(facecolor="white", edgecolor=ORANGE, hatch="////")
        ax.set_yticks(range(len(names)), [_shown(name) for name in names], fontsize=6)
        ax.invert_yaxis()
        ax.axvline(0, color=GREY, linewidth=0.6)
        ax.set_xlabel(unit, fontsize=7)
        ax.tick_params(axis="x", labelsize=7)
    return done()


def _map(grid: Any, unit: str, *, causal: bool = False) -> Drawing:
    """A map in one hue, dark where the value is large, so that it survives printing in grey."""
    values = np.asarray(grid.values, dtype=np.float64)
    if getattr(grid, "reciprocal", False):
        values, unit = 1 / np.maximum(values, 1), f"1 / {unit}"
    texts = getattr(grid, "texts", ())
    if causal:
        values = np.where(np.tril(np.ones(values.shape)) > 0, values, np.nan)
    signed = bool(np.nanmin(values, initial=0.0) < 0)
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    rows, columns = values.shape
    cell = min(0.22, max(0.09, (COLUMN - 1.1) / max(1, columns)))
    wide = TEXT_CELL if texts else cell
    with axes(columns * wide + 1.3, rows * cell + 0.9) as (ax, done):
        drawn = ax.imshow(
            values,
            cmap="PuOr" if signed else "Blues",
            vmin=-most if signed else 0,
            vmax=most,
            aspect="auto" if texts else "equal",
        )
        for i, line in enumerate(texts):
            for j, text in enumerate(line):
                dark = abs(values[i, j]) > 0.6 * most
                ax.text(
                    *(j, i, _shown(text)[:MOST_TEXT]),
                    ha="center",
                    va="center",
                    fontsize=5,
                    color="white" if dark else "black",
                )
        ax.set_xticks(range(columns), [_shown(token) for token in grid.columns], rotation=90)
        ax.set_yticks(range(rows), [_shown(token) for token in grid.rows])
        ax.tick_params(labelsize=6, length=0)
        if causal:
            ax.set_xlabel("key", fontsize=7)
            ax.set_ylabel("query", fontsize=7)
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.6)
        bar.ax.tick_params(labelsize=6)
        bar.set_label(unit, fontsize=7)
        bar.outline.set_linewidth(0.4)
    return done()


def _shown(token: Any) -> str:
    """A token with the blanks at its ends to be seen, and nothing that a terminal would obey."""
    text = printable(str(token))
    bare = text.strip(" ") or text
    at = text.index(bare) if bare != text else 0
    return ("·" * at + bare + "·" * (len(text) - at - len(bare)))[:24]
