"""A circuit as a networkx graph, for scripts: drawing, path finding, writing GraphML."""

from __future__ import annotations

import math

import networkx as nx

from workbench.circuits.circuit import Circuit


def to_networkx(circuit: Circuit) -> nx.MultiDiGraph[str]:
    """The kept edges and the nodes that they touch, in the graph's order.

    The logits are always among them. A multigraph, since one source may feed a head by its q, its k
    and its v: the key of an edge is its destination. `nx.DiGraph(...)` of the result merges them.
    Every value is a str, int, float or bool, as writers of graph files need.

    Node attributes: `layer` (-1 for the input, the number of layers for the logits), `kind`
    (input, head, mlp or logits), `group` and `role` of the groups it is in, `note`, and `open`,
    whether an input of it is not yet expanded. Edge attributes: `name` (`m0->a9.h1<v>`),
    `destination` (`a9.h1<v>`), `input` (q, k or v; empty where a node has one input only),
    `note`, and `score`, absent where there is none, as is `token_roles`, those at which an edge is
    kept that is kept at some only.
    """
    graph = circuit.graph
    drawn: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        n_layers=graph.n_layers, n_heads=graph.n_heads, parallel=graph.parallel
    )
    for node in circuit.nodes():
        groups = [group for group in circuit.groups if node in group.nodes]
        drawn.add_node(
            node,
            layer=graph.layer_of(node),
            kind=graph.parse_node(node).kind,
            group=", ".join(group.name for group in groups),
            role=", ".join(group.role for group in groups if group.role),
            note=circuit.notes.get(node, ""),
            open=any(d in circuit.open for d in graph.destinations_of(node)),
        )
    for name in circuit.edges():
        source, destination = graph.parse_edge(name)
        reader = graph.destination_table[destination]
        attributes: dict[str, str | float] = {
            "name": name,
            "destination": reader.name,
            "input": reader.input or "",
            "note": circuit.notes.get(name, ""),
        }
        if circuit.scores is not None and not math.isnan(circuit.scores[source, destination]):
            attributes["score"] = float(circuit.scores[source, destination])
        if name in circuit.at.kept:
            attributes["token_roles"] = ", ".join(circuit.at.kept[name])
        drawn.add_edge(graph.sources[source], reader.node.name, key=reader.name, **attributes)
    return drawn
