"""Edges in pickles and files of torch.save, read: InterpBench's, ACDC's and CircuitKIT's.

InterpBench's `edges.pkl` is a list of pairs of names, such as ("blocks.0.attn.hook_result[1]",
"blocks.1.hook_mlp_out"). ACDC pickles a list of ((child, index, parent, index), effect) of the
edges that are present, where an index is an object with a tuple in it; and saves, by torch.save, a
dictionary {(receiver, index, sender, index): present} of all edges. CircuitKIT's circuit.pt is a
list of nodes. Nothing in any of them is run: see `plain_pickle`.
"""

from __future__ import annotations

from typing import Any

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import graph_of_shape
from workbench.circuits.graph import Graph
from workbench.circuits.names import parse_name
from workbench.errors import WorkbenchError
from workbench.formats.binary import Binary
from workbench.formats.catalogue import NeedsGraph
from workbench.formats.dialects import edges_between, named, node_named
from workbench.formats.edge_list import Listed, circuit_of
from workbench.formats.plain_pickle import Record


def matches(content: Any) -> bool:
    """Whether a pickle or a file of torch.save is a list of pairs of names, or of nodes."""
    value = content.plain if isinstance(content, Binary) else None
    if isinstance(value, set | frozenset | tuple):
        value = sorted(value, key=str)
    return (
        isinstance(value, list)
        and bool(value)
        and (_pair(value[0]) or node_named(value[0]) is not None)
    )


def read(document: Document, graph: Graph | None) -> Circuit:
    """The circuit of a list of pairs or nodes.

    Raises:
        NeedsGraph: no graph is given.
        WorkbenchError: an entry is neither, or the model does not have it.
    """
    if graph is None:
        raise NeedsGraph
    listed = Listed()
    for item in document.value.plain:
        node = node_named(item)
        if _pair(item):
            listed.edges.append((item[0], item[1], None))
        elif node is not None:
            listed.nodes[node] = None
        else:
            raise WorkbenchError(f"Its entry {ascii(item)[:60]} is neither an edge nor a node.")
    return circuit_of(listed, graph)


def _pair(item: Any) -> bool:
    two = isinstance(item, list | tuple) and len(item) == 2
    return two and all(isinstance(name, str) for name in item)


# ACDC


def is_acdc(content: Any) -> bool:
    """Whether a binary file has ACDC's edges: of four parts each."""
    if not isinstance(content, Binary):
        return False
    value = content.plain
    if isinstance(value, dict):
        first = next(iter(value), None)
        return _four(first)
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, list | tuple) and len(first) == 2 and _four(first[0])


def read_acdc(document: Document, graph: Graph | None) -> Circuit:
    """The circuit of ACDC's edges.

    The dictionary lists all edges of the model, and so says of which shape it is.

    Raises:
        NeedsGraph: it lists the present edges alone, and no graph is given.
        WorkbenchError: an entry is no edge of ACDC's, or the model does not have it.
    """
    value = document.value.plain
    pairs = list(value.items()) if isinstance(value, dict) else value
    edges = []
    for key, held in pairs:
        if not _four(key):
            raise WorkbenchError(f"Its entry {ascii(key)[:60]} is not an edge of ACDC's.")
        receiver, sender = _with_index(*key[:2]), _with_index(*key[2:])
        edges.append((sender, receiver, held))
    if isinstance(value, dict):
        graph = graph or _graph_of([name for edge in edges for name in edge[:2]])
        edges = [(sender, receiver, None) for sender, receiver, held in edges if held is True]
        circuit = Circuit.empty(graph)
        for sender, receiver, _ in edges:
            for cell in edges_between(graph, sender, receiver):
                circuit.mask[cell] = True
        return circuit
    if graph is None:
        raise NeedsGraph
    numbers = [(s, r, h if type(h) in (int, float) else None) for s, r, h in edges]
    return circuit_of(Listed(edges=numbers), graph)


def _four(key: Any) -> bool:
    whole = isinstance(key, list | tuple) and len(key) == 4
    return whole and isinstance(key[0], str) and isinstance(key[2], str)


def _with_index(name: str, index: Any) -> str:
    """A hook's name with the head that its index says, as `dialects` reads it."""
    if isinstance(index, Record):
        state = index.state
        held = state.get("hashable_tuple") if isinstance(state, dict) else None
        index = held if held is not None else (index.arguments or ((),))[0]
    numbers = [n for n in index if type(n) is int] if isinstance(index, list | tuple) else []
    return f"{name}[{numbers[-1]}]" if numbers else name


def _graph_of(names: list[str]) -> Graph:
    """The shape of a model all of whose nodes are among these."""
    layers, heads = 0, 0
    for name in names:
        found = named(name)
        own = None if found is None else parse_name(found.node)
        if own is not None and own.layer is not None:
            layers = max(layers, own.layer + 1)
            heads = max(heads, (own.head or 0) + (own.kind == "head"))
    if not heads:
        raise WorkbenchError("It names no attention head, so that it is no whole graph of ACDC's.")
    return graph_of_shape(layers, heads, False)
