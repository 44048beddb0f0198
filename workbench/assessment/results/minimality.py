"""Minimality of a circuit: what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Loss:
    """What the circuit is without one edge, or without one node and all its kept edges.

    Attributes:
        name: the edge's or node's.
        edges: kept edges that go with it.
        metric: the mean metric of what is left.
        change: that minus the circuit's, in units of the metric.
        faithfulness: change of the faithfulness; None where there is none.
        share: |change| as a share of the sum of |change| over all edges (or all nodes); 0 where
            that sum is.
        improves: the circuit scores better without it, by more than rounding does.
        dead: it lies on no path from the input to the logits, so that nothing was computed.
    """

    name: str
    edges: int
    metric: float
    change: float
    faithfulness: float | None
    share: float
    improves: bool
    dead: bool


@dataclass(frozen=True)
class Minimality:
    """Every edge's and every node's loss, largest |change| first.

    Attributes:
        metric: name of the metric.
        circuit: the mean metric of the whole circuit.
        faithfulness: of the whole circuit; None where clean and corrupted score the same.
        edges: of all kept edges.
        nodes: of all nodes of the circuit but `input` and `logits`, without which nothing is left.
    """

    metric: str
    circuit: float
    faithfulness: float | None
    edges: tuple[Loss, ...]
    nodes: tuple[Loss, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
