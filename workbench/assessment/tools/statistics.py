"""Statistics that scipy has no function for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.stats import binom

from workbench.base.work import Work

_AT_ONCE = 100
"""Permutations to a piece of work."""

Values = NDArray[np.float64]


def equivalence_p(wins: float, n: int, epsilon: float) -> float:
    """P-value of H0: |P(win) - 1/2| < epsilon, by the binomial distribution.

    The probability of a share of wins at least as far from one half as this one, where P(win) is at
    the edge of H0, 1/2 + epsilon (by symmetry as well 1/2 - epsilon): nowhere in H0 is it larger.

    Args:
        wins: of n; a tie is half a win.
    """
    shares = np.arange(n + 1) / n
    # A rounding error may not put an equal distance below.
    far = np.abs(shares - 0.5) >= abs(wins / n - 0.5) - 1e-12
    return min(1.0, float(binom.pmf(np.arange(n + 1)[far], n, 0.5 + epsilon).sum()))


def hsic_permutations(
    x: Values, y: Values, n: int, random: np.random.Generator
) -> Work[tuple[float, float]]:
    """H0: two samples [n] are independent, by permutations of one of them.

    The statistic is the Hilbert-Schmidt independence criterion, tr(K H L H) / (n - 1)^2 (Gretton et
    al. 2007), with Gaussian kernels whose sigma is the median distance within each sample.

    Returns:
        The statistic, and the p-value (1 + #{permuted >= it}) / (1 + n).
    """
    k, kernel = _centred(_kernel(x)), _kernel(y)
    observed = float((k * kernel).sum())
    # What differs by rounding alone is equal: there are but a few different permutations of a
    # small sample, and of a constant one just one.
    bound = observed - 1e-9 * float(np.abs(k).sum())
    as_large = 0
    for done in range(n):
        order = random.permutation(len(y))
        as_large += float((k * kernel[np.ix_(order, order)]).sum()) >= bound
        if (done + 1) % _AT_ONCE == 0:
            yield (done + 1) / n
    return observed / (len(x) - 1) ** 2, (1 + as_large) / (1 + n)


def _kernel(x: Values) -> Values:
    distances = pdist(x[:, None])
    sigma = float(np.median(distances))
    return np.asarray(np.exp(-(squareform(distances) ** 2) / (2 * (sigma or 1.0) ** 2)))


def _centred(kernel: Values) -> Values:
    return np.asarray(
        kernel - kernel.mean(axis=0) - kernel.mean(axis=1, keepdims=True) + kernel.mean()
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected by Holm's step-down (1979).

    At most alpha of all families of true null hypotheses has one rejected.
    """
    n = len(p_values)
    corrected = [0.0] * n
    largest = 0.0
    for rank, i in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (n - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
