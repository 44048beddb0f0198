"""Options: what a method of discovery may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Options:
    """What a method may be told; each names in `Method.options` those that it heeds.

    Attributes:
        steps: of integrated gradients, or of learning.
        threshold: tau of a search, in units of what it measures; the target share of edges kept for
            a learned mask is `edges`.
        edges: how many edges a search or a learned mask is to end with.
        absolute: a search compares |change| with tau, not the change for the worse alone.
        measure: what a search goes by: 'metric' (the task's) or 'kl'.
        seed: of whatever is random.
    """

    steps: int | None = None
    threshold: float | None = None
    edges: int | None = None
    absolute: bool = False
    measure: Literal["metric", "kl"] = "metric"
    seed: int = 0
