"""Hypotheses about a circuit, tested: what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Test:
    """One test.

    Attributes:
        name: of the test.
        edge: which edge it is about; empty unless it is of minimality.
        hypothesis: H0, in plain words.
        statistic: its value.
        statistic_name: what it is.
        n: how many pairs, or random circuits, it rests on.
        p: the p-value.
        holm: corrected over all tests by Holm's step-down (family-wise error rate).
        benjamini_hochberg: corrected over all tests by Benjamini and Hochberg (false discovery
            rate).
        rejected, rejected_holm, rejected_benjamini_hochberg: whether H0 is rejected at alpha, by
            the p-value as it is and by the corrected ones.
        speaks_against: rejecting H0 speaks against the circuit, not for it.
    """

    __test__ = False  # no test of pytest's

    name: str
    edge: str
    hypothesis: str
    statistic: float
    statistic_name: str
    n: int
    p: float
    holm: float
    benjamini_hochberg: float
    rejected: bool
    rejected_holm: bool
    rejected_benjamini_hochberg: bool
    speaks_against: bool


@dataclass(frozen=True)
class Hypotheses:
    """All tests, those of minimality last, edge by edge.

    Attributes:
        alpha, epsilon, q: as in the settings.
        tests: all that could be made; the corrections are over all of these.
        remarks: which could not, and why, in sentences.
    """

    alpha: float
    epsilon: float
    q: float
    tests: tuple[Test, ...]
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)
