"""Baseline: what alternatives depart from, a circuit's run or the clean run itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from workbench.circuits.graph import Graph
from workbench.engine.kept_edges import Kept, is_kept
from workbench.engine.narrowed import NarrowedMlps
from workbench.engine.node_math import at_positions, head_outputs, recorded_input
from workbench.engine.post_norm import summed
from workbench.engine.reach import Alternative
from workbench.engine.recorded_residuals import residuals
from workbench.transformer.recording import Recording


class Baseline(Protocol):
    """What the alternatives depart from.

    Glossary: docs/glossary.md#baseline.
    """

    graph: Graph
    recording: Recording
    kept: Kept
    mask: NDArray[np.bool_]
    is_open: NDArray[np.bool_]
    narrowed: NarrowedMlps

    def unique_inputs(
        self, columns: NDArray[np.int64], positions: int
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """The different inputs of destinations of one stage, and which each of them has."""

    def head_input(self, layer: int, which: int, head: int, positions: int) -> Tensor:
        """A head's query, key or value (`which` 0, 1, 2), as attention takes it."""

    def head_value(self, source: int, positions: int) -> Tensor:
        """What a head has summed by its pattern, before W_O."""

    def mlp_value(self, layer: int, positions: int) -> Tensor:
        """What a layer's MLP writes."""

    def delta(self, source: int, positions: int) -> Tensor | None:
        """What a source writes beyond the corrupted run; None for nothing."""

    def attention_sum(self, layer: int, column: int, positions: int) -> Tensor:
        """What a destination sees of a layer's heads before the norm that follows them."""

    def final_residual(self) -> Tensor:
        """The residual before the last norm, at the last position."""

    def live_in(self, changes: Sequence[Alternative]) -> NDArray[np.bool_] | None:
        """Which sources are live in each alternative; None where that makes no difference."""


class CleanBaseline:
    """The clean run as a base; changes spread along the kept edges only.

    With every edge kept this is the definition of an edge's effect, s(E) = L(x | do(E = e'))
    - L(x); with a circuit's edges it is path patching along the circuit.
    """

    def __init__(
        self,
        graph: Graph,
        recording: Recording,
        kept: Kept,
        neurons: Mapping[int, Tensor] | None = None,
    ) -> None:
        """`neurons`: through which of an MLP changes spread, by layer; not named: through all."""
        self.graph = graph
        self.recording = recording
        self.kept = kept
        self.mask = is_kept(kept)
        self.narrowed = NarrowedMlps(recording, neurons, clean=True)
        self.is_open = np.zeros(graph.n_destinations, dtype=bool)

    def unique_inputs(
        self, columns: NDArray[np.int64], positions: int
    ) -> tuple[Tensor, NDArray[np.int64]]:
        """The recorded residual, the same for all destinations of a stage."""
        clean, _ = residuals(self.graph, self.recording, int(columns[0]), positions)
        return clean[None], np.zeros(len(columns), dtype=np.int64)

    def head_input(self, layer: int, which: int, head: int, positions: int) -> Tensor:
        """A head's query, key or value as recorded."""
        return recorded_input(
            self.recording, self.recording.clean.layers[layer], which, head, positions
        )

    def head_value(self, source: int, positions: int) -> Tensor:
        """What a head summed by its pattern, as recorded."""
        node = self.graph.node_table[source]
        return at_positions(self.recording.clean.layers[node.layer].z[node.head], positions)[
            :, None
        ]

    def mlp_value(self, layer: int, positions: int) -> Tensor:
        """What a layer's MLP wrote, as recorded."""
        return at_positions(self.recording.clean.layers[layer].mlp_out, positions)[:, None]

    def delta(self, source: int, positions: int) -> Tensor:
        """What a source wrote in the clean run beyond the corrupted one."""
        return clean_delta(self.graph, self.recording, source, positions)

    def attention_sum(self, layer: int, column: int, positions: int) -> Tensor:
        """What a layer's heads wrote together, the same for all destinations."""
        return summed(self.recording.clean, layer, positions)

    def final_residual(self) -> Tensor:
        """The recorded residual before the last norm, at the last position."""
        return self.recording.clean.final[:, -1]

    def live_in(self, changes: Sequence[Alternative]) -> NDArray[np.bool_] | None:
        """None, since whatever is not corrupted is clean."""
        return None  # what is not corrupted is clean


def clean_delta(graph: Graph, recording: Recording, source: int, positions: int) -> Tensor:
    """z_s - z'_s of the clean and corrupted run, [pair, 1, position or 1, d_model]."""
    node = graph.node_table[source]
    if node.kind == "input":
        return at_positions(recording.clean.embedding - recording.corrupted.embedding, positions)[
            :, None
        ]
    clean, corrupted = recording.clean.layers[node.layer], recording.corrupted.layers[node.layer]
    if node.head is None:
        return (
            at_positions(clean.mlp_out, positions) - at_positions(corrupted.mlp_out, positions)
        )[:, None]
    z = (
        at_positions(clean.z[node.head], positions)
        - at_positions(corrupted.z[node.head], positions)
    )[None, :, None]
    return head_outputs(recording, node.layer, [node.head], z)[0]
