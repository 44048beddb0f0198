"""Gradients of the metric at every destination, and the scores of all edges from them.

The backward pass goes from the logits down, layer by layer, with only one layer in hand: what it
needs of a run is its tape. At a run all inputs of a layer are the same residual, so gradients are
taken at the outputs of the projections, brought back through W and the one slope of the norm, and
a layer's destinations are scored against all earlier sources by one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.discovery.gradients.backward_rules import PLAIN, Rules
from workbench.discovery.gradients.mlp_slope import mlp_back
from workbench.discovery.gradients.norm_slope import NormSlope, with_frozen_scale
from workbench.discovery.gradients.slices import Slice
from workbench.discovery.gradients.tape import LayerTape, Tape
from workbench.metrics.metric import Metric
from workbench.transformer.attention import (
    K,
    Q,
    V,
    attend,
    finish_projection,
    kv_head_of,
    project_shared,
    rotate,
)
from workbench.transformer.families.modules import HeadNorms
from workbench.transformer.parts import Attention, Layer, Step


@dataclass(frozen=True)
class AtStage:
    """Gradients at destinations that are read at one time.

    Attributes:
        columns: which destinations: the logits, or those of a layer.
        gradient: [destination, pair, position, d_model]; of the logits, at the last position alone.
        residual: the gradient at the residual before it, [pair, position, d_model]; before the
            logits likewise.
    """

    columns: slice
    gradient: Tensor
    residual: Tensor


def gradients(
    tape: Tape, metric: Metric, rules: Rules = PLAIN, first: int = 0
) -> Iterator[AtStage]:
    """Gradients of the metric, summed over the pairs, at all destinations.

    Yields:
        The logits, then layer by layer down to layer `first`.
    """
    graph = tape.parts.graph()
    with torch.no_grad():
        above = _at_final(tape, metric, rules)
        logits = graph.logits_destination
        yield AtStage(slice(logits, logits + 1), above[None], above)
        for index in reversed(range(first, graph.n_layers)):
            found, above = _layer_back(tape, index, above, rules)
            yield AtStage(graph.layer_columns(index), found, above)


def _at_final(tape: Tape, metric: Metric, rules: Rules) -> Tensor:
    """The metric's gradient at the last residual, at the last position, [pair, 1, d_model]."""
    if rules.frozen_norms:
        metric = metric.with_final_norm(with_frozen_scale(metric.parts.norm_final))
    with torch.enable_grad():
        final = tape.final.detach().requires_grad_()
        (out,) = torch.autograd.grad(metric.of_residual(final).sum(), final)
    return out


def _layer_back(tape: Tape, index: int, above: Tensor, rules: Rules) -> tuple[Tensor, Tensor]:
    """Back through one layer.

    Args:
        above: the gradient at the residual after it, [pair, position, d_model]; or at its last
            position alone, being zero elsewhere.

    Returns:
        Gradients at its destinations, q, k and v of each head, then the MLP, [destination, pair,
        position, d_model]; and at the residual before it, [pair, position, d_model].
    """
    parts, layer, taped = tape.parts, tape.parts.layers[index], tape.layers[index]
    known = above.shape[1]
    at_mlp = mlp_back(layer, taped.mlp_in[:, -known:], above, rules, taped.before)
    at_heads = above if parts.parallel else above + at_mlp
    at_sum = at_heads
    if layer.post_attention is not None:
        assert taped.attn_sum is not None, index
        summed = taped.attn_sum[:, -known:]
        at_sum = NormSlope(layer.post_attention, summed, rules.frozen_norms).back(at_heads)
    found = at_sum.new_zeros(parts.graph().destinations_per_layer, *taped.attn_in.shape)
    found[-1, :, -known:] = at_mlp
    _through_projections(layer, taped, _at_projected(tape, index, at_sum, rules), rules, found)
    before = found[:-1].sum(0)
    before[:, -known:] += above + at_mlp
    return found, before


