"""How far a number may be off for its float32 alone: derived from the computation, not chosen.

A sound computation in float32 gives the exact result of weights that differ from the given ones by
about one rounding each. So the exact result, in float64, is computed again with every weight moved
by half a spacing of float32, up or down at random; how far it moves is what rounding may do here,
times a factor for the many roundings that a weight's product passes through. Where a norm makes
much of a small residual this allows more, by as much as it does; a wrong number is off by the size
of what a source writes, thousands of times as much.
"""

from __future__ import annotations

import numpy as np
import torch

from tests.support.cases.engine_cases import Case, ablated, in_float64

HALF_SPACING = 2.0**-24
"""Largest relative error of rounding a number to float32."""

DRAWS = 3
"""How often the weights are moved."""

FACTOR = 16.0
"""How many times the largest movement is allowed. Measured, the engine is off by 3 times as much at
most, over 9 families, 2 ablations and 12 circuits each.
"""

FLOOR = 1e-6
"""A few spacings of a metric of size 10: what adding up the last logits costs by itself."""


class Rounding:
    """What float32 may do to the metric of circuits of a case.

    Args:
        plain: a case with references in float64.
        ablation: the ablation of the circuits' constants.
    """

    def __init__(self, plain: Case, ablation: str) -> None:
        self._exact = ablated(plain, ablation)
        self._moved = [ablated(moved, ablation) for moved in _all_moved(plain)]

    def allowed(self, edges: set[str]) -> float:
        """The largest difference between a circuit's metric of any pair and the reference's."""
        exact = self._exact.circuit_metric(edges)
        moves = [np.abs(case.circuit_metric(edges) - exact).max() for case in self._moved]
        return FLOOR + FACTOR * float(max(moves))


_KNOWN: dict[int, tuple[Case, list[Case]]] = {}


def _all_moved(case: Case) -> list[Case]:
    """Made once for a case, which the tests of all its ablations share."""
    if id(case) not in _KNOWN:
        _KNOWN[id(case)] = (case, [_moved(case, seed) for seed in range(DRAWS)])
    return _KNOWN[id(case)][1]


def _moved(case: Case, seed: int) -> Case:
    """The case's references with every weight moved by half a spacing of float32."""
    model = in_float64(case.model.hf)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            signs = torch.randint(0, 2, weight.shape, generator=generator) * 2 - 1
            weight.mul_(1 + HALF_SPACING * signs)
    kind = type(case.references[0])
    references = [kind(model, g.clean, g.corrupted) for g in case.experiment.batch.groups]
    return Case(case.model, case.experiment, references, case.answers, case.wrong)
