"""How a circuit compares with random ones: what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SIZE, SHAPE = "size", "shape"
DEFINITIONS: dict[str, str] = {
    SIZE: "as many edges, drawn one after the other from all edges, each with a random path from "
    "the input to it and from it to the logits, so that none is dead",
    SHAPE: "the circuit with its heads exchanged at random within their layers: the same number of "
    "edges between any two layers and kinds of input, and into and out of each node",
}
DEFINITIONS_BY_ROLE: dict[str, str] = {
    SIZE: "as many whole edges, and beside them as many edges at single token roles, drawn one "
    "after the other from all that can carry something to the last position, each with a random "
    "path from the input to it and from it to the logits, so that none is dead",
    SHAPE: f"{DEFINITIONS[SHAPE]}, at the token roles that they had",
}
"""Of a circuit that keeps edges at some roles only."""


@dataclass(frozen=True)
class RandomBaseline:
    """The random circuits of one kind.

    Attributes:
        kind: "size" or "shape", see `DEFINITIONS`.
        definition: in words.
        metrics: mean metric of each random circuit, in the order drawn.
        faithfulness: of each; None where clean and corrupted score the same.
        distinct: how many of the circuits differ; few where a shape leaves little choice.
        p: rank p-value of the circuit's faithfulness, (1 + #{random >= circuit}) / (1 + n); None
            where there is no faithfulness.
        p_nearer: the same of the distance from the model, (1 + #{|m(random) - m(M)| <= |m(C) -
            m(M)|}) / (1 + n).
    """

    kind: str
    definition: str
    metrics: tuple[float, ...]
    faithfulness: tuple[float, ...] | None
    distinct: int
    p: float | None
    p_nearer: float


@dataclass(frozen=True)
class Chance:
    """The circuit among random ones.

    Attributes:
        metric: name of the metric.
        circuit, faithfulness: of the circuit; faithfulness None where there is none.
        edges: of every random circuit: the circuit's own that are not dead, one that is kept at
            some roles counted at each of them.
        baselines: by size and by shape.
    """

    metric: str
    circuit: float
    faithfulness: float | None
    edges: int
    baselines: tuple[RandomBaseline, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
