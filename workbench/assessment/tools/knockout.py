"""The model without some of its nodes: what they write ablated for every reader at once.

Every other edge is kept, so that the inputs of a layer are one residual: this is the model's
ordinary forward pass, from the first layer on that loses a node.

Glossary: docs/glossary.md#knock-out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.base.work import Work
from workbench.circuits.graph import Graph
from workbench.engine.budget import alternative_rows, what_if_bytes
from workbench.experiment.experiment import Experiment
from workbench.transformer.forward import run_heads, write_heads
from workbench.transformer.recording import Recording

_AT_ONCE = 4
"""Sets of nodes to a piece of work."""


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
    # Those that begin at about the same layer together.
    order = np.argsort(removed.argmax(axis=1), kind="stable")
    at_once = max(
        1, min(_AT_ONCE, what_if_bytes(experiment.parts.device.type) // _bytes(experiment))
    )
    for start in range(0, len(subsets), at_once):
        which = order[start : start + at_once]
        values = []
        for recording, metric in zip(experiment.recordings, experiment.metrics, strict=True):
            with torch.no_grad():
                values.append(metric.of_residual(_final(graph, recording, removed[which])))
        found[which] = experiment.in_order(values).T
        yield min(1.0, (start + at_once) / len(subsets))
    return found


def _bytes(experiment: Experiment) -> int:
    """What one set of nodes takes, of the largest group."""
    rows = alternative_rows(0, 0, 0, tail=True)
    return max(
        int(rows * r.clean.final.element_size() * r.clean.final.nelement())
        for r in experiment.recordings
    )


def _final(graph: Graph, recording: Recording, removed: NDArray[np.bool_]) -> Tensor:
    """The last residual at the last position, [pair, subset, d_model].

    Args:
        removed: bool [subset, source].
    """
    parts, device = recording.parts, recording.parts.device
    out = uploaded(removed, device)
    sources = np.flatnonzero(removed.any(axis=0))
    if not sources.size:
        return recording.clean.final[:, -1:].expand(-1, len(removed), -1)
    first = graph.node_table[sources[0]].layer
    x = recording.clean.layers[first].attn_in[:, None].expand(-1, len(removed), -1, -1)
    for index in range(first, len(parts.layers)):
        layer, ablated = parts.layers[index], recording.corrupted.layers[index]
        prefix_k, prefix_v = recording.prefix(index)
        prefix = None if prefix_k is None or prefix_v is None else (prefix_k, prefix_v)
        z = run_heads(layer, x, recording.rotary[index], prefix)[3]
        heads = out[:, graph.head_rows(index)].T[:, None, :, None, None]
        z = torch.where(heads, ablated.z[:, :, None], z)
        written = layer.after_attention(write_heads(layer, z))
        mlp_in = x if parts.parallel else x + written
        x = x + written
        mlp = layer.run_mlp(mlp_in.flatten(0, 1)).view(x.shape)
        without = out[:, graph.mlp_source(index), None, None]
        x = x + torch.where(without, ablated.mlp_out[:, None], mlp)
    return x[:, :, -1]
