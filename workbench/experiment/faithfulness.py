"""Faithfulness: how much of the metric a circuit keeps."""

from __future__ import annotations


def faithfulness(metric: float, clean: float, corrupted: float) -> float | None:
    """(m - m(corrupted)) / (m(clean) - m(corrupted)), a ratio of means.

    See Hanna et al. 2024, 2403.17806. None where the model does not tell clean from corrupted
    prompts, so that the ratio means nothing.
    """
    span = clean - corrupted
    scale = max(abs(clean), abs(corrupted), 1e-6)
    if abs(span) < 1e-5 * scale:
        return None
    return (metric - corrupted) / span
