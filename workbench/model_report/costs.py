"""What work on a batch costs, in F: one plain forward pass of the same pairs.

Multiplications are counted, each with its addition, as the formulas of engine and methods have
them; what exists beside them (norms, copies, Python) is not. Importing this module loads no torch.

Glossary: docs/glossary.md#footprint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.experiment.room import Shape

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.circuits.graph import Graph
    from workbench.transformer.parts import ModelParts

STEPS = 5
"""Of EAP-IG, as by default."""


@dataclass(frozen=True)
class Costs:
    """Counted operations, in units of those of one plain forward pass of the same pairs.

    Attributes:
        runs: the clean and the corrupted run, recorded.
        eap, eap_ig: scores of all edges beside the runs; EAP-IG's with `STEPS` steps.
        all_edges: every edge kept, from nothing.
        circuit: any circuit from nothing, at most: each input has a sum of its own.
        edge: one edge changed in any circuit, at most, on average over all edges: all that follows.
    """

    runs: float
    eap: float
    eap_ig: float
    all_edges: float
    circuit: float
    edge: float


def count(parts: ModelParts, shapes: Sequence[Shape]) -> Costs:
    """The costs of a batch of such pairs."""
    graph, one = parts.graph(), [_Operations.of(parts, shape) for shape in shapes]

    def share(work: str) -> float:
        return float(sum(getattr(o, work) for o in one) / sum(o.plain for o in one))

    below, tables = share("below"), share("tables")
    circuit = below + share("sums") + share("own_inputs")
    return Costs(
        runs=share("clean") + below,
        eap=below + tables,
        eap_ig=STEPS * (2 * below + tables),
        all_edges=below,
        circuit=circuit,
        edge=circuit * _following(graph),
    )


@dataclass(frozen=True)
class _Operations:
    """Multiplications of pairs of one shape.

    Attributes:
        plain: a forward pass, logits at all positions included.
        clean: its layers; below: the same at positions from the first difference on.
        sums: products of every edge's source and destination.
        own_inputs: keys and values for every query head, beyond those that are shared.
        tables: EAP's, of narrow gradients and values those of d_model width, and `sums`.
    """

    plain: float
    clean: float
    below: float
    sums: float
    own_inputs: float
    tables: float

    @classmethod
    def of(cls, parts: ModelParts, shape: Shape) -> _Operations:
        graph, all_rows = parts.graph(), shape.pairs * shape.tokens
        heads = parts.n_heads * parts.d_head
        weights = sum(_numbers(layer.attention.w_o) for layer in parts.layers)
        projected = own = 0
        for layer in parts.layers:
            attention = layer.attention
            for which in range(3):
                weight, latent = attention.distinct_weights(which), attention.latent(which)
                up = 0 if latent is None else _numbers(latent.up)
                weights += _numbers(weight) + up
                projected += _numbers(weight) + up
                own += len(attention.w_q) * _numbers(weight[0]) + up
            weights += sum(_numbers(p) for p in layer.mlp.parameters() if p.ndim > 1)
        patterns = 2 * len(parts.layers) * heads * shape.tokens
        clean = float(all_rows * (weights + patterns))
        sums = float(shape.rows * graph.n_edges * parts.d_model)
        wide = sum(_numbers(layer.attention.w_o) for layer in parts.layers) + own
        return cls(
            clean + all_rows * _numbers(parts.w_u),
            clean,
            float(shape.rows * (weights + patterns)),
            sums,
            float(shape.rows * (own - projected)),
            sums + shape.rows * wide,
        )


def _numbers(weight: Tensor) -> int:
    return int(weight.numel())


def _following(graph: Graph) -> float:
    """What share of the layers follows the destination of an edge, on average over all edges."""
    total, following = 0, 0.0
    for stage in graph.stages:
        edges = stage.parents * (stage.columns.stop - stage.columns.start)
        total += edges
        if stage.kind != "logits":
            following += edges * (1 - stage.layer / graph.n_layers)
    return following / total
