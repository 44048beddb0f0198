"""Completeness of a circuit: what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["whole", "random", "greedy", "group", "node"]


@dataclass(frozen=True)
class Knockout:
    """One set K of nodes, taken from the circuit and from the model.

    Attributes:
        kind: how K was chosen; "whole" where K is empty.
        name: the group's or the node's; of a greedy set which start it comes from and its step;
            empty of a random one.
        nodes: K, in the graph's order.
        model, circuit: F(M without K) and F(C without K), means of the metric.
        model_faithfulness, circuit_faithfulness: the same as faithfulness; None where clean and
            corrupted score the same.
        gap: |F(C without K) - F(M without K)|, in units of the metric.
        gap_share: the gap as a share of |m(clean) - m(corrupted)|; None where faithfulness is.
    """

    kind: Kind
    name: str
    nodes: tuple[str, ...]
    model: float
    circuit: float
    model_faithfulness: float | None
    circuit_faithfulness: float | None
    gap: float
    gap_share: float | None


@dataclass(frozen=True)
class Gaps:
    """The gaps of the sets of one kind.

    Attributes:
        kind: which.
        n: how many sets.
        largest, mean: of their gaps, in units of the metric. (The mean of greedy sets says how fast
            the worst case is reached, not what is usual.)
        largest_share, mean_share: as shares of |m(clean) - m(corrupted)|; None where there is none.
        worst: the K of the largest gap.
    """

    kind: Kind
    n: int
    largest: float
    mean: float
    largest_share: float | None
    mean_share: float | None
    worst: tuple[str, ...]


@dataclass(frozen=True)
class Completeness:
    """How the circuit and the model fare without the same nodes.

    Attributes:
        metric: name of the metric.
        whole: with K empty: the model and the circuit as they are.
        points: every K tried, for a scatter of (model, circuit).
        kinds: summary of the kinds that were tried, in the order random, greedy, group, node.
        remarks: what could not be done, in sentences.
    """

    metric: str
    whole: Knockout
    points: tuple[Knockout, ...]
    kinds: tuple[Gaps, ...]
    remarks: tuple[str, ...] = ()

    @property
    def incompleteness(self) -> float:
        """The largest gap found, in units of the metric; 0 if the circuit has no nodes."""
        return max((gaps.largest for gaps in self.kinds), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "incompleteness": self.incompleteness}
