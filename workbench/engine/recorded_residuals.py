"""The residual that a destination reads in the two runs."""

from __future__ import annotations

from torch import Tensor

from workbench.circuits.graph import Graph
from workbench.engine.node_math import at_positions
from workbench.transformer.recording import Recording


def residuals(
    graph: Graph, recording: Recording, column: int, positions: int
) -> tuple[Tensor, Tensor]:
    """Clean and corrupted residual of a destination, [pair, 1, position or 1, d_model]."""
    node = graph.destination_table[column].node
    if node.kind == "logits":
        clean, corrupted = recording.clean.final, recording.corrupted.final
    else:
        name = "mlp_in" if node.kind == "mlp" else "attn_in"
        clean = getattr(recording.clean.layers[node.layer], name)
        corrupted = getattr(recording.corrupted.layers[node.layer], name)
    return at_positions(clean, positions)[:, None], at_positions(corrupted, positions)[:, None]
