"""All edges from some nodes to others."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from workbench.circuits.circuit import all_edges
from workbench.circuits.graph import INPUT, LOGITS, Graph
from workbench.circuits.names import HEAD_INPUTS, input_of

ANY_INPUT = "".join(HEAD_INPUTS)


def between(
    graph: Graph, sources: Iterable[str], readers: Iterable[str], inputs: str = ANY_INPUT
) -> NDArray[np.bool_]:
    """The edges as a mask, [source, destination].

    Args:
        sources: nodes that write; the logits among them write nothing.
        readers: nodes that read; the input among them reads nothing.
        inputs: through which inputs heads are read; letters of "qkv".

    Raises:
        WorkbenchError: there is no such node.
    """
    mask = np.zeros((graph.n_sources, len(graph.destinations)), dtype=np.bool_)
    rows = [graph.source_index(node) for node in sources if node != LOGITS]
    columns = [
        graph.destination_index(name)
        for node in readers
        if node != INPUT
        for name in graph.destinations_of(node)
        if not input_of(name) or input_of(name) in inputs
    ]
    among = np.ix_(rows, columns)
    mask[among] = all_edges(graph)[among]
    return mask
