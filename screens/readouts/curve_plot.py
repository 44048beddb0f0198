"""A curve over an ordered answer space, such as the hundred years, drawn with Plotext."""

from __future__ import annotations

import math
from typing import Any

from screens.base.numbers import MINUS
from screens.readouts.text import ANSWER, WRONG_ANSWER, is_scale
from workbench.readouts.results import AnswerCurve

LEAST_FOR_A_PLOT = 17
"""Labels from which a plot says more than a list of bars does."""


def has_scale(curve: AnswerCurve) -> bool:
    """The labels are numbers, and enough of them to plot."""
    return len(curve.labels) >= LEAST_FOR_A_PLOT and is_scale(curve)


NARROW = 60
"""Cells below which every other label is left out."""


def plot_curve(plt: Any, curve: AnswerCurve, width: int) -> None:
    """Draw the curve into a Plotext figure of `width` cells, with a band below it.

    The band says which labels are answers. For the mean over prompts a label counts as what it is
    in more of them. The band's marks differ in shape, since colour may not be seen.
    """
    xs = [int(label) for label in curve.labels]
    low, high = min(*curve.values, 0.0), max(*curve.values, 0.0)
    below = low - 0.08 * (high - low or 1)
    plt.clear_figure()
    plt.hline(0, "gray")
    plt.plot(xs, list(curve.values), marker="braille", color="blue+")
    if curve.probabilities:
        plt.plot(xs, list(curve.probabilities), marker="·", color="cyan", yside="right")
        most = max(curve.probabilities)
        plt.yticks([0, most], ["0%", f"{100 * most:.0f}%"], yside="right")
    shares = list(zip(xs, curve.answers, curve.wrong_answers, strict=True))
    for marker, color, members in (
        (ANSWER, "green+", [x for x, right, wrong in shares if right > wrong]),
        (WRONG_ANSWER, "orange+", [x for x, right, wrong in shares if wrong > right]),
    ):
        if members:
            plt.scatter(members, [below] * len(members), marker=marker, color=color)
    step = 20 if width < NARROW else 10
    ticks = [x for x in range(min(xs), max(xs) + 1) if x % step == 0]
    plt.xticks(ticks, [f"{x:02d}" for x in ticks])
    heights = round_ticks(low, high)
    plt.yticks(heights, [f"{y:g}".replace("-", MINUS) for y in heights])


def round_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from low to high, zero among them if between: some `about` of them."""
    if not low < high:
        return [low]
    rough = (high - low) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [round(i * step, 10) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
