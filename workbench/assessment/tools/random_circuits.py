"""Random circuits without dead edges: of a size, of a circuit's shape, and random paths.

Layout of every mask: bool [source, destination], as in `Graph`.

Glossary: docs/glossary.md#random-circuits.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import all_edges
from workbench.circuits.graph import HEAD_INPUTS, Graph

Mask = NDArray[np.bool_]
Edge = tuple[int, int]

_Kept = TypeVar("_Kept", bound=NDArray[Any])

_TRIES = 50


class RandomCircuits:
    """Draws circuits of a graph.

    Args:
        seed: of all that is drawn; the same seed and the same order of calls give the same.
    """

    def __init__(self, graph: Graph, seed: int | tuple[int, ...]) -> None:
        self.graph = graph
        self._random = np.random.default_rng(seed)
        self._all = all_edges(graph)
        self._edges = np.flatnonzero(self._all)
        # Which source a destination is an input of; the logits are none.
        self._owner = np.array([-1 if row is None else row for row in graph.owners])
        self._columns = [np.flatnonzero(self._owner == s) for s in range(graph.n_sources)]

    def of_size(self, n_edges: int) -> Mask:
        """A circuit of exactly so many edges, none of them dead.

        Edges are drawn one after the other from all that are not in yet. To each comes a random way
        from the circuit so far (or the input), and from it to the circuit so far (or the logits).
        At the end, where there is no room for that, edges between nodes of the circuit are drawn.

        Args:
            n_edges: from 0 to all.
        """
        while True:
            mask = np.zeros_like(self._all)
            room = n_edges
            while room and (path := self._fitting(mask, room)):
                for edge in path:
                    mask[edge] = True
                room -= len(path)
            if not room:
                return mask

    def of_shape(self, mask: _Kept) -> _Kept:
        """A circuit with the heads of every layer exchanged; q, k and v stay what they are.

        So do the roles at which edges are kept, where they stand in its array.

        Between any two layers and kinds of input there are as many edges as before, and every head
        has as many of each as the one in whose place it came.
        """
        graph = self.graph
        sources, columns = np.arange(graph.n_sources), np.arange(graph.n_destinations)
        for layer in range(graph.n_layers):
            order = self._random.permutation(graph.n_heads)
            heads = graph.head_rows(layer)
            sources[heads] = heads.start + order
            for which in range(len(HEAD_INPUTS)):
                inputs = graph.head_inputs(layer, which)
                columns[inputs] = inputs.start + order
        shuffled = np.zeros_like(mask)
        shuffled[np.ix_(sources, columns)] = mask
        return shuffled

    def path(self, mask: Mask) -> list[Edge]:
        """A random path from the input to the logits: its edges that a circuit does not have.

        A random edge outside the circuit, with a random way from the circuit (or the input) to it
        and one from it to the circuit (or the logits); in the order in which they are passed.

        Args:
            mask: a circuit without dead edges, and not of all edges.
        """
        return self._path(np.asarray(mask.any(axis=1)), self._outside(mask))

    def one_of(self, n: int) -> int:
        """A random number from 0 to n - 1."""
        return int(self._random.integers(n))

    def _outside(self, mask: Mask) -> Edge:
        for _ in range(_TRIES):
            edge = divmod(int(self._edges[self.one_of(len(self._edges))]), mask.shape[1])
            if not mask[edge]:
                return edge
        return self._pick(self._all & ~mask)

    def _pick(self, among: Mask) -> Edge:
        found = np.flatnonzero(among)
        return divmod(int(found[self.one_of(len(found))]), among.shape[1])

    def _path(self, inside: NDArray[np.bool_], edge: Edge, *, direct: bool = False) -> list[Edge]:
        """An edge with ways to it and from it.

        Args:
            inside: bool [source], the circuit's nodes.
            direct: the ways are single edges, from the input and to the logits.
        """
        source, column = edge
        passed = [edge]
        while source != 0 and not inside[source]:
            inputs = self._columns[source]
            into = int(inputs[self.one_of(len(inputs))])
            source = 0 if direct else self.one_of(self.graph.n_parents(into))
            passed.insert(0, (source, into))
        while (node := int(self._owner[column])) >= 0 and not inside[node]:
            readers = np.flatnonzero(self._all[node])
            column = int(readers[-1] if direct else readers[self.one_of(len(readers))])
            passed.append((node, column))
        return passed

    def _fitting(self, mask: Mask, room: int) -> list[Edge]:
        """At least one edge and at most so many that may be added; none if there are none."""
        inside = np.asarray(mask.any(axis=1))
        edge = self._outside(mask)
        for direct in (False, True):
            path = self._path(inside, edge, direct=direct)
            if len(path) <= room:
                return path
        inner = self._all & ~mask
        inner[~inside & (np.arange(len(inside)) > 0)] = False
        inner[:, (self._owner >= 0) & ~inside[self._owner]] = False
        return [self._pick(inner)] if inner.any() else []
