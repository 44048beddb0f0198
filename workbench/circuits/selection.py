"""Selection: from scores to a circuit.

Three ways: the n best edges of all; every edge whose score reaches a threshold; and greedily from
the logits, where the best edge into a node that is already reached comes next (Hanna et al. 2024,
2403.17806). Dead ends are pruned afterwards, so that fewer edges are kept than were chosen: both
numbers are always given. Edges that have no score, NaN, are never chosen.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import real_edges
from workbench.circuits.graph import INPUT, LOGITS, Graph
from workbench.circuits.node_circuit import best_nodes, node_circuit
from workbench.errors import WorkbenchError

How = Literal["top", "threshold", "greedy"]

Order = NDArray[np.intp]
"""Places in a flattened [source, destination] matrix, the best first."""


@dataclass(frozen=True)
class Selection:
    """How edges are chosen by their scores. Of equal ones the first in the matrix is taken.

    Attributes:
        how: 'top': the n best; 'threshold': all that reach it; 'greedy': n times the best edge into
            a node that is reached, from the logits upward.
        n: how many edges ('top', 'greedy'); nodes, for a method that scores nodes.
        threshold: in units of the scores, itself included ('threshold').
        signed: by importance, which is positive where the task needs the edge; else by |score|.
        fill: n is the number that is left after pruning: as many are chosen as leave at most n.
        by_role: what is chosen and counted is edges at roles of the prompts.

    Glossary: docs/glossary.md#selection.
    """

    how: How = "top"
    n: int | None = None
    threshold: float | None = None
    signed: bool = False
    fill: bool = False
    by_role: bool = False

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            ways = ", ".join(get_args(How))
            raise WorkbenchError(f"There is no selection {self.how!r}; choose one of: {ways}.")
        if self.how == "threshold":
            if self.n is not None or self.fill:
                raise WorkbenchError("A threshold chooses as many as reach it: give no number.")
            if self.threshold is None or not math.isfinite(self.threshold):
                raise WorkbenchError("The threshold has to be a finite number.")
            if self.threshold < 0 and not self.signed:
                raise WorkbenchError("No |score| is below 0: give a threshold of 0 or more.")
        elif self.threshold is not None:
            raise WorkbenchError("Choose by a number or by a threshold, not by both.")
        elif self.n is None or self.n < 1:
            raise WorkbenchError("The number to choose has to be 1 or more.")


@dataclass(frozen=True)
class Selected:
    """A circuit, and how many edges or nodes it came from.

    Attributes:
        circuit: closed, without dead ends.
        unit: what is counted: 'edges', 'edges at roles', or 'nodes' (input and logits, always in,
            do not count).
        asked: the number that was asked for; None where it was not a number.
        chosen: how many were taken before pruning.
        kept: how many of them are left after it.
        joined: edges from the input that were added besides: they carry nothing, and without them
            nothing would join the others to the input.

    Glossary: docs/glossary.md#asked-chosen-kept.
    """

    circuit: Circuit
    unit: Literal["edges", "edges at roles", "nodes"]
    asked: int | None
    chosen: int
    kept: int
    joined: int = 0


def select_edges(
    graph: Graph, values: NDArray[np.float32], selection: Selection, *, same_input: bool = False
) -> Selected:
    """The circuit of the edges that a selection takes, the largest values first.

    Args:
        values: [source, destination], what edges are worth: |score|, or a score with its sign;
            NaN where there is none.
        same_input: what the input writes is the same in both runs, so that what reads it counts
            as fed; see `Selected.joined`.
    """
    n = selection.n
    if n is None:
        assert selection.threshold is not None
        # In float64, where a score has the value that a file shows.
        reached = real_edges(graph) & (values.astype(np.float64) >= selection.threshold)
        return pruned_circuit(graph, np.flatnonzero(reached), None, same_input=same_input)

    def best(count: int) -> Order:
        return _best(graph, values, selection.how, count)

    def left(places: Order) -> Selected:
        return pruned_circuit(graph, places, n, same_input=same_input)

    return most_that_leave(best, left, n) if selection.fill else left(best(n))


def _best(graph: Graph, values: NDArray[np.float32], how: How, count: int) -> Order:
    """At most so many edges, the best first: any shorter beginning is what fewer would give."""
    if how == "greedy":
        return np.fromiter(islice(_greedily(graph, values), count), dtype=np.intp)
    places = np.flatnonzero(real_edges(graph) & ~np.isnan(values))
    return places[_largest(values.reshape(-1)[places], count)]


def _largest(values: NDArray[np.float32], count: int) -> Order:
    """Indices of the largest values, none of them NaN, the largest first.

    Equal ones as they stand.
    """
    worth = -values
    near = np.arange(len(worth))
    if count < len(worth):
        near = np.flatnonzero(worth <= np.partition(worth, count - 1)[count - 1])
    return near[np.argsort(worth[near], kind="stable")[:count]]


def _greedily(graph: Graph, values: NDArray[np.float32]) -> Iterator[int]:
    """All edges of a walk upward from the logits, always the best into a node that is reached.

    Each reached node puts only its next best edge on the heap, so that the heap is never larger
    than the number of nodes.
    """
    waiting: list[tuple[float, int, Iterator[tuple[float, int]]]] = []
    reached: set[int] = set()

    def reach(columns: list[int]) -> None:
        rest = _into(graph, values, columns)
        first = next(rest, None)
        if first is not None:
            heapq.heappush(waiting, (*first, rest))

    reach([graph.logits_destination])
    while waiting:
        _, place, rest = waiting[0]
        following = next(rest, None)
        if following is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (*following, rest))
        yield place
        source = place // graph.n_destinations
        if source not in reached:
            reached.add(source)
            name = graph.sources[source]
            reach([graph.destination_index(d) for d in graph.destinations_of(name)])


def _into(
    graph: Graph, values: NDArray[np.float32], columns: list[int]
) -> Iterator[tuple[float, int]]:
    """(-value, place) of all edges into some destinations of one node, the best first."""
    if not columns:
        return iter(())
    n_parents = graph.n_parents(columns[0])
    worth = -values[:n_parents, columns]
    places = np.arange(n_parents)[:, None] * graph.n_destinations + np.array(columns)
    known = ~np.isnan(worth)
    worth, places = worth[known], places[known]
    order = np.argsort(worth, kind="stable")
    return ((float(worth[i]), int(places[i])) for i in order)


def most_that_leave(
    best: Callable[[int], Order], left: Callable[[Order], Selected], n: int
) -> Selected:
    """Of the most edges that leave at most n after pruning; more edges never leave fewer.

    Args:
        best: so many edges at most, the best first: any shorter beginning is what fewer would give.
        left: what they leave.
    """
    count = n
    while True:
        order = best(count)
        if len(order) < count or left(order).kept > n:
            break
        count *= 2
    low, high = min(n, len(order)), len(order)
    while low < high:
        middle = (low + high + 1) // 2
        if left(order[:middle]).kept <= n:
            low = middle
        else:
            high = middle - 1
    return left(order[:low])


def select_nodes(
    graph: Graph, scores: NDArray[np.float32], selection: Selection, needed: int = 0
) -> Selected:
    """All edges among the best nodes, the input and the logits; these two are not counted.

    Args:
        scores: [source], NaN where there is none.
        needed: the sign of a node that the task needs, to rank by signed scores; 0 for |score|.
    """
    nodes = best_nodes(graph, scores, selection.n or graph.n_sources, needed=needed)
    if selection.threshold is not None:
        worth = (needed * scores if needed else np.abs(scores)).astype(np.float64)
        nodes = tuple(n for n in nodes if worth[graph.source_index(n)] >= selection.threshold)
    circuit = node_circuit(graph, nodes)
    left = len(set(circuit.nodes()) - {INPUT, LOGITS})
    return Selected(circuit, "nodes", selection.n, len(nodes), left)


def pruned_circuit(
    graph: Graph, places: Order, asked: int | None, *, same_input: bool = False
) -> Selected:
    """The circuit of the edges at these places, without dead ends.

    Args:
        same_input: the input is the same in both runs; see `Selected.joined`.
    """
    circuit = Circuit.empty(graph)
    circuit.mask.reshape(-1)[places] = True
    chosen = circuit.mask.copy()
    if same_input:
        _join(graph, circuit.mask)
    circuit = circuit.pruned()
    joined = int((circuit.mask & ~chosen).sum())
    return Selected(circuit, "edges", asked, len(places), circuit.n_edges - joined, joined)


def _join(graph: Graph, mask: NDArray[np.bool_]) -> None:
    """Add an edge from the input to every node with readers that nothing else feeds, in place."""
    fed = np.zeros(graph.n_sources, dtype=bool)
    fed[0] = True
    for stage in graph.stages[:-1]:
        parents = slice(0, stage.parents)
        reads = (mask[parents, stage.columns] & fed[parents, None]).any(axis=0)
        # Any input of a head will do: what the others read is the same with it and without.
        n = stage.rows.stop - stage.rows.start
        is_fed = reads.reshape(-1, n).any(axis=0)
        starving = np.logical_and(~is_fed, mask[stage.rows].any(axis=1))
        mask[0, stage.columns.stop - n : stage.columns.stop] |= starving
        fed[stage.rows] = is_fed | starving
