"""What an intervention is done to: nodes, neurons, residuals, edges, by name. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from workbench.circuits.graph import Graph
from workbench.circuits.names import INPUT, edge_ends, parse_name
from workbench.errors import WorkbenchError

_RESIDUAL = re.compile(r"r(0|[1-9][0-9]{0,8})")
_NEURON = re.compile(r"(m(?:0|[1-9][0-9]{0,8}))\.n(0|[1-9][0-9]{0,8})")


@dataclass(frozen=True)
class Place:
    """Where something is done.

    Attributes:
        kind: `input`, `head`, `mlp`, `neuron`, or `residual`: that before a layer.
        layer: of `residual` the layer that reads it; the number of layers for the final one.
        index: the head, or the neuron.
    """

    kind: Literal["input", "head", "mlp", "neuron", "residual"]
    layer: int = -1
    index: int = -1


def place_of(node: str) -> Place:
    """What a name says of where something is done. Raises WorkbenchError for no such name."""
    if found := _RESIDUAL.fullmatch(node):
        return Place("residual", int(found[1]))
    if found := _NEURON.fullmatch(node):
        mlp = parse_name(found[1])
        assert mlp is not None and mlp.layer is not None
        return Place("neuron", mlp.layer, int(found[2]))
    name = parse_name(node)
    if node == INPUT:
        return Place("input")
    if name is None or name.kind == "logits" or name.input is not None or name.layer is None:
        raise WorkbenchError(
            f"Nothing can be done to {node[:40]!r}: name `input`, a head (a5.h1), an MLP (m5), a "
            "neuron (m5.n12) or, to add something, the residual before a layer (r5)."
        )
    if name.head is None:
        return Place("mlp", name.layer)
    return Place("head", name.layer, name.head)


def written_by(target: str) -> str:
    """The node that writes what a target is: an edge's source, or the node itself."""
    return edge_ends(target)[0]


def check_edge(edge: str, source: Place) -> None:
    """Raises WorkbenchError where no model has an edge of such a name.

    `source` is the place of its writer.
    """
    reader = parse_name(edge_ends(edge)[1])
    if source.kind in ("neuron", "residual"):
        raise WorkbenchError(f"{edge}: an edge begins at `input`, a head or an MLP.")
    if reader is None or reader.kind == "input":
        raise WorkbenchError(
            f"{edge}: an edge ends at an input of a head (a9.h1<q>; a9.h1 is all three), at an MLP "
            "or at the logits."
        )


def readers_of(edge: str, graph: Graph) -> tuple[str, ...]:
    """The destinations at which an edge ends; three where a head is named without its input.

    Raises:
        WorkbenchError: the model has no such node, or the reader comes no later than the source.
    """
    source, end = edge_ends(edge)
    row = graph.source_index(source)
    single = end in graph.destinations
    found = (end,) if single else graph.destinations_of(graph.parse_node(end).name)
    if any(row >= graph.n_parents(graph.destination_index(one)) for one in found):
        raise WorkbenchError(f"{end} does not come after {source}, so that there is no {edge}.")
    return tuple(found)
