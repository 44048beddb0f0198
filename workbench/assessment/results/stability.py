"""Stability of a discovery: what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

BOOTSTRAP, REPHRASED = "bootstrap", "rephrased"
DEFINITIONS: dict[str, str] = {
    BOOTSTRAP: "as many of the task's pairs, drawn with replacement",
    REPHRASED: "as many other pairs of the same task, made from another seed: other words, in the "
    "task's templates",
}


@dataclass(frozen=True)
class Frequency:
    """How often an edge was found.

    Attributes:
        edge: its name.
        share: of the resamples, from 0 to 1.
    """

    edge: str
    share: float


@dataclass(frozen=True)
class Interval:
    """A mean over resamples, and between what bounds 95 % of them lie.

    Attributes:
        mean: over resamples.
        low, high: their 2.5th and 97.5th percentile.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Resampling:
    """The circuit found again on one kind of resamples.

    Attributes:
        kind: "bootstrap" or "rephrased".
        definition: in words.
        n: how many resamples.
        edges: of every edge of the circuit, in the order of `Circuit.edges`.
        others: edges outside the circuit that are found in half of the resamples or more, most
            often found first.
        jaccard: |found & circuit| / |found or circuit|.
        jaccard_own: the same with what the method finds on the task's own pairs, for a circuit
            that comes from elsewhere.
    """

    kind: str
    definition: str
    n: int
    edges: tuple[Frequency, ...]
    others: tuple[Frequency, ...]
    jaccard: Interval
    jaccard_own: Interval


@dataclass(frozen=True)
class Stability:
    """How far the circuit depends on the prompts.

    Attributes:
        method: whose scores.
        size: n, how many edges are found each time.
        resamplings: those that could be made.
        remarks: which could not, and why, in sentences.
    """

    method: str
    size: int
    resamplings: tuple[Resampling, ...]
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
