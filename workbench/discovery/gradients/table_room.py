"""How much of the table of scores is made at a time (`edge_table`)."""

from __future__ import annotations

from workbench.circuits.graph import Graph
from workbench.transformer.parts import ModelParts

BLOCK_ROWS = {"cpu": (8, 32)}
BLOCK_ROWS_ELSEWHERE = (16, 512)
"""Rows made d_model wide at a time, at least and at most: fewer are slower to multiply, more take
more memory and, on a CPU, leave the cache."""

BLOCK_BYTES = {"cpu": 40 * 2**20}
BLOCK_BYTES_ELSEWHERE = 2**29
"""What they may take, in bytes."""

COLUMNS = 170
"""Destinations multiplied at a time: fewer are slower, more take more memory."""

HELD_BYTES = {"cpu": 32 * 2**20}
HELD_BYTES_ELSEWHERE = 2**29
TIGHT = 3
"""Layers' gradients kept until they are scored together, in bytes: what sources write is made
d_model wide once for them all. A part of it where memory is tight."""


def layers_at_once(graph: Graph) -> int:
    """Of how many layers the destinations are multiplied at a time."""
    return max(1, COLUMNS // graph.destinations_per_layer)


def block_columns(graph: Graph) -> int:
    """How many destinations are multiplied at a time, at most."""
    return layers_at_once(graph) * graph.destinations_per_layer


def block_rows(parts: ModelParts, *, tight: bool = False) -> int:
    """How many rows are made d_model wide at a time, at most."""
    device, graph = parts.device.type, parts.graph()
    least, most = BLOCK_ROWS.get(device, BLOCK_ROWS_ELSEWHERE)
    row = (graph.n_sources + block_columns(graph)) * parts.d_model * parts.dtype.itemsize
    room = BLOCK_BYTES.get(device, BLOCK_BYTES_ELSEWHERE) // row
    return int(least if tight else min(most, max(least, room)))


def held_bytes(parts: ModelParts, *, tight: bool = False) -> int:
    """What gradients kept until they are scored may take, in bytes."""
    held = HELD_BYTES.get(parts.device.type, HELD_BYTES_ELSEWHERE)
    return held // TIGHT if tight else held
