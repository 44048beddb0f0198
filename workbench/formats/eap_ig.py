"""EAP-IG's graph JSON, read and written.

A file of theirs passes through us byte for byte unchanged. Their file is one line of `json.dump`:
`cfg`, then every node and every edge with its score and whether it is in the graph. Edges and
float32 scores become the circuit's; what else a file says (the model's width, flags and scores of
nodes and neurons, another order, further keys) is kept as its `Layout` in the circuit's provenance
under "eap_ig", also through a file of our own, and stated again on writing.

What a circuit of ours lacks is written so that their loader accepts it: a score that is not
known as 0.0, a width that is not known as 0. Neuron flags are carried along and do not change what
the circuit computes here. Open destinations, groups and notes have no place in this format.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import eap_ig_order, edge_indices, edge_names, graph_of_shape
from workbench.circuits.graph import INPUT, LOGITS, Graph
from workbench.errors import WorkbenchError

KEY = "eap_ig"  # in a circuit's provenance
SECTIONS = ("cfg", "nodes", "edges")
# Keys of an edge's entry, in one of the orders that are ordinary.
EdgeKeys = list[Literal["score", "in_graph"]]


class Layout(BaseModel):
    """What an EAP-IG file says besides a `Circuit`'s edges and scores, and how it says it.

    Attributes:
        cfg: the model's configuration, in the file's order.
        nodes: the entries of the nodes, in the file's order.
        kept: digest of the kept edges that the node flags belong to; after an edit they are
            derived anew.
        sections: top-level keys, in the file's order.
        further: top-level values other than cfg, nodes and edges.
        edge_keys: keys of an ordinary edge's entry, in order.
        order: edge names in the file's order, None for all edges in EAP-IG's own.
        entries: entries of edges that are not ordinary: other keys, a score that is no float32.
        unscored: how an edge without a score is written.
    """

    model_config = ConfigDict(extra="forbid")

    cfg: dict[str, Any]
    nodes: dict[str, Any]
    kept: str | None = None
    sections: list[str] = list(SECTIONS)
    further: dict[str, Any] = {}
    edge_keys: EdgeKeys = ["score", "in_graph"]
    order: list[str] | None = None
    entries: dict[str, dict[str, Any]] = {}
    unscored: Literal["0.0", "NaN", "null"] = "0.0"


def matches(value: Any) -> bool:
    """Whether this parsed JSON looks like a graph of EAP-IG."""
    return isinstance(value, dict) and "cfg" in value and "edges" in value


def from_json(value: dict[str, Any]) -> Circuit:
    """The closed circuit of a parsed file, its `Layout` in the provenance.

    Nodes may be bare flags, edges without scores, fewer, or in another order.

    Raises:
        WorkbenchError: a part is missing or of the wrong type, or a name is no node or edge of
            its graph.
    """
    cfg, edges = _object(value, "cfg"), _object(value, "edges")
    nodes = _object(value, "nodes") if "nodes" in value else {}
    graph = graph_of(cfg)
    _check_nodes(graph, nodes)
    names = list(edges)
    sources, destinations = edge_indices(graph, names)
    kept, scores = _columns(edges)
    rounded = _float32(scores)
    circuit = Circuit.empty(graph)
    circuit.mask[sources, destinations] = kept
    if not np.isnan(scores).all():
        circuit.scores = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
        circuit.scores[sources, destinations] = rounded

    layout = Layout(cfg=cfg, nodes=nodes, kept=_digest(circuit), sections=list(value))
    layout.further = {key: item for key, item in value.items() if key not in SECTIONS}
    if not all(map(np.array_equal, (sources, destinations), eap_ig_order(graph))):
        layout.order = names
    unscored = {_score_kind(entry) for entry in edges.values()} - {"number"}
    layout.unscored = "NaN" if "NaN" in unscored else "null" if "null" in unscored else "0.0"
    layout.edge_keys = _edge_keys(edges)
    exact = (rounded == scores) | np.isnan(scores)
    layout.entries = {
        name: entry
        for (name, entry), as_float32 in zip(edges.items(), exact.tolist(), strict=True)
        if not (as_float32 and _is_ordinary(entry, layout))
    }
    circuit.provenance[KEY] = layout.model_dump(exclude_defaults=True)
    return circuit


def read(document: Document) -> Circuit:
    """The circuit of a file; errors as of `from_json`."""
    return from_json(document.value)


def losses(circuit: Circuit) -> tuple[str, ...]:
    """One sentence on each thing of this circuit that the format cannot hold."""
    lost = []
    n_open = len(circuit.open_reached())
    if n_open:
        lost.append(
            f"EAP-IG's format knows no open destinations: the {n_open} of this circuit have only "
            "their kept edges there, so that it scores differently."
        )
    if circuit.groups or circuit.notes:
        lost.append("EAP-IG's format has no place for groups and notes.")
    return tuple(lost)


def to_text(circuit: Circuit) -> str:
    """The text of an EAP-IG file: one line, no newline at its end.

    Raises:
        WorkbenchError: the provenance under "eap_ig" is not what `from_json` puts there.
    """
    layout = layout_of(circuit)
    parts = []
    try:
        for section in layout.sections:
            if section == "cfg":
                text = json.dumps(layout.cfg)
            elif section == "nodes":
                text = json.dumps(node_entries(circuit, layout))
            elif section == "edges":
                text = "{" + ", ".join(_edge_texts(circuit, layout)) + "}"
            else:
                text = json.dumps(layout.further[section])
            parts.append(f"{json.dumps(section)}: {text}")
    except (KeyError, RecursionError, TypeError, ValueError):
        raise _damaged() from None
    return "{" + ", ".join(parts) + "}"


# Reading


def keep_layout(
    circuit: Circuit,
    cfg: dict[str, Any],
    nodes: dict[str, Any],
    unscored: Literal["0.0", "NaN", "null"],
) -> None:
    """Note what a file in another writing of EAP-IG's graph says besides edges and scores."""
    layout = Layout(cfg=cfg, nodes=nodes, kept=_digest(circuit), unscored=unscored)
    circuit.provenance[KEY] = layout.model_dump(exclude_defaults=True)


