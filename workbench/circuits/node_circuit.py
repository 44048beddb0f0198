"""From scores of nodes to a circuit: the best nodes, and every edge among them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import Circuit, all_edges
from workbench.circuits.graph import INPUT, LOGITS, Graph
from workbench.errors import WorkbenchError


def best_nodes(
    graph: Graph, scores: NDArray[np.float32], n: int, *, needed: int = 0
) -> tuple[str, ...]:
    """The best nodes by score, best first; of equal ones the earlier.

    Args:
        scores: [source]; NaN for nodes without one, which are never taken. The input's plays no
            part: it is in every circuit.
        n: how many; fewer come back if fewer have a score.
        needed: the sign of a node that the task needs (`Findings.needed`), to rank by signed
            scores; 0 to rank by their magnitude.

    Raises:
        WorkbenchError: n is less than 1.
    """
    if n < 1:
        raise WorkbenchError(f"A circuit has at least one node, not {n}; ask for more.")
    worth = np.abs(scores) if needed == 0 else needed * scores
    order = np.argsort(-worth, kind="stable")  # NaN comes last
    ranked = (graph.sources[i] for i in order if not np.isnan(worth[i]))
    return tuple(node for node in ranked if node != INPUT)[:n]


def node_circuit(graph: Graph, nodes: Iterable[str]) -> Circuit:
    """Every edge of the graph among these nodes, the input and the logits, without dead ends.

    Raises:
        WorkbenchError: there is no such node.
    """
    inside = {INPUT, LOGITS, *nodes}
    sources = [graph.source_index(node) for node in inside - {LOGITS}]
    readers = [graph.destination_index(d) for node in inside for d in graph.destinations_of(node)]
    circuit = Circuit.empty(graph)
    among = np.ix_(sources, readers)
    circuit.mask[among] = all_edges(graph)[among]
    return circuit.pruned()
