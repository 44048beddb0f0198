"""EAP with integrated gradients over each node's output (EAP-IG-activations).

For an edge E from source s to destination d,

    s(E) = (e' - e) . 1/m sum of dL/dx_d over k = 1 .. m,

each gradient at the run in which the output of s alone is z' + (k / m) (z - z'), z the clean and z'
the ablated one, and all else follows from it: the method of EAP-IG's code with the points that it
takes (Hanna et al. 2024, 2403.17806), but with every edge's gradients from the runs of its own
source, where that code averages every edge's over the runs of all nodes. The last point, k = m, is
the clean run and the same for all sources. Of the others only what stands after the source is run,
and the sources of one stage are run together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import kept_index, uploaded
from workbench.base.work import Work
from workbench.circuits.graph import Graph, Node
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.backward_rules import PLAIN
from workbench.discovery.gradients.edge_gradients import AtLayer, at_final, gradients
from workbench.discovery.gradients.edge_table import edge_scores
from workbench.discovery.gradients.mlp_slope import mlp_back
from workbench.discovery.gradients.norm_slope import NormSlope
from workbench.discovery.gradients.scoring import Scorer, fill_in
from workbench.discovery.gradients.slices import Keeping, RecordedSlice, Slice, pairs_at_once
from workbench.discovery.gradients.tape import Tape, run_mlp
from workbench.discovery.methods.eap_ig import steps_of
from workbench.discovery.options import Options
from workbench.engine.node_math import head_outputs
from workbench.experiment.experiment import Experiment
from workbench.transformer.attention import K, Q, V
from workbench.transformer.parts import Layer


def find(experiment: Experiment, findings: Findings, options: Options) -> Work[None]:
    """Score every edge; heeds `options.steps`.

    Raises:
        WorkbenchError: as `scoring.Scorer.check`, or there is no step.
    """
    yield from fill_in(experiment, findings, scorer(options))


def scorer(options: Options) -> Scorer:
    """How it scores, with `options.steps`.

    Raises:
        WorkbenchError: fewer than one step.
    """
    steps = steps_of(options, "eap-ig-activations")
    return Scorer("EAP-IG-activations", partial(_score, steps), anew=True)


def _score(steps: int, piece: Slice) -> Work[Tensor]:
    assert isinstance(piece, RecordedSlice)
    recording = piece.recording
    graph = recording.parts.graph()
    total = edge_scores(piece, piece.clean())
    tokens = recording.start + recording.n_positions
    room = pairs_at_once(recording.parts, tokens, recording.start, Keeping(anew=True))
    at_once = max(1, room // piece.n_pairs)
    batches = list(_batches(graph, steps, at_once))
    for done, batch in enumerate(batches):
        yield done / len(batches)
        _add_scores(piece, batch, total)
    return total / steps


@dataclass(frozen=True)
class _Batch:
    """Sources of one stage, each with its output so much of the way from clean to ablated.

    Attributes:
        layer: of the stage; -1 for the input.
        heads: whether the sources are heads.
        sources, shares: one each for every alternative.
    """

    layer: int
    heads: bool
    sources: tuple[int, ...]
    shares: tuple[float, ...]


def _batches(graph: Graph, steps: int, at_once: int) -> Iterator[_Batch]:
    together = groupby(range(graph.n_sources), lambda s: _moment(graph.node_table[s]))
    for (layer, heads), sources in together:
        every = [(source, 1 - k / steps) for source in sources for k in range(1, steps)]
        for start in range(0, len(every), at_once):
            chosen = every[start : start + at_once]
            yield _Batch(layer, heads, *zip(*chosen, strict=True))


def _moment(node: Node) -> tuple[int, bool]:
    """When a node writes: its layer, and whether it is a head."""
    return node.layer, node.kind == "head"


def _add_scores(piece: RecordedSlice, batch: _Batch, total: Tensor) -> None:
    """Add the alternatives' scores of the edges out of their sources to the total.

    It is [group, source, destination].
    """
    recording, parts = piece.recording, piece.recording.parts
    graph, n, layer_index = parts.graph(), len(batch.sources), batch.layer
    pairs = torch.arange(piece.n_pairs, device=total.device).repeat(n)
    places = pairs + (piece.pairs.start or 0)
    parts, metric = parts.of_pairs(places), piece.metric.part(pairs)
    raw = _raw(piece, batch)
    shares = uploaded(batch.shares, raw.device, raw.dtype)[:, None, None, None]
    change, added = (shares * raw).flatten(0, 1), raw.flatten(0, 1)
    table = _Table(piece, batch.sources, total)
    clean = recording.clean
    last = layer_index + 1 == graph.n_layers
    after = clean.final if last else clean.layers[layer_index + 1].attn_in
    before: tuple[Tensor, ...] | None = None
    mlp_in: Tensor | None = None
    with torch.no_grad():
        residual = after[places] + change
        if batch.heads:
            layer, record = parts.layers[layer_index], clean.layers[layer_index]
            if layer.post_attention is not None:
                assert record.attn_sum is not None, layer_index
                summed = record.attn_sum[places]
                slope = NormSlope(layer.post_attention, summed + change)
                added = slope.forth(added)
                change = layer.after_attention(summed + change) - layer.after_attention(summed)
                residual = after[places] + change
            if not parts.parallel:
                mlp_in = record.mlp_in[places] + change
                before, written = run_mlp(layer, mlp_in)
                residual = mlp_in + written
        tape = Tape.run(recording, places, residual, layer_index + 1)
        above = at_final(tape, metric)
        table.add(graph.logits_destination, _products(added, above)[None])
        for at in gradients(tape, above, first=layer_index + 1):
            layer, columns = parts.layers[at.index], graph.layer_columns(at.index)
            table.add(columns.start, _into_heads(layer, at, added))
            table.add(columns.stop - 1, _products(added, at.mlp)[None])
            above = at.residual
        if mlp_in is not None:
            known = above.shape[1]
            taken = None if before is None else tuple(value[:, -known:] for value in before)
            layer = parts.layers[layer_index]
            at_mlp = mlp_back(layer, mlp_in[:, -known:], above, PLAIN, taken)
            table.add(graph.mlp_destination(layer_index), _products(added, at_mlp)[None])


def _raw(piece: RecordedSlice, batch: _Batch) -> Tensor:
    """What a batch's sources write, corrupted minus clean, [source, pair, position, d_model]."""
    clean, corrupted, pairs = piece.recording.clean, piece.recording.corrupted, piece.pairs
    if batch.layer < 0:
        return (corrupted.embedding[pairs] - clean.embedding[pairs])[None].expand(
            len(batch.sources), -1, -1, -1
        )
    here, there = clean.layers[batch.layer], corrupted.layers[batch.layer]
    if not batch.heads:
        moved = there.mlp_out[pairs] - here.mlp_out[pairs]
        return moved[None].expand(len(batch.sources), -1, -1, -1)
    z = (there.z[:, pairs] - here.z[:, pairs])[:, :, None]
    first = piece.parts.graph().head_rows(batch.layer).start
    heads = list(range(len(z)))
    every = head_outputs(piece.recording, batch.layer, heads, z)[:, :, 0]
    return every[kept_index(tuple(source - first for source in batch.sources), every.device)]


