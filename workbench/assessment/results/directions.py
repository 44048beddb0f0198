"""What the part `directions` found. Plain values; nothing is computed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Gate = Literal["or", "and", "sign"]

GATES: dict[Gate, str] = {
    "or": "an OR of paths hides it from noising",
    "and": "an AND hides it from denoising",
    "sign": "it helps in one direction and hurts in the other",
}
"""What it means that the two directions disagree."""


@dataclass(frozen=True)
class Component:
    """A node or edge of the circuit, corrupted in the clean run, clean in the corrupted one.

    Attributes:
        name: of the node or edge.
        kind: which of the two it is.
        noised: mean metric of the model with this component alone corrupted.
        denoised: mean metric of the corrupted model with this component alone clean.
        noising: (m(model) - noised) / span.
        denoising: (denoised - m(corrupted)) / span. Both are positive for what the task needs, and
            None where there is no span.
        gate: a key of `GATES` where the two disagree strongly, else None.
    """

    name: str
    kind: Literal["node", "edge"]
    noised: float
    denoised: float
    noising: float | None
    denoising: float | None
    gate: Gate | None

    @property
    def warning(self) -> str:
        """A few words where the two directions disagree strongly, else nothing."""
        return GATES[self.gate] if self.gate else ""


@dataclass(frozen=True)
class Directions:
    """Noising and denoising of every part of the circuit, and of the whole of it.

    Attributes:
        model, corrupted: mean metric of the two runs; the span is their difference.
        nodes, edges: the circuit's, in the graph's order.
        sufficiency: the circuit clean and all else corrupted: its faithfulness.
        without: mean metric of the model with all the circuit's edges corrupted.
        necessity: (m(model) - without) / span: the share of the span that is lost without it.
        strong, weak: the two disagree strongly where the larger effect is at least `strong` of the
            span, and the other below `weak` times as large in that direction.
    """

    model: float
    corrupted: float
    nodes: tuple[Component, ...]
    edges: tuple[Component, ...]
    sufficiency: float | None
    without: float
    necessity: float | None
    strong: float
    weak: float

    @property
    def warned(self) -> tuple[Component, ...]:
        """Nodes and edges on which the two directions disagree strongly, the strongest first."""
        found = [part for part in (*self.nodes, *self.edges) if part.gate]
        return tuple(sorted(found, key=lambda p: -max(abs(p.noising or 0), abs(p.denoising or 0))))

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names, and the warnings in words."""
        plain = asdict(self)
        plain["warnings"] = {part.name: part.warning for part in self.warned}
        return plain
