"""EAP-IG's graph as a file of torch.save: read, and written tensor by tensor the same.

The file is a dictionary: `cfg` as in their JSON; `src_nodes`, the names of all nodes but the
logits; `dst_nodes`, the names of the columns; `edges_scores` float32 and `edges_in_graph` bool
[source, destination], whose layout is ours; `nodes_in_graph` bool [source]; and, of scores of nodes
and neurons, `nodes_scores` float32 [source], `neurons_in_graph` bool and `neurons_scores` float32
[source, d_model]. The bytes of such a file depend on the version of torch and on the file's name,
so it is the tensors that come back as they were.

What their JSON says of nodes is kept in the circuit as that of a JSON file is (`eap_ig.Layout`), so
that one becomes the other. What JSON has no good place for, flags and scores of neurons and cells
where the model has no edge, is kept packed, under "eap_ig_pt".
"""

from __future__ import annotations

import base64
import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import real_edges
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats import eap_ig
from workbench.formats.binary import Binary
from workbench.formats.torch_file import is_tensor, load_tensors, shape_of

KEY = "eap_ig_pt"  # in a circuit's provenance
EDGES = ("edges_scores", "edges_in_graph")
NEURONS = ("neurons_in_graph", "neurons_scores")
NEEDED = ("cfg", "src_nodes", "dst_nodes", *EDGES, "nodes_in_graph")


def matches(content: Any) -> bool:
    """Whether a file of torch.save is a graph of EAP-IG."""
    value = content.plain if isinstance(content, Binary) else None
    return isinstance(value, dict) and {"cfg", "edges_in_graph"} <= value.keys()


def read(document: Document) -> Circuit:
    """The closed circuit of a file.

    Raises:
        WorkbenchError: something is missing, of the wrong type, or of another shape than its cfg
            says.
    """
    plain = document.value.plain
    for name in NEEDED:
        if name not in plain:
            raise WorkbenchError(f"It is EAP-IG's .pt without {name}: write it by their `to_pt`.")
    graph = eap_ig.graph_of(plain["cfg"])
    _check_names(graph, plain)
    _check_shapes(graph, plain)
    tensors = load_tensors(document.value.data)
    arrays = {name: _array(name, t) for name, t in tensors.items() if is_tensor(plain[name])}
    return _circuit(graph, plain["cfg"], arrays)


def to_bytes(circuit: Circuit) -> bytes:
    """The file's bytes, as EAP-IG's `to_pt` makes them.

    Raises:
        WorkbenchError: what the provenance says of the file it came from is damaged.
    """
    import torch

    arrays = _arrays(circuit)
    layout = eap_ig.layout_of(circuit)
    graph = circuit.graph
    value: dict[str, Any] = {
        "cfg": dict(layout.cfg),
        "src_nodes": list(graph.sources),
        "dst_nodes": list(graph.destinations),
        **{name: torch.from_numpy(array) for name, array in arrays.items()},
    }
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def losses(circuit: Circuit) -> tuple[str, ...]:
    """One sentence on each thing of this circuit that the format cannot hold."""
    return eap_ig.losses(circuit)


# Reading


def _check_names(graph: Graph, plain: dict[str, Any]) -> None:
    """Refuse a file whose rows or columns are in another order than EAP-IG's."""
    for name, names in (("src_nodes", graph.sources), ("dst_nodes", graph.destinations)):
        if plain[name] != list(names):
            raise WorkbenchError(f"Its {name} are not those of its cfg in EAP-IG's order.")


def _check_shapes(graph: Graph, plain: dict[str, Any]) -> None:
    shape = (graph.n_sources, graph.n_destinations)
    expected: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(EDGES, shape),
        **dict.fromkeys(("nodes_in_graph", "nodes_scores"), shape[:1]),
    }
    width = plain["cfg"].get("d_model")
    expected |= dict.fromkeys(NEURONS, (*shape[:1], width))
    for name, wanted in expected.items():
        if plain.get(name) is None and name not in NEEDED:
            continue
        found = shape_of(plain[name]) if is_tensor(plain[name]) else None
        if found != wanted:
            raise WorkbenchError(f"Its {name} is not a tensor of the shape that its cfg says.")


