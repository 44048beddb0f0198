"""What an assessment may be told; every part heeds what concerns it. Pure data, no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from workbench.discovery.catalogue import METHODS, find_method
from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class AssessmentSettings:
    """The settings of all parts of an assessment.

    Attributes:
        seed: of whatever is random; each part draws from a generator of its own with this seed.
        resamples: of the prompts, for the bootstrap intervals.
        confidence: of those intervals.
        n_random: random circuits to compare with.
        n_subsets: random subsets of the circuit to knock out.
        n_repeats: how often a circuit is found again on other prompts.
        alpha: level of the hypothesis tests, before the correction for multiple testing.
        epsilon: how far from one half the share of wins may lie for circuit and model to count as
            equivalent.
        q: a circuit counts as sufficient, an edge as needed, if it beats this share of the random
            ones.
        method: which method of discovery scores edges, where the circuit brings no scores, and
            finds the circuit again.
        strong: an effect counts as strong above this share of the span, the difference between the
            metric of the model and of the corrupted run.
        weak: and as missing in one direction below this fraction of what it is in the other.
    """

    seed: int = 0
    resamples: int = 2000
    confidence: float = 0.95
    n_random: int = 100
    n_subsets: int = 20
    n_repeats: int = 20
    alpha: float = 0.05
    epsilon: float = 0.1
    q: float = 0.9
    method: str = "eap"
    strong: float = 0.1
    weak: float = 0.25

    def __post_init__(self) -> None:
        """Raises WorkbenchError for a number that means nothing, or an unknown method."""
        for name in ("resamples", "n_random", "n_subsets", "n_repeats"):
            if getattr(self, name) < 1:
                raise WorkbenchError(f"{name} is a number from 1 up, not {getattr(self, name)}.")
        for name in ("confidence", "alpha", "q", "strong", "weak"):
            if not 0 < getattr(self, name) < 1:
                raise WorkbenchError(
                    f"{name} lies between 0 and 1, and {getattr(self, name)} does not."
                )
        if not 0 < self.epsilon < 0.5:
            raise WorkbenchError(f"epsilon lies between 0 and 0.5, and {self.epsilon} does not.")
        if self.seed < 0:
            raise WorkbenchError(f"A seed is a number from 0 up, not {self.seed}.")
        method = find_method(self.method)
        if method.kind != "edges":
            scoring = ", ".join(name for name, m in METHODS.items() if m.kind == "edges")
            raise WorkbenchError(
                f"An assessment needs a method that scores edges, and {method.name} does not: "
                f"choose one of {scoring}."
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
