"""Neuronpedia's graph JSON, written: a circuit as a graph that its site shows.

By the site's published schema: `metadata` with slug, scan (the model), prompt and its tokens;
`qParams`, the state of the subgraph, with our groups as supernodes; `nodes` and `links`. Its nodes
are features of transcoders at a position, so that heads and MLPs stand as such, labelled with what
they are: a head as feature h of its layer, the MLP as the feature after the last head, all at
position 0, since an edge of a circuit is one for all positions. Links between two nodes are one:
the sum of the scores of their q, k and v edges; 1 where there is no score.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from workbench.base.installed import OURS, version_of
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import INPUT, LOGITS, Graph

POSITION = 0
SLUG = re.compile(r"[^a-z0-9]+")


def to_text(circuit: Circuit) -> str:
    """The text of a file, indented by two; ends without a newline, as circuit-tracer's do."""
    nodes = circuit.nodes()
    ids = {name: _id(circuit.graph, name) for name in nodes}
    supernodes = [
        [group.name, *(ids[node] for node in group.nodes if node in ids)]
        for group in circuit.groups
        if any(node in ids for node in group.nodes)
    ]
    pinned = [ids[name] for name in nodes] if supernodes else []
    value = {
        "metadata": _metadata(circuit),
        "qParams": {
            "pinnedIds": pinned,
            "supernodes": supernodes,
            "linkType": "both",
            "clickedId": "",
            "sg_pos": "",
        },
        "nodes": [_node(circuit, name, ids[name]) for name in nodes],
        "links": _links(circuit, ids),
    }
    return json.dumps(value, indent=2, allow_nan=False)


def losses(circuit: Circuit) -> tuple[str, ...]:
    """One sentence on each thing of this circuit that the format cannot hold."""
    lost = [
        "Neuronpedia's nodes are features of transcoders: heads and MLPs stand as such, labelled, "
        "and the q, k and v edges of a head as one link."
    ]
    if circuit.open_reached():
        lost.append(
            "Neuronpedia's graphs know no open destinations: those of this circuit are lost."
        )
    return tuple(lost)


def _metadata(circuit: Circuit) -> dict[str, Any]:
    model, task = (_name(circuit, key) for key in ("model", "task"))
    prompt = circuit.provenance.get("prompt")
    prompt = prompt if isinstance(prompt, str) and prompt else task or "any prompt"
    slug = SLUG.sub("-", f"{task} {model} {circuit.n_edges} edges".lower()).strip("-")
    return {
        "slug": slug,
        "scan": model or "unknown",
        "transcoder_list": [],
        "prompt_tokens": [prompt],
        "prompt": prompt,
        "schema_version": 1,
        "info": {
            "description": circuit.notes.get("", ""),
            "generator": {"name": "Circuit Workbench", "version": version_of(OURS)},
        },
    }


def _name(circuit: Circuit, key: str) -> str:
    about = circuit.provenance.get(key)
    name = about.get("name") if isinstance(about, dict) else None
    return name if isinstance(name, str) else ""


def _place(graph: Graph, name: str) -> tuple[int, int]:
    """A node's layer and its number in it: heads first, then the MLP."""
    node = graph.parse_node(name)
    return node.layer, graph.n_heads if node.head is None else node.head


def _id(graph: Graph, name: str) -> str:
    if name == INPUT:
        return f"E_0_{POSITION}"
    if name == LOGITS:
        return f"{graph.n_layers + 1}_0_{POSITION}"
    layer, number = _place(graph, name)
    return f"{layer}_{number}_{POSITION}"


def _node(circuit: Circuit, name: str, identity: str) -> dict[str, Any]:
    graph = circuit.graph
    if name == INPUT:
        kind, layer, feature = "embedding", "E", 0
    elif name == LOGITS:
        kind, layer, feature = "logit", str(graph.n_layers + 1), 0
    else:
        number, within = _place(graph, name)
        kind, layer = "cross layer transcoder", str(number)
        feature = (number + within) * (number + within + 1) // 2 + within
    note = circuit.notes.get(name, "")
    return {
        "node_id": identity,
        "feature": feature,
        "layer": layer,
        "ctx_idx": POSITION,
        "feature_type": kind,
        "token_prob": 0.0,
        "is_target_logit": name == LOGITS,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": f"{identity.rpartition('_')[0]}-0",
        "clerp": f"{name}: {note}" if note else name,
        "influence": None,
        "activation": None,
    }


def _links(circuit: Circuit, ids: dict[str, str]) -> list[dict[str, Any]]:
    graph, weights = circuit.graph, dict[tuple[str, str], float]()
    for row, column in zip(*np.nonzero(circuit.mask), strict=True):
        pair = (graph.sources[int(row)], graph.destination_table[int(column)].node.name)
        score = None if circuit.scores is None else float(circuit.scores[row, column])
        known = score if score is not None and np.isfinite(score) else None
        weights[pair] = weights.get(pair, 0.0) + (1.0 if known is None else known)
    return [
        {"source": ids[source], "target": ids[target], "weight": weight}
        for (source, target), weight in weights.items()
    ]
