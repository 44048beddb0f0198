"""Footprint: the memory that a batch will take, predicted from what is allocated.

What is kept (both runs, a circuit's cells) is counted tensor by tensor. What exists for a moment
(a batch of what-ifs, a slice of EAP) is what the engine allows itself, times what it was measured
to take of that; the measures are the constants here. Importing this module loads no torch.

Glossary: docs/glossary.md#footprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.engine.budget import FLOAT32
from workbench.errors import WorkbenchError
from workbench.experiment.room import (
    AFTERWARDS,
    AT_ONCE,
    WORTH_A_LOOK,
    Shape,
    folder_for_runs,
    room_at_once,
    runs_bytes,
)
from workbench.model_report.costs import Costs, count

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph
    from workbench.models.model import Model
    from workbench.transformer.parts import ModelParts

WHAT_IF_EXCESS = 1.5
"""Measured: a batch of what-ifs takes up to 1.4 times what it is cut to."""

VOCABULARY_COPIES = 2
"""Logits and log-probabilities of a metric that needs the whole vocabulary."""


@dataclass(frozen=True)
class Room:
    """The memory that is free, and how many pairs fit in it.

    Attributes:
        free: bytes, on the model's device.
        at_once: pairs that are run together at most; the rest follow in pieces.
        fit: pairs that fit the memory together, for what cannot be done in pieces.
        in_file: whether the runs of more may lie in a file.
    """

    free: int
    at_once: int
    fit: int
    in_file: bool = False

    @classmethod
    def of(cls, parts: ModelParts, runs: int, pairs: int) -> Room:
        """That for pairs whose runs take so many bytes together."""
        from workbench.models.device import free_memory

        free, needed = free_memory(parts.device), AFTERWARDS * runs
        one = needed / pairs
        limit = min(free, AT_ONCE.get(parts.device.type, free))
        fit = pairs if needed < WORTH_A_LOOK else min(pairs, int(free / one))
        if needed < WORTH_A_LOOK or needed <= limit:
            return cls(free, pairs, fit)
        in_file = folder_for_runs(parts, needed, one, free) is not None
        return cls(free, min(fit, max(1, int(room_at_once(parts) / one))), fit, in_file)


@dataclass(frozen=True)
class Footprint:
    """Predicted memory beyond the model's weights, in bytes.

    Attributes:
        shapes: the batch, by length.
        metric: the metric that it is for; some need the logits of the whole vocabulary.
        runs: the clean and the corrupted run, as recorded.
        probabilities: the clean run's next-token distribution, kept for the metric.
        circuit: the cells of a circuit, if every edge is kept: the most they can take.
        what_if: one batch of alternatives.
        eap: the estimate of all edges' effects, while it is computed.
        costs: in F, of what is done with the batch.
        room: what there is for it; None where that was not asked.
    """

    shapes: tuple[Shape, ...]
    metric: str
    runs: int
    probabilities: int
    circuit: int
    what_if: int
    eap: int
    costs: Costs | None = None
    room: Room | None = None

    @property
    def peak(self) -> int:
        """The largest sum at one time: EAP is over before there is a circuit."""
        kept = self.runs + self.probabilities
        return kept + max(self.eap, self.circuit + self.what_if)


def predict(parts: ModelParts, shapes: Sequence[Shape], metric: str = "logit_diff") -> Footprint:
    """The memory that a batch of pairs will take."""
    graph = parts.graph()
    needed = _needed(graph)
    return Footprint(
        shapes=tuple(shapes),
        metric=metric,
        runs=sum(runs_bytes(parts, shape) for shape in shapes),
        probabilities=sum(_logits(parts, shape) for shape in shapes),
        circuit=sum(_circuit(parts, graph, shape, needed) for shape in shapes),
        # One group of pairs after the other.
        what_if=max(_what_if(parts, graph, shape, needed, metric) for shape in shapes),
        eap=max(_eap(parts, shape) for shape in shapes),
        costs=count(parts, shapes),
    )


def of_model(
    model: Model, pairs: int, tokens: int, start: int = 0, metric: str = "logit_diff"
) -> Footprint:
    """The memory that a batch of a model will take.

    Args:
        pairs: how many.
        tokens: length of every prompt.
        start: the first position at which any pair's prompts differ; 0 is the worst case.
        metric: one of `metrics.catalogue.METRICS`.

    Raises:
        WorkbenchError: the model has no embedding for so many positions.
    """
    parts, context = model.parts, model.info.architecture.context
    if parts.position_embedding is not None and context is not None and tokens > context:
        raise WorkbenchError(
            f"{model.name} has {context:,} positions, which are too few for {tokens:,} tokens."
        )
    found = predict(parts, [Shape(pairs, tokens, start)], metric)
    return replace(found, room=Room.of(parts, found.runs, pairs))


def _row(parts: ModelParts, shape: Shape) -> int:
    """Bytes of one value [pair, position, d_model] at the positions that differ."""
    return shape.pairs * (shape.tokens - shape.start) * parts.d_model * parts.dtype.itemsize


def _logits(parts: ModelParts, shape: Shape) -> int:
    """Bytes of a number for each token of the vocabulary, [pair, vocabulary]."""
    return int(shape.pairs * parts.w_u.shape[1] * FLOAT32)


def _circuit(parts: ModelParts, graph: Graph, shape: Shape, needed: tuple[int, int]) -> int:
    """The cells of `sheet.Sheet`: what sources add; q, k, v and z of every head.

    What sources add has the room that growing leaves.
    """
    at_all, at_last = needed
    row = _row(parts, shape)
    last = row // (shape.tokens - shape.start)
    # A head of the last layer is read at the last position only, by way of its query.
    early, late = (graph.n_layers - 1) * graph.n_heads, graph.n_heads
    of_heads = (4 * early + 2 * late) * row + 2 * late * last
    return (
        _room(at_all) * row
        + _room(at_all + at_last) * last
        + of_heads * parts.d_head // parts.d_model
    )


def _needed(graph: Graph) -> tuple[int, int]:
    """How many sources beside the input are needed at all positions, and at the last alone.

    With every edge kept: those at all positions are read as keys and values, those at the last
    alone are of the last layer.
    """
    of_layer = graph.sources_per_layer
    return (graph.n_layers - 1) * of_layer, of_layer


def _room(n: int) -> int:
    """Most sources that there is room for while no more than n and the input are in it."""
    from workbench.engine.deltas import grown_size

    return max(n + 1, grown_size(n))


def _what_if(
    parts: ModelParts, graph: Graph, shape: Shape, needed: tuple[int, int], metric: str
) -> int:
    """Batches are cut to a budget, but hold one alternative at least and all edges at most."""
    from workbench.engine.budget import alternative_rows, what_if_bytes
    from workbench.metrics.metric import LOGIT_BYTES

    row, budget = _row(parts, shape), what_if_bytes(parts.device.type)
    one = alternative_rows(*needed, graph.head_inputs_per_layer, tail=True) * row
    together = WHAT_IF_EXCESS * min(max(budget, one), graph.n_edges * one)
    if metric == "logit_diff" and parts.logit_cap is None:
        return int(together)
    # Edges into the logits cost next to nothing before the logits, so that many fit in.
    alternatives = max(1, min(graph.n_sources, budget // row))
    of_one = _logits(parts, shape)
    logits = VOCABULARY_COPIES * max(of_one, min(LOGIT_BYTES, alternatives * of_one))
    return int(max(together, alternatives * row + logits))


def _eap(parts: ModelParts, shape: Shape) -> int:
    """One slice of pairs, while it is scored."""
    from workbench.discovery.gradients.slices import pairs_at_once, slice_bytes

    at_once = min(shape.pairs, pairs_at_once(parts, shape.tokens, shape.start))
    return slice_bytes(parts, replace(shape, pairs=at_once))