def graph_of(cfg: dict[str, Any]) -> Graph:
    """The graph of a file's cfg. Raises WorkbenchError for what is no cfg."""
    if not isinstance(cfg, dict):
        raise WorkbenchError("Its cfg is not an object of names and values.")
    for key in ("n_layers", "n_heads"):
        if type(cfg.get(key)) is not int:
            raise WorkbenchError(f"Its cfg has no whole number {key}.")
    parallel = cfg.get("parallel_attn_mlp", False)
    if type(parallel) is not bool:
        raise WorkbenchError("Its cfg has a parallel_attn_mlp that is neither true nor false.")
    return graph_of_shape(cfg["n_layers"], cfg["n_heads"], parallel)


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    part = value[key]
    if not isinstance(part, dict):
        raise WorkbenchError(f"Its {key} is not an object of names and values.")
    return part


def _check_nodes(graph: Graph, nodes: dict[str, Any]) -> None:
    for name, entry in nodes.items():
        if not graph.has_node(name):
            graph.source_index(name)  # says so
        flag = entry.get("in_graph", False) if isinstance(entry, dict) else entry
        if not _is_flag(flag):
            raise WorkbenchError(f"Its node {name!r} is not marked in_graph true or false.")


def _is_flag(value: Any) -> bool:
    return type(value) is bool or (type(value) is int and value in (0, 1))


