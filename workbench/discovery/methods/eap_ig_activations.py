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
from itertools import groupby

import torch
from torch import Tensor

from workbench.base.transfers import kept_index, uploaded
from workbench.base.work import Work
from workbench.circuits.graph import Graph, Node
from workbench.discovery.findings import Findings
from workbench.discovery.gradients.backward_rules import PLAIN
from workbench.discovery.gradients.edge_gradients import edge_scores, gradients
from workbench.discovery.gradients.mlp_slope import mlp_back
from workbench.discovery.gradients.norm_slope import NormSlope
from workbench.discovery.gradients.scoring import Scorer, fill_in
from workbench.discovery.gradients.slices import Slice, pairs_at_once
from workbench.discovery.gradients.tape import Tape, run_mlp
from workbench.discovery.methods.eap_ig import steps_of
from workbench.discovery.options import Options
from workbench.experiment.experiment import Experiment


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
    recording = piece.recording
    graph = recording.parts.graph()
    total = edge_scores(piece, piece.clean())
    tokens = recording.start + recording.n_positions
    room = pairs_at_once(recording.parts, tokens, recording.start, anew=True)
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


def _add_scores(piece: Slice, batch: _Batch, total: Tensor) -> None:
    """Add the alternatives' scores of the edges out of their sources to the total.

    It is [pair, source, destination]; by role [role, source, destination].
    """
    recording, parts = piece.recording, piece.recording.parts
    graph, n, layer_index = parts.graph(), len(batch.sources), batch.layer
    pairs = torch.arange(piece.n_pairs, device=total.device).repeat(n)
    places = pairs + (piece.pairs.start or 0)
    parts, metric = parts.of_pairs(places), piece.metric.part(pairs)
    raw = piece.written()[kept_index(tuple(batch.sources), total.device)]
    shares = uploaded(batch.shares, raw.device, raw.dtype)[:, None, None, None]
    roles: Tensor | None = None  # [pair, position, role], one where the role stands
    if piece.n_roles:
        assert recording.role_of is not None
        own = torch.from_numpy(recording.role_of[piece.pairs])
        roles = uploaded(torch.nn.functional.one_hot(own, piece.n_roles), raw.device, raw.dtype)
    change, added = (shares * raw).flatten(0, 1), raw.flatten(0, 1)

    def score(column: int, gradient: Tensor) -> None:
        """Of edges into the destinations from `column` on, [destination, pair, position, d]."""
        seen = added[:, -gradient.shape[2] :]
        if roles is not None:
            places_of = roles[:, -gradient.shape[2] :]
            at = torch.einsum("nbpd,bpd->nbp", gradient, seen).unflatten(1, (n, piece.n_pairs))
            by_role = torch.einsum("nspq,pqr->rsn", at, places_of).float()
            for place, source in enumerate(batch.sources):
                total[:, source, column : column + len(at)] += by_role[:, place]
            return
        found = torch.einsum("nbpd,bpd->bn", gradient, seen).float()
        for source, of_pairs in zip(batch.sources, found.split(piece.n_pairs), strict=True):
            total[:, source, column : column + found.shape[1]] += of_pairs

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
        above = residual
        for at in gradients(tape, metric, first=layer_index + 1):
            score(at.columns.start, at.gradient)
            above = at.residual
        if mlp_in is not None:
            known = above.shape[1]
            taken = None if before is None else tuple(value[:, -known:] for value in before)
            layer = parts.layers[layer_index]
            at_mlp = mlp_back(layer, mlp_in[:, -known:], above, PLAIN, taken)
            score(graph.mlp_destination(layer_index), at_mlp[None])
