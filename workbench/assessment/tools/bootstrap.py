"""Bootstrap intervals: how much a number depends on which prompts are in the batch.

The pairs are drawn anew, with replacement, as many as there are, and the number is computed from
each draw; the interval reaches from percentile to percentile (Efron 1979). A ratio of means is
computed anew as such from every draw, its numerator and denominator from the same pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.assessment.results.faithfulness import Estimate

# A span below this share of the metrics themselves is none, as in `Experiment.faithfulness`.
NO_SPAN = 1e-5

Values = NDArray[np.float64]
"""One number for each pair, [pair]."""


@dataclass(frozen=True)
class Bootstrap:
    """Draws of pairs, the same for every number computed with them.

    Attributes:
        draws: [resample, pair], indices of pairs.
        confidence: of the intervals.
    """

    draws: NDArray[np.int64]
    confidence: float

    @classmethod
    def of(cls, n_pairs: int, resamples: int, confidence: float, seed: int) -> Bootstrap:
        """Draw `n_pairs` pairs out of as many, with replacement, `resamples` times."""
        generator = np.random.default_rng(seed)
        return cls(generator.integers(0, n_pairs, (resamples, n_pairs)), confidence)

    def mean(self, values: Values) -> Estimate:
        """The mean over the pairs."""
        return self._estimate(float(values.mean()), self._means(values))

    def ratio(
        self, circuit: Values, model: Values, corrupted: Values, value: float | None
    ) -> tuple[Estimate, int]:
        """Faithfulness, (circuit - corrupted) / (model - corrupted) of the means.

        Args:
            value: over the pairs as they are; None if it is not defined, and so no interval is.

        Returns:
            The estimate, and in how many resamples the ratio is not defined.
        """
        if value is None:
            return Estimate(None), len(self.draws)
        m_circuit, m_model, m_corrupted = (self._means(v) for v in (circuit, model, corrupted))
        span = m_model - m_corrupted
        scale = np.maximum(np.maximum(np.abs(m_model), np.abs(m_corrupted)), 1e-6)
        defined = np.abs(span) >= NO_SPAN * scale
        ratios = (m_circuit - m_corrupted)[defined] / span[defined]
        return self._estimate(value, ratios), int((~defined).sum())

    def _means(self, values: Values) -> Values:
        return np.asarray(values[self.draws].mean(axis=1))

    def _estimate(self, value: float, resampled: Values) -> Estimate:
        """No interval from a single pair, which every draw repeats."""
        if self.draws.shape[1] < 2 or not resampled.size:
            return Estimate(value)
        outside = (1 - self.confidence) / 2
        low, high = np.quantile(resampled, [outside, 1 - outside])
        return Estimate(value, float(low), float(high))
