"""How much circuits have in common: what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Shared:
    """What two sets A and B of edges, or of nodes, share.

    Attributes:
        first, second, both: |A|, |B|, |A & B|.
        population: how many there are in the whole graph. Of nodes the logits are not counted,
            since they are in every circuit.
        jaccard: |A & B| / |A or B|; None if both are empty.
        recall_first: |A & B| / |A|, the share of A that B has too; None if A is empty.
        recall_second: |A & B| / |B|; None if B is empty.
        p: P(X >= |A & B|) of the hypergeometric X, the overlap of A with a random set of the size
            of B. Equality is included.
    """

    first: int
    second: int
    both: int
    population: int
    jaccard: float | None
    recall_first: float | None
    recall_second: float | None
    p: float


@dataclass(frozen=True)
class Difference:
    """Scores of an edge of either circuit in both.

    Attributes:
        edge: its name.
        first, second: its scores, in whatever units the circuits' are.
        difference: first minus second.
        in_first, in_second: which circuit keeps it.
    """

    edge: str
    first: float
    second: float
    difference: float
    in_first: bool
    in_second: bool


@dataclass(frozen=True)
class PairOverlap:
    """Two of the circuits.

    Attributes:
        first, second: which, counted from 0.
        edges, nodes: what they share.
        differences: edges of either that have a score in both, largest |difference| first; empty
            if a circuit has no scores.
        other_roles: how many of the edges of both they keep at different token roles.
        at_roles: what they share of edges at single roles, whole ones at each of them; None where
            both have whole edges only.
    """

    first: int
    second: int
    edges: Shared
    nodes: Shared
    differences: tuple[Difference, ...]
    other_roles: int = 0
    at_roles: Shared | None = None


@dataclass(frozen=True)
class Cross:
    """Every circuit on every task.

    Attributes:
        tasks, circuits: their names; the rows and columns of what follows.
        metric: [task][circuit], mean metric.
        faithfulness: [task][circuit], normalised by the clean and corrupted runs of that task; None
            where these score the same.
    """

    tasks: tuple[str, ...]
    circuits: tuple[str, ...]
    metric: tuple[tuple[float, ...], ...]
    faithfulness: tuple[tuple[float | None, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Overlap:
    """All pairs of the circuits, (0, 1), (0, 2), ...

    Attributes:
        names: of the circuits.
        pairs: one for each two.
        cross: each on the other's task; None where it was not asked for.
    """

    names: tuple[str, ...]
    pairs: tuple[PairOverlap, ...]
    cross: Cross | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
