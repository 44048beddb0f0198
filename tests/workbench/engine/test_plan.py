"""A plan edge by edge is the plan by whole stages."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.circuits.circuit import all_edges
from workbench.circuits.graph import Graph
from workbench.engine import plan
from workbench.engine.plan import make_plan


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_small_circuit_goes_edge_by_edge(
    seed: int, parallel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, rng = Graph(3, 2, parallel), np.random.default_rng(seed)
    real = all_edges(graph)
    share = (0.03, 0.1, 0.5, 1.0)[seed % 4]
    mask = real & (rng.random(real.shape) < share)
    is_open = rng.random(graph.n_destinations) < (0.0, 0.2, 0.6)[seed % 3]
    mask[:, is_open] = False
    demand = rng.integers(0, 3, graph.n_sources).astype(np.uint8) if seed % 2 else None
    few = make_plan(graph, mask, is_open, demand)
    monkeypatch.setattr(plan, "_FEW_EDGES", -1)
    many = make_plan(graph, mask, is_open, demand)
    for name in ("live", "need", "need_in"):
        assert np.array_equal(getattr(few, name), getattr(many, name)), name
        assert getattr(few, name).dtype == getattr(many, name).dtype
