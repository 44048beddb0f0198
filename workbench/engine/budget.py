"""The memory budget: what runs and alternatives of a batch take, and what they may.

Importing this loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment
    from workbench.transformer.parts import ModelParts

# What one batch of alternatives may take beside the recordings and the circuit's own cells, in
# bytes. On a CPU larger batches are no faster.
WHAT_IF_BYTES = {"cpu": 100 * 2**20}
WHAT_IF_BYTES_ELSEWHERE = 2**30
# An MLP's hidden layer, its gate and their product, in units of d_model: what most architectures
# have.
_MLP_WIDTH = 12

FLOAT32 = 4
"""Bytes of a number in which probabilities are computed, whatever the model's numbers are."""


@dataclass(frozen=True)
class Shape:
    """Pairs of one token length.

    Attributes:
        pairs: how many.
        tokens: length of every prompt.
        start: the first position at which any pair's prompts differ; 0 is the worst case.

    Glossary: docs/glossary.md#shape.
    """

    pairs: int
    tokens: int
    start: int = 0


def runs_bytes(parts: ModelParts, shape: Shape) -> int:
    """Both runs' tensors (`recording.LayerRecord`) and the rotations."""
    d_model, heads = parts.d_model, (parts.n_heads + parts.n_kv_heads) * parts.d_head
    # The embedding is also the first residual, unless positions are added to it.
    width = d_model if parts.position_embedding is None else 2 * d_model
    for layer in parts.layers:
        # What the MLP wrote and the residual after it; in between, the one that the MLP reads.
        residuals = 2 if parts.parallel else 3
        width += (residuals + (layer.post_attention is not None)) * d_model + 2 * heads
    positions = shape.tokens + shape.tokens - shape.start
    return shape.pairs * positions * width * parts.dtype.itemsize + _rotations(parts, shape)


def _rotations(parts: ModelParts, shape: Shape) -> int:
    import torch

    rotations = parts.rotations(torch.arange(1))
    one = {id(r): sum(t.nbytes for t in r) for r in rotations if r is not None}
    return sum(one.values()) * (shape.tokens - shape.start)


def what_if_bytes(device_type: str) -> int:
    """What one batch of alternatives may take on such a device, in bytes."""
    return WHAT_IF_BYTES.get(device_type, WHAT_IF_BYTES_ELSEWHERE)


def alternative_rows(at_all: int, at_last: int, width: int, *, tail: bool) -> float:
    """What one alternative takes, in values [pair, position, d_model].

    Args:
        at_all, at_last: how many sources it reaches that are needed at all positions, at the last.
        width: most destinations of one stage that it reaches.
        tail: its last layers are run as the model's own.
    """
    rows = at_all + 0.2 * at_last + 1 + _MLP_WIDTH + 3 * width
    return rows + (3 * _MLP_WIDTH // 2 if tail else 0)


def row_bytes(experiment: Experiment) -> int:
    """Bytes of one value at all positions that differ, of the largest group.

    It is [pair, position, d_model].
    """
    parts = experiment.parts
    row = parts.d_model * parts.dtype.itemsize
    return max(r.n_pairs * r.n_positions * row for r in experiment.recordings)
