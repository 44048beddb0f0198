"""The learning rate of the models that come along: it rises, then falls as a cosine."""

from __future__ import annotations

import math


def learning_rate(step: int, *, peak: float, last: float, warm: int, steps: int) -> float:
    """The rate of a step, counted from 0.

    Args:
        peak: after the first `warm` steps, over which it rises.
        last: at the end.
        steps: how many there are in all.
    """
    if step < warm:
        return peak * (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return last + (peak - last) * (1 + math.cos(math.pi * done)) / 2
