"""ThresholdRule: how the first threshold of a session is chosen. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, get_args

from workbench.errors import WorkbenchError

Kind = Literal["share", "value", "top"]

FORMS = '"share X" with X from 0 to 1, "value X" with X above 0, or "top K" with K a whole number'
"""What a rule is written as."""


@dataclass(frozen=True)
class ThresholdRule:
    """A rule and its number.

    Attributes:
        kind: 'share' of what corrupting the prompts does to the metric; 'value' in units of the
            metric; 'top': the absolute estimate so far down the ranking of all edges.
        number: the share, the value, or the place in the ranking, from 1.
    """

    kind: Kind
    number: float

    def __post_init__(self) -> None:
        low = 1 if self.kind == "top" else 0
        high = 1 if self.kind == "share" else float("inf")
        whole = self.kind != "top" or float(self.number).is_integer()
        if (
            self.kind not in get_args(Kind)
            or not isfinite(self.number)
            or not (low <= self.number <= high and self.number > 0 and whole)
        ):
            raise WorkbenchError(f"A rule for the first threshold is {FORMS}.")

    @classmethod
    def parse(cls, text: str) -> ThresholdRule:
        """The rule that is written so: `share 0.02`, `value 0.1`, `top 200`.

        Raises:
            ValueError: it is none.
        """
        kind, _, number = text.strip().partition(" ")
        try:
            return cls(kind, float(number))  # type: ignore[arg-type]
        except WorkbenchError as error:
            raise ValueError(text) from error

    def __str__(self) -> str:
        return f"{self.kind} {self.number:g}"

    def threshold(self, difference: float, estimates: Any) -> float:
        """The first threshold, in units of the metric, to two digits.

        Where a rule gives nothing (no effect at all is estimated), the usual one is taken.

        Args:
            difference: of the metric, clean and corrupted.
            estimates: of all edges' effects, float [source, destination]; zero: no edge.
        """
        if self.kind == "value":
            return self.number
        if self.kind == "top":
            import numpy as np  # not before it is needed: reading a rule has to be quick

            sizes = np.sort(np.abs(np.asarray(estimates, dtype=np.float64)), axis=None)[::-1]
            sizes = sizes[sizes > 0]
            if sizes.size:
                # Rounded down, so that the edge itself reaches it.
                return _down(float(sizes[min(int(self.number), sizes.size) - 1]))
            return DEFAULT_RULE.threshold(difference, estimates)
        return float(f"{self.number * (abs(difference) or 1):.1e}")


DEFAULT_RULE = ThresholdRule("share", 0.02)
"""What holds where nothing else is said."""


def _down(size: float) -> float:
    """To two digits, never above it."""
    rounded = float(f"{size:.1e}")
    if rounded <= size:
        return rounded
    step = 10.0 ** (int(f"{rounded:e}".split("e")[1]) - 1)
    return float(f"{rounded - step:.1e}")
