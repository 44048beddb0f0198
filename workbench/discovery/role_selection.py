"""Selection of edges at roles: each by its own score, and dead ends go role by role.

An edge all of whose roles are chosen is whole. What is chosen may be cut off from the logits or
from the input at its positions: an edge into a value at a role at which nothing clean arrives, or
one that no query can look back at. Greedily, the best edge at a role comes next at which what it
enters is read, on the way to the logits, by what is chosen so far.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import all_edges
from workbench.circuits.graph import Graph
from workbench.circuits.names import input_of
from workbench.circuits.selection import Order, Selected, Selection, most_that_leave
from workbench.discovery.findings import Findings
from workbench.engine.kept_edges import Bits, circuit_of, role_arrays, role_bits_of
from workbench.engine.plan import pruned_by_roles
from workbench.engine.role_layout import LAST, RoleLayout
from workbench.errors import WorkbenchError


def select_at_roles(findings: Findings, selection: Selection) -> Selected:
    """The circuit of the edges at roles that a selection takes.

    Raises:
        WorkbenchError: edges were not scored by role, or the input is the same in both runs.
    """
    scores, layout, graph = findings.at_roles, findings.layout, findings.graph
    if scores is None or layout is None:
        raise WorkbenchError(f"{findings.method} was not asked to score edges by role.")
    check_input_differs(findings)
    values = findings.importance_at_roles() if selection.signed else np.abs(scores)
    known = np.flatnonzero(all_edges(graph) & ~np.isnan(values))
    worth = values.reshape(-1)[known]
    n = selection.n

    def best(count: int) -> Order:
        if selection.how == "greedy":
            return np.fromiter(islice(_greedily(graph, values, layout), count), dtype=np.intp)
        return known[np.argsort(-worth, kind="stable")[:count]]

    def left(places: Order) -> Selected:
        chosen = np.zeros(scores.shape, dtype=bool)
        chosen.reshape(-1)[places] = True
        return pruned_at_roles(findings, role_bits_of(chosen), n)

    if n is None:
        assert selection.threshold is not None
        return left(known[worth.astype(np.float64) >= selection.threshold])
    return most_that_leave(best, left, n) if selection.fill else left(best(n))


def check_input_differs(findings: Findings) -> None:
    """Refuse edges at roles where nothing tells what feeds a node at one.

    Raises:
        WorkbenchError: the input is the same in both runs.
    """
    if findings.same_input:
        raise WorkbenchError(
            "The input is the same in both runs, so that nothing tells which of its edges feed a "
            "node at a role: choose another ablation, or whole edges."
        )


def pruned_at_roles(findings: Findings, kept: Bits, asked: int | None) -> Selected:
    """The circuit of edges at roles without dead ends.

    Args:
        kept: uint64 [source, destination], the roles of each edge as bits.
    """
    graph, n_roles = findings.graph, len(findings.roles)
    assert findings.layout is not None
    left = pruned_by_roles(graph, kept, findings.layout)
    chosen, n = (int(role_arrays(bits, n_roles).sum()) for bits in (kept, left))
    circuit = circuit_of(graph, left, findings.roles)
    return Selected(circuit, "edges at roles", asked, chosen, n)


def _greedily(graph: Graph, values: NDArray[np.float32], layout: RoleLayout) -> Iterator[int]:
    """Places in [role, source, destination], always the best that is read, from the logits on."""
    walk = _Walk(graph, values, layout)
    walk.read(graph.logits_destination, LAST)
    while walk.waiting:
        _, place = heapq.heappop(walk.waiting)
        yield place
        walk.take(*(int(i) for i in np.unravel_index(place, values.shape)))


class _Walk:
    """Edges at roles that may come next, as more is read at more positions.

    Attributes:
        waiting: a heap of (-value, place in [role, source, destination]).
    """

    def __init__(self, graph: Graph, values: NDArray[np.float32], layout: RoleLayout) -> None:
        self.waiting: list[tuple[float, int]] = []
        self._graph, self._values, self._layout = graph, values, layout
        self._positions = layout.positions(role_bits_of(np.eye(len(values), dtype=bool)))
        self._need = np.zeros(graph.n_sources, dtype=np.uint64)
        self._need_in = np.zeros(graph.n_destinations, dtype=np.uint64)
        self._taken = np.zeros((graph.n_sources, graph.n_destinations), dtype=np.uint64)

    def take(self, role: int, source: int, destination: int) -> None:
        """An edge at a role is chosen: what it comes from is read there."""
        self._taken[source, destination] |= self._positions[role]
        self._needed(source, self._positions[role] & self._need_in[destination])

    def read(self, destination: int, positions: np.uint64) -> None:
        """A destination is read at these positions: edges into it may come next there."""
        graph, before = self._graph, self._need_in[destination]
        if not positions & ~before:
            return
        self._need_in[destination] = after = before | positions
        parents = graph.n_parents(destination)
        new = ((self._positions & after) != 0) & ((self._positions & before) == 0)
        for role in np.flatnonzero(new):
            column = self._values[role, :parents, destination]
            first = int(role) * graph.n_sources
            for source in np.flatnonzero(~np.isnan(column)):
                place = (first + int(source)) * graph.n_destinations + destination
                heapq.heappush(self.waiting, (-float(column[source]), place))
        for source in np.flatnonzero(self._taken[:, destination] & positions):
            self._needed(int(source), self._taken[source, destination] & after)

    def _needed(self, source: int, positions: np.uint64) -> None:
        if source == 0 or not positions & ~self._need[source]:
            return
        self._need[source] |= positions
        earlier = self._layout.before(np.array([positions], dtype=np.uint64))[0]
        name = self._graph.sources[source]
        for destination in self._graph.destinations_of(name):
            looked_at = input_of(destination) in ("k", "v")
            column = self._graph.destination_index(destination)
            self.read(column, earlier if looked_at else positions)
