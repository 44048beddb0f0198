"""Pruning of dead ends, against the definition applied edge by edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import Graph


def without_dead_ends(circuit: Circuit) -> set[str]:
    """A node stays while it has a kept edge out, and a kept edge in or an open input."""
    kept = set(circuit.edges())
    changed = True
    while changed:
        changed = False
        for edge in sorted(kept):
            ends = (edge.split("->")[0], edge.split("->")[1].split("<")[0])
            for node in ends:
                feeds = node == "logits" or any(e.startswith(f"{node}->") for e in kept)
                fed = (
                    node == "input"
                    or any(e.split("->")[1].split("<")[0] == node for e in kept)
                    or any(d.split("<")[0] == node for d in circuit.open)
                )
                if edge in kept and not (feeds and fed):
                    kept.remove(edge)
                    changed = True
    return kept


@given(
    st.builds(Graph, st.integers(1, 3), st.integers(1, 3), st.booleans()),
    st.integers(0, 2**32 - 1),
    st.floats(0.02, 0.6),
    st.sampled_from([0.0, 0.2]),
)
def test_what_stays(graph: Graph, seed: int, density: float, share_open: float) -> None:
    numbers = np.random.default_rng(seed)
    mask = all_edges(graph) & (numbers.random((graph.n_sources, graph.n_destinations)) < density)
    opened = frozenset(d for d in graph.destinations if numbers.random() < share_open)
    circuit = Circuit(graph, mask, opened, notes={"": "kept"})
    before = mask.copy()
    pruned = circuit.pruned()
    assert set(pruned.edges()) == without_dead_ends(circuit)
    assert pruned.open == opened and pruned.notes == {"": "kept"}
    np.testing.assert_array_equal(circuit.mask, before)


@pytest.mark.parametrize("edges", [[], ["a0.h0->m1"], ["input->a0.h1<q>"], ["m0->logits"]])
def test_nothing_is_left_of_what_joins_nothing(edges: list[str]) -> None:
    assert Circuit.from_edges(Graph(2, 2), edges).pruned().n_edges == 0