def _columns(edges: dict[str, Any]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Per edge, whether it is kept, and its score, NaN where there is none."""
    kept, scores = [], []
    for name, entry in edges.items():
        if not isinstance(entry, dict) or not _is_flag(entry.get("in_graph")):
            raise WorkbenchError(f"Its edge {name!r} is not marked in_graph true or false.")
        score = entry.get("score")
        if score is None:
            score = math.nan
        elif type(score) is not float and type(score) is not int:
            raise WorkbenchError(f"Its edge {name!r} has a score that is not a number.")
        kept.append(entry["in_graph"])
        scores.append(score)
    try:
        return np.array(kept, dtype=bool), np.array(scores, dtype=np.float64)
    except OverflowError:
        raise WorkbenchError("A score in it is too large for a number.") from None


def _float32(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return scores.astype(np.float32)


def _score_kind(entry: dict[str, Any]) -> str:
    if "score" not in entry:
        return "absent"
    score = entry["score"]
    return "null" if score is None else "number" if score == score else "NaN"


def _edge_keys(edges: dict[str, dict[str, Any]]) -> EdgeKeys:
    """Keys of an ordinary entry: those of the first that has a score, if it has no others."""
    first = next((list(entry) for entry in edges.values() if "score" in entry), None)
    if first is None and edges:
        return ["in_graph"]
    return ["in_graph", "score"] if first == ["in_graph", "score"] else ["score", "in_graph"]


def _is_ordinary(entry: dict[str, Any], layout: Layout) -> bool:
    """Whether `_edge_texts` writes this entry as it is, given that its score is a float32."""
    if list(entry) != layout.edge_keys or type(entry["in_graph"]) is not bool:
        return False
    if "score" not in entry:
        return True
    score = entry["score"]
    return type(score) is float or (score is None and layout.unscored == "null")


def _digest(circuit: Circuit) -> str:
    return hashlib.sha256(np.packbits(circuit.mask).tobytes()).hexdigest()


# Writing


def layout_of(circuit: Circuit) -> Layout:
    """That of the file from which the circuit came, or EAP-IG's own."""
    graph = circuit.graph
    stored = circuit.provenance.get(KEY)
    if stored is not None:
        try:
            layout = Layout.model_validate(stored)
            if graph_of(layout.cfg) == graph:
                _check_layout(graph, layout)
                return layout
        except (ValidationError, WorkbenchError):
            raise _damaged() from None
    model = circuit.provenance.get("model")
    width = model.get("d_model", 0) if isinstance(model, dict) else 0
    cfg = {
        "n_layers": graph.n_layers,
        "n_heads": graph.n_heads,
        "parallel_attn_mlp": graph.parallel,
        "d_model": width,
    }
    return Layout(cfg=cfg, nodes={node: {"in_graph": True} for node in graph.nodes})


def _check_layout(graph: Graph, layout: Layout) -> None:
    """What `from_json` guarantees and a file of ours, changed by hand, may not."""
    _check_nodes(graph, layout.nodes)
    _columns(layout.entries)
    order = layout.order or []
    edge_indices(graph, order)
    doubled = len(set(order)) < len(order) or len(set(layout.sections)) < len(layout.sections)
    if doubled or not {"cfg", "edges"} <= set(layout.sections):
        raise _damaged()


def _damaged() -> WorkbenchError:
    return WorkbenchError(
        f"What the circuit's provenance says under {KEY!r} is damaged: remove it to write the file."
    )


def node_entries(circuit: Circuit, layout: Layout) -> dict[str, Any]:
    """Of each node the file's own entry while no edge is changed, then with a derived flag."""
    if layout.kept == _digest(circuit):
        return layout.nodes
    flags = _node_flags(circuit)
    entries: dict[str, Any] = {}
    for name, entry in layout.nodes.items():
        if not isinstance(entry, dict):
            entries[name] = flags[name]
        elif "in_graph" in entry:
            entries[name] = {**entry, "in_graph": flags[name]}
        else:
            entries[name] = entry
    return entries


def _node_flags(circuit: Circuit) -> dict[str, bool]:
    """EAP-IG's rule: a node is in if kept edges enter and leave it; the input counts as fed.

    So does a node with an open destination, which here reads the clean residual.
    """
    graph = circuit.graph
    writing = set(np.flatnonzero(circuit.mask.any(axis=1)).tolist())
    fed = {graph.destinations[d] for d in np.flatnonzero(circuit.mask.any(axis=0))}
    fed |= circuit.open
    flags = {LOGITS: True}
    for s, node in enumerate(graph.sources):
        is_fed = node == INPUT or not fed.isdisjoint(graph.destinations_of(node))
        flags[node] = s in writing and is_fed
    return flags


def _edge_texts(circuit: Circuit, layout: Layout) -> list[str]:
    graph = circuit.graph
    sources, destinations = eap_ig_order(graph)
    if layout.order is not None:
        listed = edge_indices(graph, layout.order)
        # Edges kept since that the file did not list come after those that it did.
        new = circuit.mask.copy()
        new[listed] = False
        added = new[sources, destinations]
        sources = np.concatenate([listed[0], sources[added]])
        destinations = np.concatenate([listed[1], destinations[added]])
    names = edge_names(graph, sources, destinations)
    kept = ["true" if k else "false" for k in circuit.mask[sources, destinations].tolist()]
    if circuit.scores is None and "score" not in layout.edge_keys:
        texts = [f'"{n}": {{"in_graph": {k}}}' for n, k in zip(names, kept, strict=True)]
    else:
        scores = _score_texts(circuit, sources, destinations, layout.unscored)
        flag_first = layout.edge_keys == ["in_graph", "score"]
        texts = [
            f'"{n}": {{"in_graph": {k}, "score": {s}}}'
            if flag_first
            else f'"{n}": {{"score": {s}, "in_graph": {k}}}'
            for n, s, k in zip(names, scores, kept, strict=True)
        ]
    if layout.entries:
        position = {name: i for i, name in enumerate(names)}
        for name, entry in _current_entries(circuit, layout).items():
            texts[position[name]] = f'"{name}": {json.dumps(entry)}'
    return texts


def _score_texts(
    circuit: Circuit, sources: NDArray[np.intp], destinations: NDArray[np.intp], unscored: str
) -> list[str]:
    """Scores as `json.dump` writes the float64 of the same value."""
    if circuit.scores is None:
        return [unscored] * len(sources)
    values = circuit.scores[sources, destinations]
    texts = [repr(value) for value in values.tolist()]
    for i in np.flatnonzero(~np.isfinite(values)):
        texts[i] = unscored if np.isnan(values[i]) else json.dumps(float(values[i]))
    return texts


def _current_entries(circuit: Circuit, layout: Layout) -> dict[str, dict[str, Any]]:
    """Entries that are not ordinary, changed only where the circuit has changed since."""
    names = list(layout.entries)
    sources, destinations = edge_indices(circuit.graph, names)
    kept, scores = _columns(layout.entries)
    now_kept = circuit.mask[sources, destinations]
    was = _float32(scores)
    now = (
        np.full_like(was, np.nan)
        if circuit.scores is None
        else circuit.scores[sources, destinations]
    )
    other_score = ~((was == now) | (np.isnan(was) & np.isnan(now)))
    current = {}
    for i, name in enumerate(names):
        entry = dict(layout.entries[name])
        if kept[i] != now_kept[i]:
            entry["in_graph"] = bool(now_kept[i])
        if other_score[i]:
            entry["score"] = json.loads(layout.unscored) if np.isnan(now[i]) else float(now[i])
        current[name] = entry
    return current
