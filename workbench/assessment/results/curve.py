"""What the part `curve` found. Plain values; nothing is computed here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Point:
    """One size of circuit.

    Attributes:
        share: the nominal share p of the model's edges.
        asked: int(p N), how many edges were selected.
        kept: how many are left of them when dead ends are pruned.
        metric: mean over the pairs.
        faithfulness: None where the model does not tell clean from corrupted prompts.
    """

    share: float
    asked: int
    kept: int
    metric: float
    faithfulness: float | None


@dataclass(frozen=True)
class Area:
    """Areas over a range of sizes; None where the faithfulness is not defined.

    Attributes:
        cpr: area under the faithfulness f.
        cmd: area between f and 1, on both sides.
    """

    cpr: float | None
    cmd: float | None


@dataclass(frozen=True)
class Curve:
    """Circuits of growing size from one way of selecting edges.

    Attributes:
        selection: the name of that way.
        absolute: by |score|, so that edges which work against the task are taken too.
        points: by size.
        linear: CPR and CMD as MIB has them, trapezoids over p; a perfect CPR is .999.
        log: the same over the natural logarithm of p; a perfect CPR is ln 1000 = 6.908.
        small: trapezoids over p up to 5 % of the edges, divided by the width of that range: a
            perfect CPR is 1.
        mean: plain mean of f over the sizes.
    """

    selection: str
    absolute: bool
    points: tuple[Point, ...]
    linear: Area
    log: Area
    small: Area
    mean: float | None


@dataclass(frozen=True)
class Curves:
    """The faithfulness of circuits of all sizes, from one set of scores.

    Attributes:
        n_edges: N, of the whole model.
        scores: where the scores are from, in words.
        model, corrupted: mean metric of the model, and with no edge kept.
        curves: signed, absolute.
        circuit_edges, circuit_faithfulness: the assessed circuit itself, beside the curve.
        remarks: sentences for the user.
    """

    n_edges: int
    scores: str
    model: float
    corrupted: float
    curves: tuple[Curve, ...]
    circuit_edges: int
    circuit_faithfulness: float | None
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values under the attributes' names."""
        return asdict(self)
