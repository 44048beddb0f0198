"""Figures: what `workbench bench` measured, in plain values, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        name: what was measured.
        value: the median over the repetitions.
        unit: `F` (one plain forward pass of the same batch, same run), `2F+B` (two of them and a
            backward pass without parameter gradients), `s`, `MiB`, `x` or empty.
        low, high: the extremes of the repetitions; None where there was one.
        p90: their 90th percentile, where it matters.
        aim: what the value should not exceed for a model of 135M weights on two cores, and the 90th
            percentile; None where nothing was set.
        seconds: the median in seconds; None for what is no time.
        note: how it was measured.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    p90: float | None = None
    aim: float | None = None
    aim_p90: float | None = None
    seconds: float | None = None
    note: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        values: Sequence[float],
        unit: str,
        *,
        percentile: bool = False,
        aim: float | None = None,
        aim_p90: float | None = None,
        seconds: Sequence[float] | None = None,
        note: str = "",
    ) -> Figure:
        """The figure of repeated measurements, at least one."""
        return cls(
            name,
            quantile(values, 0.5),
            unit,
            min(values),
            max(values),
            quantile(values, 0.9) if percentile else None,
            aim,
            aim_p90,
            quantile(seconds, 0.5) if seconds else None,
            note,
        )

    @property
    def missed(self) -> bool:
        """Whether an aim was set and not met."""
        return (self.aim is not None and self.value > self.aim) or (
            self.aim_p90 is not None and self.p90 is not None and self.p90 > self.aim_p90
        )

    def line(self) -> str:
        """The figure as one line of text."""
        parts = [f"{self.name:<58}{self.value:>9.3g} {self.unit:<5}"]
        if self.p90 is not None:
            parts.append(f"p90 {self.p90:.3g}")
        if self.low is not None and self.high is not None and self.low != self.high:
            parts.append(f"({self.low:.3g} to {self.high:.3g})")
        if self.aim is not None:
            more = "" if self.aim_p90 is None else f", p90 {self.aim_p90:g}"
            parts.append(f"aim {self.aim:g}{more}{' MISSED' if self.missed else ''}")
        if self.note:
            parts.append(f"[{self.note}]")
        return "  ".join(parts).rstrip()


@dataclass
class Figures:
    """All figures of one run.

    Attributes:
        about: model, task, device and versions.
        figures: in the order in which they were taken.

    Glossary: docs/glossary.md#figures.
    """

    about: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)

    def add(self, figure: Figure) -> None:
        """Append a figure."""
        self.figures.append(figure)

    def to_json(self) -> dict[str, Any]:
        """Plain values: what was measured on, and every figure."""
        return {**self.about, "figures": [asdict(f) | {"missed": f.missed} for f in self.figures]}

    def lines(self) -> list[str]:
        """The same as lines of text, a figure a line."""
        head = [f"{key}: {value}" for key, value in self.about.items()]
        return [*head, "", *(figure.line() for figure in self.figures)]


def quantile(values: Sequence[float], q: float) -> float:
    """Linear interpolation between order statistics."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