def _at_projected(tape: Tape, index: int, at_sum: Tensor, rules: Rules) -> list[Tensor]:
    """Gradients at each head's own query, key and value as they come out of the projections.

    Every query head has a key and a value of its own here, as destinations have it.

    Args:
        at_sum: the gradient at what the heads write together, at the last positions.

    Returns:
        q [head, pair, last position, d_head], k and v [head, pair, position, d_head].
    """
    layer, taped, prefix = tape.parts.layers[index], tape.layers[index], tape.prefix[index]
    attention = layer.attention
    of, n = attention.kv_of, at_sum.shape[1]
    heads, d_head, d_model = attention.w_o.shape
    flat = at_sum.reshape(-1, d_model) @ attention.w_o.reshape(heads * d_head, d_model).T
    at_z = flat.view(*at_sum.shape[:2], heads, d_head).permute(2, 0, 1, 3)[:, :, None]
    if attention.multiplier != 1:
        at_z = at_z * attention.multiplier
    if attention.edit is not None:
        at_z = attention.edit.back(at_z)
    grouped = attention.w_k.shape[0] != heads
    k, v = (value[of] if grouped else value for value in (taped.k, taped.v))
    early = None if prefix is None else (prefix[0][of], prefix[1][of])
    with torch.enable_grad():
        q, k, v = (
            value[:, :, None].detach().requires_grad_() for value in (taped.q[:, :, -n:], k, v)
        )
        z = attend(attention, q, k, v, early, rules.softmax)
        found = [value[:, :, 0] for value in torch.autograd.grad(z, (q, k, v), at_z)]
    factors = (rules.query_key, rules.query_key, rules.value)
    rotation = tape.rotary[index]
    out = []
    for which, (value, factor) in enumerate(zip(found, factors, strict=True)):
        if factor != 1:
            value = value * factor
        if which != V and rotation is not None:
            cos, sin = (table[-value.shape[2] :] for table in rotation)
            # A rotation's transpose turns the other way.
            value = rotate(value, cos, -sin, attention.interleaved)
        if attention.steps[which] is not None:
            value = _through_step(layer, taped, which, value, rules)
        out.append(value)
    return out


def _through_step(
    layer: Layer, taped: LayerTape, which: int, gradient: Tensor, rules: Rules
) -> Tensor:
    """Back through what a family does to projections: norms of each head's values, clipping."""
    attention, heads = layer.attention, len(gradient)
    normed = layer.norm1(taped.attn_in[:, -gradient.shape[2] :])[:, None]
    projected = project_shared(attention, which, normed, None)[:, :, 0]
    if len(projected) != heads:
        projected = projected[attention.kv_of]
    step = _frozen_step(attention, which) if rules.frozen_norms else attention.steps[which]
    assert step is not None, which
    with torch.enable_grad():
        leaf = projected.detach().requires_grad_()
        out = finish_projection(
            replace(attention, steps=(step,) * 3), which, leaf, list(range(heads)), None
        )
        (below,) = torch.autograd.grad(out, leaf, gradient)
    return below


def _frozen_step(attention: Attention, which: int) -> Step | None:
    step = attention.steps[which]
    if not isinstance(step, HeadNorms):
        return step
    return HeadNorms(tuple(with_frozen_scale(norm) for norm in step.norms))


def _through_projections(
    layer: Layer, taped: LayerTape, projected: list[Tensor], rules: Rules, out: Tensor
) -> None:
    """Fill in gradients at the inputs of a layer's heads from those at their projections.

    They are [q then k then v of each head, pair, position, d_model]. The way is from the
    projections' outputs through W, then through the slope of the norm at the one residual that all
    of them read.
    """
    attention = layer.attention
    n_heads = len(attention.w_q)
    by_input = out[:-1].unflatten(0, (3, n_heads))
    slope = NormSlope(layer.norm1, taped.attn_in, rules.frozen_norms)
    for which, gradient in zip((Q, K, V), projected, strict=True):
        n = gradient.shape[2]
        if attention.joint[which] is not None:
            at_normed = _through_joint_norm(layer, taped, which, gradient, rules)
        else:
            weight = attention.weight(which)
            if len(weight) != n_heads:
                weight = weight[attention.kv_of]
            rows = gradient.reshape(n_heads, -1, gradient.shape[-1])
            at_normed = torch.bmm(rows, weight.transpose(1, 2)).view(*gradient.shape[:3], -1)
        if n == taped.attn_in.shape[1]:
            found = slope.back(at_normed)
        else:
            found = NormSlope(layer.norm1, taped.attn_in[:, -n:], rules.frozen_norms).back(
                at_normed
            )
        by_input[which, :, :, -n:] = found


