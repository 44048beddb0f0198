"""Selection where the input is the same in both runs; the ways of selecting: `tests/discovery`."""

from __future__ import annotations

import numpy as np

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
