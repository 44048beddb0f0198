"""Selection where the input is the same in both runs; the ways of selecting: `tests/discovery`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.circuits.edge_arrays import real_edges
from workbench.circuits.graph import Graph
from workbench.circuits.selection import Selection, select_edges


def test_what_reads_an_input_that_is_the_same_in_both_runs_counts_as_fed() -> None:
    """As of context-aware means: no edge from the input is worth anything."""
    graph = Graph(n_layers=2, n_heads=2)
    values = np.full((graph.n_sources, graph.n_destinations), np.nan, dtype=np.float32)
    values[real_edges(graph)] = 0.01
    values[0] = np.where(np.isnan(values[0]), np.nan, 1e-9)  # the rounding of a mean
    plain = select_edges(graph, values, Selection("top", n=3))
    assert (plain.kept, plain.joined) == (0, 0)
    for edge, worth in (("m1->logits", 3), ("a0.h1->m1", 2), ("a0.h0->a1.h1<k>", 2.5)):
        values[graph.parse_edge(edge)] = worth
    selected = select_edges(graph, values, Selection("top", n=3), same_input=True)
    assert set(selected.circuit.edges()) == {"m1->logits", "a0.h1->m1", "input->a0.h1<v>"}
    assert (selected.chosen, selected.kept, selected.joined) == (3, 2, 1)
    filled = select_edges(graph, values, Selection("top", n=4, fill=True), same_input=True)
    assert filled.kept == 4 and filled.circuit.n_edges == 4 + filled.joined


def scored(graph: Graph, **worth: float) -> np.ndarray:
    values = np.full((graph.n_sources, graph.n_destinations), np.nan, dtype=np.float32)
    values[real_edges(graph)] = 0.01
    for edge, value in worth.items():
        values[graph.parse_edge(edge)] = value
    return values


def test_what_the_input_or_nothing_feeds_is_joined_only_where_nothing_does() -> None:
    graph = Graph(n_layers=2, n_heads=2)
    fed = scored(graph, **{"input->a0.h1<k>": 3, "a0.h1->logits": 2})
    selected = select_edges(graph, fed, Selection("top", n=2), same_input=True)
    assert set(selected.circuit.edges()) == {"input->a0.h1<k>", "a0.h1->logits"}
    last = scored(graph, **{"m1->logits": 3})
    selected = select_edges(graph, last, Selection("top", n=1), same_input=True)
    assert set(selected.circuit.edges()) == {"m1->logits", "input->m1"}
    assert (selected.kept, selected.joined) == (1, 1)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_only_the_best_are_sorted(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a million scores a selection of some hundred takes one pass."""
    graph, sort, sizes = Graph(n_layers=4, n_heads=4), np.argsort, list[int]()

    def counted(values: np.ndarray, **how: Any) -> np.ndarray:
        sizes.append(len(values))
        return sort(values, **how)

    values = np.full((graph.n_sources, graph.n_destinations), np.nan, dtype=np.float32)
    places = np.argwhere(real_edges(graph))
    values[tuple(places.T)] = np.random.default_rng(0).permutation(len(places))
    monkeypatch.setattr(np, "argsort", counted)
    selected = select_edges(graph, values, Selection("top", n=n))
    assert selected.chosen == n and sizes == [n]
