"""What both runs of a batch take, and whether there is room for them.

Importing this loads no torch.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.base.notices import notice
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import PATCHING

if TYPE_CHECKING:
    from workbench.base.scratch_file import ScratchFile
    from workbench.prompts.batch import Batch, Group
    from workbench.transformer.parts import ModelParts

AFTERWARDS = 1.4
"""The runs and what is computed from them, in units of the runs: up to a quarter was measured to go
to what exists for a moment and to gaps between tensors, and a circuit of some hundred edges takes
about a tenth."""

SHARE = 0.6
"""Of the memory that is free, what one of several pieces of the pairs may take: what those before
leave behind is not all in one."""

AT_ONCE = {"cpu": 2 * 2**30}
"""What pairs may take that are worked on at once, in bytes, on a device on which more of them are
no faster; on all others it is `SHARE` of what is free."""

OF_A_GROUP = 2**29
"""Bytes of both runs of pairs that are worked on together where runs lie in a file."""

TOGETHER = 8
"""Pairs in a group there come in such numbers, as methods that go through pairs take them."""

WORTH_A_LOOK = 2**28
"""Bytes from which on it is looked whether there is so much; less there is."""


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

    @property
    def rows(self) -> int:
        """Positions from `start` on, of all pairs together."""
        return self.pairs * (self.tokens - self.start)


def shapes_of(batch: Batch, ablation: str) -> list[Shape]:
    """The shapes of a batch; runs of another ablation than patching are kept at all positions."""
    patching = ablation == PATCHING
    return [
        Shape(len(group.indices), group.length, group.first_difference if patching else 0)
        for group in batch.groups
    ]


def runs_bytes(parts: ModelParts, shape: Shape) -> int:
    """Both runs' tensors (`recording.LayerRecord`) and the rotations."""
    d_model, heads = parts.d_model, (parts.n_heads + parts.n_kv_heads) * sum(parts.widths)
    # The embedding is also the first residual, unless positions are added to it.
    width = d_model if parts.position_embedding is None else 2 * d_model
    for layer in parts.layers:
        # What the MLP wrote and the residual after it; in between, the one that the MLP reads.
        residuals = 2 if parts.parallel else 3
        width += (residuals + (layer.post_attention is not None)) * d_model + heads
    positions = shape.tokens + shape.tokens - shape.start
    return shape.pairs * positions * width * parts.dtype.itemsize + _rotations(parts, shape)


def _rotations(parts: ModelParts, shape: Shape) -> int:
    import torch

    rotations = parts.rotations(torch.arange(1))
    one = {id(r): sum(t.nbytes for t in r) for r in rotations if r is not None}
    return sum(one.values()) * (shape.tokens - shape.start)


def needed_bytes(parts: ModelParts, batch: Batch, ablation: str) -> float:
    """What both runs of a batch and what is computed from them take."""
    runs = sum(runs_bytes(parts, shape) for shape in shapes_of(batch, ablation))
    return AFTERWARDS * runs


def room_at_once(parts: ModelParts) -> float:
    """Bytes that the pairs may take that are worked on at once."""
    from workbench.models.device import free_memory

    fits = SHARE * free_memory(parts.device)
    return min(fits, AT_ONCE.get(parts.device.type, fits))


def room_for_pieces(
    parts: ModelParts, batch: Batch, ablation: str, beside: float = 0.0
) -> float | None:
    """The bytes that a piece may take, if the pairs are to be run in pieces and can be.

    Args:
        beside: bytes that all pairs together need beside the runs and what is usual.

    Returns:
        None if there is room for all at once, or not even for one.
    """
    needed = needed_bytes(parts, batch, ablation) + beside
    if needed < WORTH_A_LOOK:
        return None
    from workbench.models.device import free_memory

    each = (runs_bytes(parts, shape) / shape.pairs for shape in shapes_of(batch, ablation))
    one = AFTERWARDS * max(each) + beside / batch.n_pairs
    free = free_memory(parts.device)
    if needed <= min(free, AT_ONCE.get(parts.device.type, free)) or one > SHARE * free:
        return None
    return max(one, room_at_once(parts))


def placed(
    parts: ModelParts, batch: Batch, ablation: str, *, why: str = ""
) -> tuple[Batch, ScratchFile | None]:
    """A batch as it is to be run, and where its runs are to lie if not in memory.

    In a file they lie group by group, in groups that memory has room for, each worked on by itself.

    Args:
        why: a sentence on why they have to be run all at once.

    Returns:
        The batch, and None for memory; of a file that is said.

    Raises:
        WorkbenchError: there is no room in either, and how many pairs would fit.
    """
    needed = needed_bytes(parts, batch, ablation)
    if needed < WORTH_A_LOOK:
        return batch, None
    from workbench.base.scratch_file import ScratchFile
    from workbench.models.device import free_memory

    free = free_memory(parts.device)
    if needed <= SHARE * free:
        return batch, None
    shapes = shapes_of(batch, ablation)
    one = max(runs_bytes(parts, shape) / shape.pairs for shape in shapes)
    folder = folder_for_runs(parts, needed, AFTERWARDS * one, free)
    if folder is None:
        refuse_too_many(parts, batch.n_pairs, needed, "both runs of", why=why)
        return batch, None
    share = min(OF_A_GROUP, free * SHARE / 4)

    def pairs_of(group: Group) -> int:
        # At all positions, whatever the pairs: where they differ is of each group's own.
        each = runs_bytes(parts, Shape(1, group.length))
        return max(1, int(share / each) // TOGETHER * TOGETHER)

    notice(
        f"Both runs of {batch.n_pairs:,} pairs need {needed / 2**30:.1f} GiB of memory, and "
        f"{free / 2**30:.1f} GiB are free: they lie in a file in {folder}, and memory holds "
        "those that are worked on."
    )
    return batch.in_groups_of(pairs_of), ScratchFile(folder, 2 * share)


def folder_for_runs(parts: ModelParts, needed: float, one: float, free: float) -> Path | None:
    """Where runs may lie that memory has no room for; None: nowhere.

    Args:
        needed: bytes of all pairs.
        one: of a single one.
        free: what memory has.
    """
    from workbench.base.free_memory import address_space_is_limited
    from workbench.base.scratch_file import scratch_folder

    if parts.device.type != "cpu" or 2 * one > free or address_space_is_limited():
        return None
    folder = scratch_folder()
    return folder if folder and shutil.disk_usage(folder).free >= needed else None


def refuse_too_many(
    parts: ModelParts, n_pairs: int, needed: float, what: str, *, kept: float = 0, why: str = ""
) -> None:
    """Refuse work that needs more memory than is free on the model's device.

    Args:
        n_pairs: that it is about.
        needed: bytes, in proportion to the pairs.
        what: the work, as it stands between "for" and "1,000 pairs".
        kept: bytes, in proportion to the pairs, that are taken already.
        why: a sentence to end with.

    Raises:
        WorkbenchError: how many pairs would fit.
    """
    if needed < WORTH_A_LOOK:
        return
    from workbench.models.device import free_memory

    free = free_memory(parts.device)
    if needed <= free:
        return
    fit = int(n_pairs * (free + kept) / (needed + kept))
    fits = f"about {fit:,} pairs fit (--pairs {fit})" if fit else "not one pair fits"
    raise WorkbenchError(
        f"For {what} {n_pairs:,} pairs {needed / 2**30:.1f} GiB of memory are needed, and "
        f"{free / 2**30:.1f} GiB are free: {fits}, more of them in a smaller dtype."
        + (why and f" {why}")
    )
