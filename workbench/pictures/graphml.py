"""A circuit as GraphML for networkx, Gephi and the like, with every value."""

from __future__ import annotations

from typing import Any

import networkx as nx

from workbench.base.text import printable
from workbench.circuits.circuit import Circuit
from workbench.circuits.names import edge_ends, split_role
from workbench.formats.networkx import to_networkx
from workbench.pictures.role_graph import role_graph
from workbench.pictures.scene import Scene


def to_graphml(circuit: Circuit, scene: Scene, groups_as: str) -> str:
    """The text of the file.

    Single nodes and edges are those of `to_networkx`; with `groups_as` 'boxes' a node is a group,
    with `role`, `nodes` and `layer`, and an edge has `n_edges` and the summed `score`. By position
    a node is one at a role, with its `node` and `token_role` ("all" for all of them), and an edge
    runs from the role where it is read.
    """
    graph: nx.Graph[str]
    if scene.columns:
        graph = _of_roles(circuit)
    else:
        graph = _of_groups(scene) if groups_as == "boxes" else to_networkx(circuit)
    for _, values in graph.nodes(data=True):
        _clean(values)
    for *_, values in graph.edges(data=True):
        _clean(values)
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def _of_groups(scene: Scene) -> nx.DiGraph[str]:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for box in scene.boxes:
        graph.add_node(
            box.key,
            name=box.label,
            kind=box.kind,
            layer=float(box.layer),
            role=box.role,
            nodes=" ".join(box.nodes),
        )
    for line in scene.lines:
        score = {} if line.score is None else {"score": line.score}
        graph.add_edge(line.source, line.destination, n_edges=line.n_edges, **score)
    return graph


def _of_roles(circuit: Circuit) -> nx.MultiDiGraph[str]:
    drawn, whole = role_graph(circuit), to_networkx(circuit)
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(**whole.graph)
    for node in drawn.nodes:
        told = whole.nodes[node.node] | {"node": node.node, "token_role": node.role or "all"}
        graph.add_node(node.name, **told)
    for edge in drawn.edges:
        source, destination = edge_ends(split_role(edge.edge)[0])
        reader = split_role(edge.destination)[0]
        told = whole.edges[source, reader, destination] | {"name": edge.edge}
        graph.add_edge(edge.source, edge.destination, key=edge.edge, **told)
    return graph


def _clean(values: dict[str, Any]) -> None:
    """XML holds no control characters."""
    values.update({k: printable(v) for k, v in values.items() if isinstance(v, str)})
