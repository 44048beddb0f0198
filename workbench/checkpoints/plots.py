"""Plots over training: curves over the steps, or over names without a number. No torch.

Matplotlib is imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.checkpoints.results import AtCheckpoint
from workbench.checkpoints.sequence import Checkpoint
from workbench.pictures.figure import BLUE, GREY, ORANGE, Drawing, axes, stacked

Curves = Mapping[str, Sequence[float | None]]
"""By name, a value for each checkpoint; None where there is none."""

COLOURS = (BLUE, ORANGE, "#333333", "#009e73")
MARKERS = "osD^v<>PX*"
DASHES = ("-", "--", ":", "-.")
TICKS = 8
"""Names below an axis, at most."""
SHOWN = (-0.5, 1.5)
"""Faithfulness that is drawn where it is; what is beyond is drawn at the edge."""


def over_steps(
    checkpoints: Sequence[Checkpoint],
    curves: Curves,
    unit: str,
    *,
    lines: Sequence[float] = (),
    limits: tuple[float, float] | None = None,
) -> Drawing:
    """Curves over a sequence.

    Args:
        unit: what the numbers are, beside the axis.
        lines: values at which a line is drawn.
        limits: of the vertical axis; a value outside is drawn at the edge. None: all are inside.
    """
    with axes(6.4, 3.2) as (ax, done):
        draw(ax, checkpoints, curves, unit, lines=lines, limits=limits)
    return done()


def draw(
    ax: Any,
    checkpoints: Sequence[Checkpoint],
    curves: Curves,
    unit: str,
    *,
    lines: Sequence[float] = (),
    limits: tuple[float, float] | None = None,
) -> None:
    """The same on axes that are there."""
    for value in lines:
        ax.axhline(value, color=GREY, linewidth=0.8, linestyle="-" if value else ":")
    xs = places(checkpoints)
    for i, (name, values) in enumerate(curves.items()):
        known = [(x, v) for x, v in zip(xs, values, strict=True) if v is not None]
        if limits is not None:
            known = [(x, min(max(v, limits[0]), limits[1])) for x, v in known]
        ax.plot(
            [x for x, _ in known],
            [v for _, v in known],
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            linestyle=DASHES[i // len(COLOURS) % len(DASHES)],
            markersize=3.5,
            linewidth=1,
            label=name,
        )
    axis(ax, checkpoints)
    if limits is not None:
        ax.set_ylim(limits[0] - 0.04 * (limits[1] - limits[0]), limits[1] * 1.04)
    ax.set_ylabel(unit)
    if len(curves) > 1:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def places(checkpoints: Sequence[Checkpoint]) -> list[int]:
    """Where each stands on the axis: at its step, or in its turn where names have no number."""
    return [i if one.step is None else one.step for i, one in enumerate(checkpoints)]


def axis(ax: Any, checkpoints: Sequence[Checkpoint]) -> None:
    """Steps on a logarithmic axis on which 0 has a place; names in their turn."""
    steps = [one.step for one in checkpoints if one.step is not None]
    if len(steps) < len(checkpoints):
        every = -(-len(checkpoints) // TICKS)
        shown = list(enumerate(one.name for one in checkpoints))[::every]
        ax.set_xticks([i for i, _ in shown], [name for _, name in shown], rotation=20, ha="right")
        return
    first = min((step for step in steps if step), default=1)
    # Below the first step of training the axis is even, so that 0 is on it.
    ax.set_xscale("symlog", linthresh=first, linscale=0.4)
    ax.set_xlim(min(steps) - (0.1 * first if 0 in steps else 0), max(*steps, first) * 1.08)
    chosen = [step for step in _round_steps(max(steps)) if step >= first]
    at = [0, *chosen] if 0 in steps else chosen or steps
    ax.set_xticks(at, [f"{step:,}" for step in at])
    ax.minorticks_off()
    ax.set_xlabel("steps of training")


def _round_steps(last: int) -> list[int]:
    """1, 3, 10, 30, ... up to the last; only tens where these are many."""
    tens = [10**i for i in range(len(str(last)))]
    fine = sorted([*tens, *(3 * ten for ten in tens)])
    return [step for step in (fine if len(tens) <= 5 else tens) if step <= last]


def plot_of(rows: Sequence[AtCheckpoint]) -> Drawing:
    """What the models do above, and the circuit's faithfulness below, over training."""
    checkpoints = [row.checkpoint for row in rows]
    metric = next((row.metric for row in rows if row.metric), "metric")
    curves: dict[str, list[float | None]] = {
        "model, clean": [row.clean for row in rows],
        "model, corrupted": [row.corrupted for row in rows],
    }
    if all(row.circuit is None for row in rows):
        return over_steps(checkpoints, curves, metric, lines=(0,))
    curves["circuit"] = [row.circuit for row in rows]
    with stacked(6.4, 4.6, 2) as (both, done):
        draw(both[0], checkpoints, curves, metric, lines=(0,))
        both[0].set_xlabel("")
        # While a model does not do the task, it is a ratio of noise.
        share = {"faithfulness": [row.faithfulness if row.does_task else None for row in rows]}
        draw(both[1], checkpoints, share, "faithfulness", lines=(0, 1), limits=SHOWN)
    return done()
