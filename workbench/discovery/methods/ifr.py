"""Information flow routes: which share of what a destination reads each source writes.

Ferrando and Voita 2024 (2403.00824). The residual y that a destination reads is a sum over what
sources z write. At each position

    closeness(z) = max(|y|_1 - |y - z|_1, 0),    share(z) = closeness(z) / sum of all closenesses,

and an edge's score is its source's share, averaged over all positions of each clean prompt and then
over the prompts, as EAP-IG does. The corrupted prompts play no part, nor does the metric. At a role
its score is what the role's positions make of that.

- y is the residual before the norm, so the q, k and v of all of a layer's heads have the same
  scores.
- Output biases and learned positions belong to no source. They are part of y but take no share:
  the shares of the sources add up to 1, or are all 0 where none of them is close.
- A head writes z W_O. Where a norm follows a layer's heads, it writes what becomes of that with the
  norm's scale held at the sum of all heads; the norm's own bias belongs to no source.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of
from workbench.base.work import Work
from workbench.circuits.circuit import all_edges
from workbench.discovery.findings import Findings
from workbench.discovery.options import Options
from workbench.discovery.slice_sums import SliceSums
from workbench.engine.node_math import head_outputs
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.transformer.frozen_norm import FrozenNorm
from workbench.transformer.recording import Recording

# What the sources' outputs at one slice of positions may take, in bytes: a fraction of a second.
SLICE_BYTES = 8 * 2**20


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Fill in `findings.edges`; a large share is what the model uses most."""
    graph = experiment.graph
    if experiment.parts.copies is not None:
        raise WorkbenchError(
            "ifr compares what nodes write, and an intervention changes what some readers are "
            "given of it: choose another method, or change the nodes."
        )
    findings.needed = 1
    exists = all_edges(graph)
    # By role, one sum for each; else one for all positions.
    n_roles = len(findings.roles) or 1
    sums = SliceSums(total=np.zeros((n_roles, *exists.shape)))
    total, done = sums.arrays["total"], 0.0

    def show() -> None:
        found = total.sum(axis=0) / done
        findings.edges = np.where(exists, found, np.nan).astype(np.float32)
        if findings.at_roles is not None:
            findings.at_roles[:] = np.where(exists, total / done, np.nan)

    for group, recording in zip(experiment.batch.groups, experiment.recordings, strict=True):
        n_positions = recording.whole.final.shape[1]
        role_of = np.zeros(recording.whole.final.shape[:2], dtype=np.int64)
        if findings.roles:
            role_of[:] = [experiment.batch.roles.of_pairs[i] for i in group.indices]
        for rows in _slices(recording):
            weight = 1 / (n_positions * experiment.n_pairs)
            if sums.has_next():
                done += weight * (rows.stop - rows.start)
                show()
                continue
            here = np.eye(n_roles)[role_of.reshape(-1)[rows]].T
            for stage, shares in zip(graph.stages, _shares(recording, rows), strict=True):
                of_roles = weight * (here @ array_of(shares))
                total[:, : stage.parents, stage.columns] += of_roles[:, :, None]
            done += weight * (rows.stop - rows.start)
            sums.added()
            show()
            yield min(1.0, done)
    sums.done()
    findings.complete = True


def _slices(recording: Recording) -> Iterator[slice]:
    """Runs of a group's [pair * position], each as long as memory allows."""
    parts = recording.parts
    n = recording.whole.final.shape[0] * recording.whole.final.shape[1]
    room = max(1, SLICE_BYTES // (4 * parts.graph().n_sources * parts.d_model))
    for start in range(0, n, room):
        yield slice(start, min(start + room, n))


def _shares(recording: Recording, rows: slice) -> Iterator[Tensor]:
    """Of each stage's parents in turn, [row, source], at some of the group's positions."""
    parts, run = recording.parts, recording.whole
    graph = parts.graph()

    def taken(values: Tensor) -> Tensor:
        """[..., pair, position, d] to the [..., row, d] of these positions."""
        return values.flatten(-3, -2)[..., rows, :]

    with torch.no_grad():
        embedding = wide(taken(run.embedding))
        # Sources come second, so that those of one position lie together.
        written = embedding.new_empty(len(embedding), graph.n_sources, parts.d_model)
        written[:, 0] = embedding
        for index, record in enumerate(run.layers):
            first, mlp = graph.head_source(index, 0), graph.mlp_source(index)
            yield _closest(written[:, :first], taken(record.attn_in))
            z = taken(record.z)[:, :, None, None]
            heads = wide(head_outputs(recording, index, list(range(parts.n_heads)), z)[:, :, 0, 0])
            norm = parts.layers[index].post_attention
            if norm is not None and record.attn_sum is not None:
                frozen = FrozenNorm.of(norm)
                scale = frozen.scale(taken(record.attn_sum))
                heads = frozen.centre(heads) * scale * frozen.weight
            written[:, first:mlp] = heads.transpose(0, 1)
            seen = first if parts.parallel else mlp
            yield _closest(written[:, :seen], taken(record.mlp_in))
            written[:, mlp] = wide(taken(record.mlp_out))
        yield _closest(written, taken(run.final))


def _closest(written: Tensor, residual: Tensor) -> Tensor:
    """Shares [row, source] of a residual [row, d_model], of what sources write.

    What they write is [row, source, d_model].
    """
    residual = wide(residual)
    distance = torch.cdist(written, residual[:, None], p=1)[:, :, 0]
    closeness = (residual.abs().sum(-1, keepdim=True) - distance).clamp(min=0)
    whole = closeness.sum(-1, keepdim=True)
    return closeness / whole.where(whole > 0, torch.ones_like(whole))