def _products(added: Tensor, gradient: Tensor) -> Tensor:
    """Difference times gradient [pair, last position, d] at each position, [pair, position]."""
    return torch.linalg.vecdot(added[:, -gradient.shape[1] :], gradient)


def _into_heads(layer: Layer, at: AtLayer, added: Tensor) -> Tensor:
    """The same at the inputs of a layer's heads, q, k and v of each.

    They are [destination, pair, position]. The difference is brought forward to the projections,
    where the gradients are d_head wide: each row has one source only.
    """
    attention = layer.attention
    normed = NormSlope(layer.norm1, at.attn_in).forth(added)
    out = added.new_zeros(3 * len(at.projected[Q]), *added.shape[:2])
    for which, place in zip((Q, K, V), out.split(len(at.projected[Q])), strict=True):
        gradient, joint = at.projected[which], attention.joint[which]
        n = gradient.shape[2]
        weight = attention.distinct_weights(which)
        flat = weight.permute(1, 0, 2).flatten(1)
        moved = normed[:, -n:] @ flat
        if joint is not None:
            together = layer.norm1(at.attn_in[:, -n:]) @ flat
            moved = NormSlope(joint, together).forth(moved)
        heads = moved.unflatten(-1, (len(weight), -1)).permute(2, 0, 1, 3)
        groups = gradient.unflatten(0, (len(weight), -1))
        place[:, :, -n:] = torch.linalg.vecdot(groups, heads[:, None]).flatten(0, 1)
    return out


class _Table:
    """Adds up scores of edges out of the sources of a batch's alternatives."""

    def __init__(self, piece: RecordedSlice, sources: tuple[int, ...], total: Tensor) -> None:
        self._rows, self._sources, self._total = piece.rows, sources, total

    def add(self, column: int, found: Tensor) -> None:
        """Add products [destination, alternative and pair, last position]."""
        rows = self._rows
        of_source = found.unflatten(1, (len(self._sources), rows.n_pairs))[..., None]
        at_rows = wide(rows.arranged(of_source)[..., 0])
        for group, (start, end) in enumerate(pairwise(rows.ends)):
            made = at_rows[..., start:end].sum(-1)
            for place, source in enumerate(self._sources):
                self._total[group, source, column : column + len(found)] += made[:, place]