def _array(name: str, tensor: Any) -> NDArray[Any]:
    """The numbers of a tensor: flags as bool, scores as float32."""
    if name.endswith("_in_graph"):
        return np.ascontiguousarray(tensor.bool().numpy())
    return np.ascontiguousarray(tensor.float().numpy())


def _circuit(graph: Graph, cfg: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Circuit:
    real = real_edges(graph)
    scores, kept = arrays["edges_scores"], arrays["edges_in_graph"]
    circuit = Circuit.empty(graph)
    # Levels of nodes and neurons mark every outgoing edge, also where the model has none.
    circuit.mask[:] = kept & real
    circuit.scores = np.where(real, scores, np.float32(np.nan)).astype(np.float32)
    flags = arrays["nodes_in_graph"]
    nodes = {
        name: {"in_graph": bool(flag)} for name, flag in zip(graph.sources, flags, strict=True)
    }
    if "nodes_scores" in arrays:
        for name, score in zip(graph.sources, arrays["nodes_scores"].tolist(), strict=True):
            nodes[name]["score"] = score
    nodes["logits"] = {"in_graph": True}
    unknown = bool(np.isnan(scores[real]).any())
    eap_ig.keep_layout(circuit, cfg, nodes, unscored="NaN" if unknown else "0.0")
    packed = {name: _packed(arrays[name]) for name in NEURONS if name in arrays}
    if (kept & ~real).any():
        packed["edges_in_graph"] = _packed(kept & ~real)
    if scores[~real].any():
        packed["edges_scores"] = _packed(np.where(real, np.float32(0), scores))
    if packed:
        circuit.provenance[KEY] = packed
    return circuit


# Writing


def _arrays(circuit: Circuit) -> dict[str, NDArray[Any]]:
    graph, real = circuit.graph, real_edges(circuit.graph)
    layout = eap_ig.layout_of(circuit)
    packed = circuit.provenance.get(KEY, {})
    kept, scores = circuit.mask.copy(), np.zeros(circuit.mask.shape, dtype=np.float32)
    if circuit.scores is not None:
        scores[real] = circuit.scores[real]
    if layout.unscored == "0.0":
        scores[np.isnan(scores)] = 0
    entries = eap_ig.node_entries(circuit, layout)
    flags, values = [], []
    for name in graph.sources:
        entry = entries.get(name, False)
        flags.append(bool(entry.get("in_graph") if isinstance(entry, dict) else entry))
        values.append(entry.get("score") if isinstance(entry, dict) else None)
    arrays: dict[str, NDArray[Any]] = {"edges_scores": scores, "edges_in_graph": kept}
    arrays["nodes_in_graph"] = np.array(flags, dtype=bool)
    if any(value is not None for value in values):
        known = [np.nan if value is None else value for value in values]
        arrays["nodes_scores"] = np.array(known, dtype=np.float32)
    try:
        return _with_packed(arrays, packed, graph, layout.cfg.get("d_model"), ~real)
    except (AttributeError, TypeError, ValueError, zlib.error):
        raise WorkbenchError(
            f"What the circuit's provenance says under {KEY!r} is damaged: remove it to write the "
            "file."
        ) from None


def _with_packed(
    arrays: dict[str, NDArray[Any]],
    packed: dict[str, str],
    graph: Graph,
    width: Any,
    unreal: NDArray[np.bool_],
) -> dict[str, NDArray[Any]]:
    """The arrays with what a file of theirs had besides, put back."""
    for name in EDGES:
        if name in packed:
            there = _unpacked(packed[name], arrays[name].dtype, arrays[name].shape)
            arrays[name][unreal] = there[unreal]
    for name in NEURONS:
        if name in packed:
            kind = np.dtype(bool if name.endswith("_in_graph") else np.float32)
            arrays[name] = _unpacked(packed[name], kind, (graph.n_sources, int(width)))
    return arrays


def _packed(array: NDArray[Any]) -> str:
    """An array as text: its bytes, packed by zlib, in base64."""
    return base64.b64encode(zlib.compress(array.tobytes(), 6)).decode("ascii")


def _unpacked(text: str, kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array again; ValueError if the text is not one of this shape."""
    size = kind.itemsize * int(np.prod(shape))
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), size + 1)
    if len(data) != size:
        raise ValueError("another shape")
    return np.frombuffer(data, dtype=kind).reshape(shape).copy()
