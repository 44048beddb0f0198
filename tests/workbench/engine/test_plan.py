"""A plan edge by edge is the plan by whole stages."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.circuits.circuit import all_edges
from workbench.circuits.graph import Graph
from workbench.engine import plan
from workbench.engine.kept_edges import as_bits
from workbench.engine.plan import make_plan
from workbench.engine.role_layout import RoleLayout


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


def test_what_the_tables_of_a_graph_say() -> None:
    graph = Graph(3, 2)
    table = plan.tables(graph)
    keys = [name for name, yes in zip(graph.destinations, table.is_key, strict=True) if yes]
    assert keys == [name for name in graph.destinations if name.endswith(("<k>", "<v>"))]
    for number, stage in enumerate(graph.stages):
        assert set(table.stage_of_input[stage.columns]) == {number}
        if stage.kind != "logits":
            assert set(table.stage_of_source[stage.rows]) == {number}


def test_a_small_circuit_in_a_large_graph_is_gone_through_edge_by_edge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By stages of the mask it takes a hundred times as long, for the same plan."""

    def never(*_: object) -> None:
        raise AssertionError("gone through by stages")

    graph = Graph(3, 2)
    monkeypatch.setattr(plan, "_live", never)
    make_plan(graph, all_edges(graph), np.zeros(graph.n_destinations, dtype=bool))


@pytest.mark.parametrize("seed", range(8))
def test_by_roles_the_plan_of_whole_edges_is_the_plan(seed: int) -> None:
    """Open inputs, of the logits too, and stages into which no edge is kept among them."""
    graph, rng = Graph(3, 2), np.random.default_rng(seed)
    mask = all_edges(graph) & (rng.random((graph.n_sources, graph.n_destinations)) < 0.15)
    is_open = rng.random(graph.n_destinations) < (0.0, 0.1, 0.4)[seed % 3]
    is_open[-1] = seed == 7
    mask[:, is_open] = False
    demand = rng.integers(0, 3, graph.n_sources).astype(np.uint8) if seed % 2 else None
    layout = RoleLayout.of_rows([(0, 1, 2, 1), (1, 0, 2, 2)])
    whole = make_plan(graph, mask, is_open, demand)
    by_roles = make_plan(graph, as_bits(mask), is_open, demand, layout)
    for name in ("live", "need", "need_in"):
        assert np.array_equal(getattr(whole, name), getattr(by_roles, name)), name


def test_open_logits_need_nothing_by_roles_either() -> None:
    graph, layout = Graph(1, 1), RoleLayout.of_rows([(0, 1)])
    is_open = np.zeros(graph.n_destinations, dtype=bool)
    is_open[-1] = True
    mask = all_edges(graph) & ~is_open
    assert not make_plan(graph, as_bits(mask), is_open, None, layout).need.any()
    is_open[:] = [True, True, True, True, False]
    mask = all_edges(graph) & ~is_open
    assert make_plan(graph, as_bits(mask), is_open, None, layout).need.tolist() == [0, 1, 1]


def test_an_edge_carries_something_at_the_role_that_the_last_position_has() -> None:
    graph, layout = Graph(1, 1), RoleLayout.of_rows([(0, 1)])
    kept = np.zeros((graph.n_sources, graph.n_destinations), dtype=np.uint64)
    into = graph.parse_edge("input->logits")
    for bits, left in ((1, 0), (2, 2), (3, 2)):
        kept[into] = bits
        assert plan.pruned_by_roles(graph, kept, layout)[into] == left
