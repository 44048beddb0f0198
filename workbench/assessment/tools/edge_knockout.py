"""The model without some of its edges: what they carry ablated, for their readers alone.

Almost every edge is kept, so that almost all inputs of a layer are one residual: this is the
model's ordinary forward pass, in which the few inputs that lose something are computed by
themselves and put in the place of the others.

Glossary: docs/glossary.md#knock-out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from workbench.base.work import Work
from workbench.circuits.graph import Graph, Stage
from workbench.engine.baseline import clean_delta
from workbench.engine.model_layers import mlp_rows
from workbench.engine.node_math import head_outputs, head_values, project_entries
from workbench.engine.plan import Positions
from workbench.engine.post_norm import has_post_norms
from workbench.engine.recorded_residuals import residuals
from workbench.experiment.experiment import Experiment
from workbench.transformer.attention import K, Q, V, finish_projection, project_shared
from workbench.transformer.forward import write_heads
from workbench.transformer.recording import Recording

Edge = tuple[int, int]
"""A source and a destination."""


def can_be_shared(experiment: Experiment) -> bool:
    """Whether inputs are one residual but for what is taken from them.

    Not so where a norm follows the heads, or something is done to the model.
    """
    return not experiment.interventions and not any(map(has_post_norms, experiment.recordings))


def final_without(
    graph: Graph, recording: Recording, removed: Sequence[Sequence[Edge]]
) -> Work[Tensor]:
    """The last residual at the last position, [pair, set, d_model], layer by layer.

    Args:
        removed: sets of edges; of a source that nothing clean reaches any more all are in.
    """
    run = _Run(graph, recording, removed)
    stages = [stage for stage in graph.stages if run.touches(stage)]
    if not stages:
        return recording.clean.final[:, -1:].expand(-1, len(removed), -1)
    n_layers = len(recording.parts.layers)
    first = n_layers if stages[0].kind == "logits" else stages[0].layer
    at = recording.clean.final if first == n_layers else recording.clean.layers[first].attn_in
    x = at[:, None].expand(-1, len(removed), -1, -1)
    for index in range(first, n_layers):
        with torch.no_grad():
            x = run.layer(index, x)
        yield (index - first + 1) / (n_layers - first)
    with torch.no_grad():
        return run.less(graph.logits_destination, x[:, :, -1:])[:, :, -1]


@dataclass
class _Run:
    """One pass over all sets.

    Attributes:
        z: by layer, what heads sum by their patterns, [head, pair, set, position, d_head].
        mlp: by layer, what its MLP writes, [pair, set, position, d_model]. Layers that lose nothing
            yet are not in.
    """

    graph: Graph
    recording: Recording
    removed: Sequence[Sequence[Edge]]
    z: dict[int, Tensor] = field(default_factory=dict)
    mlp: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sources: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for k, edges in enumerate(self.removed):
            for source, column in edges:
                self._sources[column][k].append(source)
        self._known: dict[tuple[int, int], Tensor] = {}

    def touches(self, stage: Stage) -> bool:
        """Whether an input of a stage loses something in any set."""
        return any(column in self._sources for column in range(*stage.columns.indices(1 << 62)))

    def layer(self, index: int, x: Tensor) -> Tensor:
        """The residual after a layer, of that before it; both [pair, set, position, d_model]."""
        recording, graph = self.recording, self.graph
        layer = recording.parts.layers[index]
        attention, rotary = layer.attention, recording.rotary[index]
        normed, heads = layer.norm1(x), list(range(graph.n_heads))
        q, k, v = (
            finish_projection(
                attention, which, project_shared(attention, which, normed, None), None, turn
            )
            for which, turn in ((Q, rotary), (K, rotary), (V, None))
        )
        if len(k) != len(q):
            k, v = k[attention.kv_of], v[attention.kv_of]
        self._put_own(index, x, (q, k, v))
        z = self.z[index] = head_values(recording, index, heads, q, k, v)
        after = x + write_heads(layer, z)
        mlp_in = self.less(graph.mlp_destination(index), x if recording.parts.parallel else after)
        out = self.mlp[index] = mlp_rows(layer, mlp_in)
        return after + out

    def _put_own(self, index: int, x: Tensor, values: tuple[Tensor, Tensor, Tensor]) -> None:
        """Put q, k and v of inputs that lose something in their places."""
        entries = [
            (which, head, k)
            for which in (Q, K, V)
            for head in range(self.graph.n_heads)
            for k in self._sources.get(self.graph.head_destination(index, which, head), ())
        ]
        if not entries:
            return
        inputs = torch.stack(
            [
                self._own(self.graph.head_destination(index, which, head), k, x[:, k : k + 1])
                for which, head, k in entries
            ]
        )
        own = project_entries(
            self.recording,
            index,
            [(which, head) for which, head, _ in entries],
            inputs,
            np.arange(len(entries)),
        )
        for (which, head, k), value in zip(entries, own, strict=True):
            values[which][head, :, k] = value[:, 0]

    def less(self, column: int, x: Tensor) -> Tensor:
        """Inputs of a destination, less what they lose; [pair, set, last positions, d_model]."""
        if column not in self._sources:
            return x
        x = x.clone()
        for k in self._sources[column]:
            x[:, k : k + 1] = self._own(column, k, x[:, k : k + 1])
        return x

    def _own(self, column: int, k: int, x: Tensor) -> Tensor:
        """What a destination reads in a set, [pair, 1, last positions, d_model], in place of x."""
        lost, n = self._sources[column][k], x.shape[2]
        parents = range(self.graph.n_parents(column))
        if 2 * len(lost) < len(parents):
            for source in lost:
                x = x - self._delta(source, k)[:, :, -n:]
            return x
        # Where little is left it is added up: as a difference it would be lost in rounding.
        x = residuals(self.graph, self.recording, column, Positions.ALL)[1][:, :, -n:]
        for source in set(parents) - set(lost):
            x = x + self._delta(source, k)[:, :, -n:]
        return x

    def _delta(self, source: int, k: int) -> Tensor:
        """What a source adds beyond the corrupted run in a set, [pair, 1, position, d_model]."""
        if (source, k) not in self._known:
            self._known[source, k] = self._added(source, k)
        return self._known[source, k]

    def _added(self, source: int, k: int) -> Tensor:
        node, recording = self.graph.node_table[source], self.recording
        if node.kind == "input" or node.layer not in self.z:
            return clean_delta(self.graph, recording, source, Positions.ALL)
        corrupted = recording.corrupted.layers[node.layer]
        if node.head is None:
            return self.mlp[node.layer][:, k : k + 1] - corrupted.mlp_out[:, None]
        z = self.z[node.layer][node.head, :, k : k + 1] - corrupted.z[node.head][:, None]
        return head_outputs(recording, node.layer, [node.head], z[None])[0]
