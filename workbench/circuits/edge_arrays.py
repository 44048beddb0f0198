"""Edges of a file as index arrays: many names at once, and the order of EAP-IG's lists."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError

Indices = NDArray[np.intp]

# Cells of a [source, destination] matrix: 80 million in a model of 70 billion parameters, whose
# scores take 320 MB. A file of a few bytes can claim any shape; this one is refused before memory
# is taken.
MAX_CELLS = 100_000_000


def graph_of_shape(n_layers: int, n_heads: int, parallel: bool) -> Graph:
    """The graph that a file claims to be about.

    Raises:
        WorkbenchError: no layer or no head, or a matrix of its edges would not fit in memory.
    """
    graph = Graph(n_layers, n_heads, parallel)
    if graph.n_sources * graph.n_destinations > MAX_CELLS:
        raise WorkbenchError("It claims to be of a model with more edges than can be handled.")
    return graph


def edge_indices(graph: Graph, names: Iterable[str]) -> tuple[Indices, Indices]:
    """Sources and destinations of edges, by name.

    Raises:
        WorkbenchError: for the first that is no edge's name, names an unknown node or runs
            backward.
    """
    names = names if isinstance(names, list) else list(names)
    # One pass with two look-ups an edge; -1 for the unknown, which are then explained one by one.
    flat = np.fromiter(graph.end_indices(names), dtype=np.intp, count=2 * len(names))
    sources, destinations = flat[::2].copy(), flat[1::2].copy()
    wrong = (sources < 0) | (destinations < 0) | (sources >= parent_counts(graph)[destinations])
    if wrong.any():
        graph.parse_edge(names[int(np.flatnonzero(wrong)[0])])
        raise AssertionError("parse_edge knows an edge that edge_indices does not")
    return sources, destinations


def edge_names(graph: Graph, sources: Indices, destinations: Indices) -> list[str]:
    """Names of edges, given their index arrays."""
    starts = [f"{name}->" for name in graph.sources]
    ends = graph.destinations
    return [
        starts[s] + ends[d] for s, d in zip(sources.tolist(), destinations.tolist(), strict=True)
    ]


@lru_cache(maxsize=4)
def parent_counts(graph: Graph) -> Indices:
    """For each destination, how many sources may feed it: always the first so many."""
    return np.array([graph.n_parents(d) for d in range(graph.n_destinations)], dtype=np.intp)


def real_edges(graph: Graph) -> NDArray[np.bool_]:
    """bool [source, destination], true where the architecture has an edge."""
    return np.arange(graph.n_sources)[:, None] < parent_counts(graph)[None, :]


@lru_cache(maxsize=4)
def eap_ig_order(graph: Graph) -> tuple[Indices, Indices]:
    """Sources and destinations of all edges, in the order of `Graph.edges`."""
    sources: list[Indices] = []
    destinations: list[Indices] = []
    for layer in range(graph.n_layers):
        columns = graph.head_inputs(layer)
        before = np.arange(graph.n_parents(columns.start))
        # Head by head its q, k and v.
        inputs = np.arange(columns.start, columns.stop).reshape(3, graph.n_heads).T.reshape(-1)
        mlp = graph.mlp_destination(layer)
        if graph.parallel:
            inputs = np.append(inputs, mlp)
        sources.append(np.repeat(before, len(inputs)))
        destinations.append(np.tile(inputs, len(before)))
        if not graph.parallel:
            sources.append(np.arange(graph.n_parents(mlp)))
            destinations.append(np.full(graph.n_parents(mlp), mlp))
    sources.append(np.arange(graph.n_sources))
    destinations.append(np.full(graph.n_sources, graph.logits_destination))
    return np.concatenate(sources), np.concatenate(destinations)
