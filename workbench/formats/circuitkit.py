"""CircuitKIT's JSON, read: its scores of nodes, and its circuit artifacts.

A file of scores, `NAME_scores.json`, has `node_scores` by AutoCircuit's names, all of them absolute
values; it chooses nothing. An artifact has `nodes` by names like L0H1 with an `importance`, and
`edges` by an id with `src_id`, `dst_id`, `weight` and `attribution`; CircuitKIT itself often writes
artifacts without edges, which then mean all edges among their nodes.
"""

from __future__ import annotations

from typing import Any

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats.catalogue import NeedsGraph
from workbench.formats.dialects import node_named
from workbench.formats.edge_list import Listed, circuit_of


def matches(value: Any) -> bool:
    """Whether a parsed JSON file is one of CircuitKIT's."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("node_scores"), dict) and "algorithm" in value:
        return True
    metadata = value.get("metadata")
    artifact = isinstance(value.get("nodes"), dict) and isinstance(metadata, dict)
    return artifact and isinstance(metadata, dict) and "discovery_method" in metadata


def read(document: Document, graph: Graph | None) -> Circuit:
    """The circuit of a file.

    Raises:
        NeedsGraph: no graph is given.
        WorkbenchError: it scores neurons, or names what the model does not have.
    """
    if graph is None:
        raise NeedsGraph
    value = document.value
    if "node_scores" in value:
        if value.get("level") == "neuron":
            raise WorkbenchError(
                "It has scores of neurons, and circuits here are of heads and whole MLPs: let "
                'CircuitKIT score nodes (level "node").'
            )
        return circuit_of(Listed(nodes=_scored(value["node_scores"]), chooses=False), graph)
    nodes, edges = value["nodes"], value.get("edges") or {}
    names = {
        key: node_named(_text(entry, "name", key)) or node_named(key)
        for key, entry in nodes.items()
    }
    for key, name in names.items():
        if name is None:
            raise WorkbenchError(f"Its node {key[:40]!r} is no head and no MLP.")
    if edges:
        listed = Listed()
        if not isinstance(edges, dict | list):
            raise WorkbenchError("Its edges are not an object of ids and edges.")
        for entry in edges.values() if isinstance(edges, dict) else edges:
            source, reader = (
                names.get(_text(entry, k, "")) or _text(entry, k, "") for k in ("src_id", "dst_id")
            )
            score = (
                entry.get("attribution", entry.get("weight")) if isinstance(entry, dict) else None
            )
            listed.edges.append((source, reader, score if type(score) in (int, float) else None))
        return circuit_of(listed, graph)
    importances = {
        names[key]: entry.get("importance")
        for key, entry in nodes.items()
        if isinstance(entry, dict)
    }
    return circuit_of(
        Listed(
            nodes={n: s if type(s) in (int, float) else None for n, s in importances.items() if n}
        ),
        graph,
    )


def _scored(given: dict[str, Any]) -> dict[str, float | None]:
    nodes: dict[str, float | None] = {}
    for name, score in given.items():
        node = node_named(name)
        if node is None or type(score) not in (int, float):
            raise WorkbenchError(f"Its entry {name[:40]!r} is no head or MLP with a score.")
        nodes[node] = float(score)
    return nodes


def _text(entry: Any, key: str, otherwise: str) -> str:
    held = entry.get(key) if isinstance(entry, dict) else None
    return held if isinstance(held, str) else otherwise
