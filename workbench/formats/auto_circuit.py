"""AutoCircuit's scores, read: a tensor for every module that reads, by the module's name.

Its `PruneScores` are saved by torch.save, `NAME-dd-mm-YYYY_HH-MM-SS.pkl`: {module: tensor of [head,
source] or [source]}, where sources are numbered as here: the embedding, then layer by layer the
heads and the MLP. `blocks.L.hook_q_input` (k, v) has a row for every head, `hook_attn_in` one for
all three inputs of a head, `hook_mlp_in` and the last `hook_resid_post` have none. They choose
nothing.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from workbench.base.read_json import Document
from workbench.circuits.circuit import Circuit
from workbench.circuits.edge_arrays import graph_of_shape
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats.binary import Binary
from workbench.formats.torch_file import is_tensor, load_tensors, shape_of

_MODULE = re.compile(r"blocks[.]\d{1,4}[.]hook_(\w+)")
_INPUTS = {"q_input": (0,), "k_input": (1,), "v_input": (2,), "attn_in": (0, 1, 2)}
BY_HEAD = ("_input", "attn_in")
"""Ends of the names of those that have a row for each head."""
_READERS = (*_INPUTS, "mlp_in", "resid_post")


def matches(content: Any) -> bool:
    """Whether a file of torch.save has a tensor for each of the modules that read."""
    value = content.plain if isinstance(content, Binary) else None
    if not isinstance(value, dict) or not value:
        return False
    return all(_reads(name) and is_tensor(tensor) for name, tensor in value.items())


def read(document: Document) -> Circuit:
    """The scores of a file, with no edge kept.

    Raises:
        WorkbenchError: a tensor's shape is none of a whole model's, or there is one for every
            position.
    """
    plain = document.value.plain
    _refuse_positions(plain)
    graph = _graph(plain)
    places = {name: _columns(graph, name) for name in plain}
    for name, (stage, _) in places.items():
        by_head = name.endswith(BY_HEAD)
        wanted = (*((graph.n_heads,) if by_head else ()), graph.n_parents(stage))
        if shape_of(plain[name]) != wanted:
            raise WorkbenchError(
                f"Its scores of {name} are not [head, source] or [source] of one model: those of a "
                "model without MLPs cannot be read."
            )
    circuit = Circuit.empty(graph)
    circuit.scores = np.full(circuit.mask.shape, np.nan, dtype=np.float32)
    for name, tensor in load_tensors(document.value.data).items():
        values = tensor.float().numpy()
        stage, inputs = places[name]
        for places_of_input in inputs:
            circuit.scores[: graph.n_parents(stage), places_of_input] = (
                values.T if values.ndim > 1 else values[:, None]
            )
    return circuit


def _refuse_positions(plain: dict[str, Any]) -> None:
    """Refuse a token circuit: its first axis is the position, and nothing names those.

    The labels of positions (`seq_labels`) are in AutoCircuit's file of prompts and not in this one.
    """
    shapes = {name: shape_of(tensor) for name, tensor in plain.items()}
    if all(len(of) == (3 if name.endswith(BY_HEAD) else 2) for name, of in shapes.items()):
        positions = next(iter(shapes.values()))[0]
        raise WorkbenchError(
            f"It has AutoCircuit's scores for each of {positions} positions, and does not say "
            "which roles they have: score whole edges, with seq_len=None."
        )


def _reads(name: Any) -> bool:
    """Whether it is the name of a module that reads."""
    found = _MODULE.fullmatch(name) if isinstance(name, str) else None
    return found is not None and found[1] in _READERS


def _graph(plain: dict[str, Any]) -> Graph:
    """The shape of the model: its heads from a module that has a row for each."""
    layers = 1 + max(int(name.split(".")[1]) for name in plain)
    heads = next(
        (
            shape_of(t)[0]
            for name, t in plain.items()
            if name.endswith(BY_HEAD) and len(shape_of(t)) == 2
        ),
        0,
    )
    if not heads:
        raise WorkbenchError("It is AutoCircuit's scores without any of an attention head.")
    parallel = False
    if (mlp := plain.get("blocks.0.hook_mlp_in")) is not None:
        parallel = shape_of(mlp) == (1,)
    return graph_of_shape(layers, heads, parallel)


def _columns(graph: Graph, module: str) -> tuple[int, list[list[int]]]:
    """The first column of a module's stage, and the columns of each of its inputs."""
    _, layer, hook = module.split(".")
    number, kind = int(layer), hook.removeprefix("hook_")
    if kind == "resid_post":
        if number != graph.n_layers - 1:
            raise WorkbenchError(f"{module} lies within the model, which has no such node here.")
        return graph.logits_destination, [[graph.logits_destination]]
    if kind == "mlp_in":
        column = graph.mlp_destination(number)
        return column, [[column]]
    inputs = [
        [graph.head_destination(number, which, head) for head in range(graph.n_heads)]
        for which in _INPUTS[kind]
    ]
    return inputs[0][0], inputs