def _through_joint_norm(
    layer: Layer, taped: LayerTape, which: int, gradient: Tensor, rules: Rules
) -> Tensor:
    """Gradients at the normed input of each head's query or key.

    They are [head, pair, position, d_model]; a norm over all heads stands between that input and
    the head's own.
    """
    attention, joint = layer.attention, layer.attention.joint[which]
    assert joint is not None, which
    weight = attention.weight(which)
    flat = weight.permute(1, 0, 2).reshape(weight.shape[1], -1)
    together = layer.norm1(taped.attn_in[:, -gradient.shape[2] :]) @ flat
    above = gradient.new_zeros(*gradient.shape[:3], len(weight), gradient.shape[-1])
    for head in range(len(gradient)):
        place = kv_head_of(attention, head) if len(weight) != len(gradient) else head
        above[head, ..., place, :] = gradient[head]
    return NormSlope(joint, together, rules.frozen_norms).back(above.flatten(-2)) @ flat.T


def edge_scores(part: Slice, tape: Tape, rules: Rules = PLAIN) -> Tensor:
    """(e' - e) . dL/de of every edge for each pair of a slice, with the gradients at one run.

    Returns:
        float32 [pair, source, destination]; of no meaning where there is no edge. Of a slice that
        is asked for roles [role, source, destination], summed over the pairs.
    """
    graph = tape.parts.graph()
    differences = part.differences(tape, rules)
    n = part.n_roles or part.n_pairs
    out = torch.zeros(n, graph.n_sources, graph.n_destinations, device=differences.device)
    by_role = _ByRole(part, differences) if part.n_roles else None
    for at in gradients(tape, part.metric, rules):
        parents = graph.n_parents(at.columns.stop - 1)
        found = (
            products(differences[:parents], at.gradient)
            if by_role is None
            else by_role.products(parents, at.gradient)
        )
        out[:, :parents, at.columns] = found.float()
    return out


class _ByRole:
    """Products of differences and gradients, summed over the positions of each role.

    The differences are laid out once with the positions of a role beside one another, so that a
    role's product is one of a part of them.
    """

    def __init__(self, part: Slice, differences: Tensor) -> None:
        roles = part.recording.role_of
        assert roles is not None
        self._roles = roles[part.pairs]
        self._n_roles = part.n_roles
        self._differences = differences
        self._order = self._sorted(self._roles)
        rows = differences.flatten(1, 2)
        self._laid_out = rows[:, self._order[0]]

    def _sorted(self, roles: NDArray[np.int64]) -> tuple[Tensor, list[int]]:
        """The rows of [pair, position] role by role, and where each role ends among them."""
        order = np.argsort(roles, axis=None, kind="stable")
        ends = np.cumsum(np.bincount(roles.reshape(-1), minlength=self._n_roles))
        return uploaded(order, self._differences.device), [0, *(int(end) for end in ends)]

    def products(self, parents: int, gradient: Tensor) -> Tensor:
        """As `products` of the first so many sources, [role, source, destination]."""
        n = gradient.shape[2]
        if n == self._roles.shape[1]:
            (order, ends), left = self._order, self._laid_out[:parents]
        else:
            order, ends = self._sorted(self._roles[:, -n:])
            left = self._differences[:parents, :, -n:].flatten(1, 2)[:, order]
        right = gradient.flatten(1, 2)[:, order]
        out = gradient.new_zeros(self._n_roles, parents, len(gradient))
        for role, (start, end) in enumerate(pairwise(ends)):
            if end > start:
                out[role] = left[:, start:end].flatten(1) @ right[:, start:end].flatten(1).T
        return out


def products(differences: Tensor, gradient: Tensor) -> Tensor:
    """Difference times gradient, summed over positions and dimensions, of each pair.

    Args:
        differences: [source, pair, position, d_model].
        gradient: [destination, pair, last position, d_model].

    Returns:
        [pair, source, destination].
    """
    n = gradient.shape[2]
    left = differences[:, :, -n:].flatten(2).transpose(0, 1)
    right = gradient.flatten(2).permute(1, 2, 0)
    return torch.bmm(left, right)
