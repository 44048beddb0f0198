"""The model without some of its nodes: what they write ablated for every reader at once.

Every other edge is kept, so that the inputs of a layer are one residual: this is the model's
ordinary forward pass, from the first layer on that loses a node. Sets that have lost the same nodes
so far share what is computed so far, as those of a greedy search do for most of the way.

Glossary: docs/glossary.md#knock-out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.base.work import Work, part
from workbench.circuits.graph import Graph
from workbench.engine.budget import alternative_rows, what_if_bytes
from workbench.engine.model_layers import mlp_rows
from workbench.experiment.experiment import Experiment
from workbench.transformer.forward import run_heads, write_heads
from workbench.transformer.recording import Recording

_AT_ONCE = 16
"""Sets of nodes that are run together: those of a greedy step share most, which are ten."""


def model_without(
    experiment: Experiment, subsets: Sequence[Sequence[str]]
) -> Work[NDArray[np.float64]]:
    """The metric [subset, pair] of the model without each set of nodes.

    Args:
        subsets: heads and MLPs, by name; neither `input` nor `logits`.
    """
    graph = experiment.graph
    removed = np.zeros((len(subsets), graph.n_sources), dtype=bool)
    for row, nodes in zip(removed, subsets, strict=True):
        row[[graph.source_index(node) for node in nodes]] = True
    assert not removed[:, 0].any()
    found = np.empty((len(subsets), experiment.n_pairs))
    # Those that have most of their first nodes in common together.
    order = np.lexsort(removed.T[::-1])
    at_once = max(
        1, min(_AT_ONCE, what_if_bytes(experiment.parts.device.type) // _bytes(experiment))
    )
    groups = list(zip(experiment.recordings, experiment.metrics, strict=True))
    for start in range(0, len(subsets), at_once):
        which = order[start : start + at_once]
        end = min(len(subsets), start + at_once)
        values = []
        for number, (recording, metric) in enumerate(groups):
            share = (end - start) / len(subsets) / len(groups)
            begin = start / len(subsets) + number * share
            run = _final(graph, recording, removed[which])
            final = yield from part(run, begin, begin + share)
            with torch.no_grad():
                values.append(metric.of_residual(final))
        found[which] = experiment.in_order(values).T
        yield end / len(subsets)
    return found


def _bytes(experiment: Experiment) -> int:
    """What one set of nodes takes, of the largest group."""
    rows = alternative_rows(0, 0, 0, tail=True)
    return max(
        int(rows * r.clean.final.element_size() * r.clean.final.nelement())
        for r in experiment.recordings
    )


def _final(graph: Graph, recording: Recording, removed: NDArray[np.bool_]) -> Work[Tensor]:
    """The last residual at the last position, [pair, subset, d_model], layer by layer.

    Args:
        removed: bool [subset, source].
    """
    parts, device = recording.parts, recording.parts.device
    sources = np.flatnonzero(removed.any(axis=0))
    if not sources.size:
        return recording.clean.final[:, -1:].expand(-1, len(removed), -1)
    first, last = graph.node_table[sources[0]].layer, len(parts.layers) - 1
    # One residual for all subsets that have lost the same nodes so far, and whose it is.
    x = recording.clean.layers[first].attn_in[:, None]
    own = np.zeros(len(removed), dtype=np.int64)
    for index in range(first, last + 1):
        layer, ablated = parts.layers[index], recording.corrupted.layers[index]
        heads, mlp = graph.head_rows(index), graph.mlp_source(index)
        prefix_k, prefix_v = recording.prefix(index)
        prefix = None if prefix_k is None or prefix_v is None else (prefix_k, prefix_v)
        with torch.no_grad():
            # What the last layer writes before the last position nobody reads.
            z = run_heads(layer, x, recording.rotary[index], prefix, last=index == last)[3]
            n = z.shape[3]
            before, without, own = _told_apart(own, removed[:, heads])
            from_ = uploaded(before, device)
            x = x[:, from_, -n:]
            gone = uploaded(without.T, device)[:, None, :, None, None]
            z = torch.where(gone, ablated.z[:, :, None, -n:], z[:, :, from_])
            mlp_in, x = x, x + layer.after_attention(write_heads(layer, z))
            out = mlp_rows(layer, mlp_in if parts.parallel else x)
            before, without, own = _told_apart(own, removed[:, mlp : mlp + 1])
            from_ = uploaded(before, device)
            gone = uploaded(without[:, 0], device)[:, None, None]
            x = x[:, from_] + torch.where(gone, ablated.mlp_out[:, None, -n:], out[:, from_])
        yield (index - first + 1) / (last - first + 1)
    return x[:, uploaded(own, device), -1]


def _told_apart(
    own: NDArray[np.int64], removed: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Runs of subsets after some nodes, by the runs before and the nodes that are lost.

    Args:
        own: [subset], which run was its.
        removed: bool [subset, node].

    Returns:
        [run], the run that it was before; bool [run, node], what it loses; [subset], which is its.
    """
    keys = np.concatenate((own[:, None], removed), axis=1)
    runs, now = np.unique(keys, axis=0, return_inverse=True)
    return runs[:, 0].astype(np.int64), runs[:, 1:].astype(np.bool_), now.reshape(-1)
