"""Faithfulness: the share of the clean metric that a circuit recovers."""

from __future__ import annotations

import math

TOO_CLOSE = 1e-5
"""Metrics that differ by less than this share of the larger are float noise apart."""


def means_too_close(clean: float, corrupted: float) -> bool:
    """The clean and the corrupted mean hardly differ, so that no share of the difference means much."""
    difference = abs(clean - corrupted)
    return not difference > TOO_CLOSE * max(abs(clean), abs(corrupted))


def faithfulness(circuit: float, clean: float, corrupted: float) -> float | None:
    """(circuit - corrupted) / (clean - corrupted) of means over the pairs: a ratio of means.

    1 for the whole model, 0 for the corrupted run; None where the two hardly differ, or a metric is no
    finite number.
    """
    if means_too_close(clean, corrupted):
        return None
    share = (circuit - corrupted) / (clean - corrupted)
    return share if math.isfinite(share) else None
