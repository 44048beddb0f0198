"""Gradients of the metric at every destination of a run.

The backward pass goes from the logits down, layer by layer, with only one layer in hand: what it
needs of a run is its tape. At a run all inputs of a layer are the same residual, so gradients stay
at the outputs of the projections, where they are d_head wide; what is wanted of them at the
residual is brought through W and the one slope of the norm later (`edge_table`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from workbench.discovery.gradients.backward_rules import PLAIN, Rules
from workbench.discovery.gradients.mlp_slope import mlp_back
from workbench.discovery.gradients.norm_slope import NormSlope, with_frozen_scale
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
from workbench.transformer.forward import write_heads
from workbench.transformer.from_latent import FromLatent
from workbench.transformer.parts import Attention, Layer, Step


@dataclass(frozen=True)
class AtLayer:
    """Gradients at one layer's destinations, as narrow as they are.

    Attributes:
        index: of the layer.
        attn_in: the residual that its heads read, [pair, position, d_model].
        projected: at each head's own query, key and value as they come out of the projections: q
            [head, pair, last position, d_head], k and v [head, pair, position, d_head].
        mlp: at the residual that its MLP reads, [pair, last position, d_model].
        residual: at the residual before it, [pair, position, d_model].
    """

    index: int
    attn_in: Tensor
    projected: list[Tensor]
    mlp: Tensor
    residual: Tensor


def gradients(tape: Tape, above: Tensor, rules: Rules = PLAIN, first: int = 0) -> Iterator[AtLayer]:
    """Gradients of the metric, summed over the pairs, at the destinations of layers.

    The tape is used up: each layer of it is let go of.

    Args:
        above: as of `at_final`.
        first: the lowest layer.

    Yields:
        Layer by layer, from the last one down.
    """
    for index in reversed(range(first, len(tape.parts.layers))):
        with torch.no_grad():
            at = _layer_back(tape, index, above, rules)
        above = at.residual
        yield at


def at_final(tape: Tape, metric: Metric, rules: Rules = PLAIN) -> Tensor:
    """The metric's gradient, summed over the pairs, at the end.

    Returns:
        At the last residual's last position, [pair, 1, d_model].
    """
    if rules.frozen_norms:
        metric = metric.with_final_norm(with_frozen_scale(metric.parts.norm_final))
    with torch.enable_grad():
        final = tape.final.detach().requires_grad_()
        (out,) = torch.autograd.grad(metric.of_residual(final).sum(), final)
    return out


def _layer_back(tape: Tape, index: int, above: Tensor, rules: Rules) -> AtLayer:
    """Back through one layer.

    Args:
        above: the gradient at the residual after it, [pair, position, d_model]; or at its last
            position alone, being zero elsewhere.
    """
    parts, layer, taped = tape.parts, tape.parts.layers[index], tape.layers.pop(index)
    known = above.shape[1]
    mlp_in = (_mlp_in(tape, index, taped) if taped.mlp_in is None else taped.mlp_in)[:, -known:]
    at_mlp = mlp_back(layer, mlp_in, above, rules, taped.before)
    at_heads = above if parts.parallel else above + at_mlp
    at_sum = at_heads
    if layer.post_attention is not None:
        assert taped.attn_sum is not None, index
        summed = taped.attn_sum[:, -known:]
        at_sum = NormSlope(layer.post_attention, summed, rules.frozen_norms).back(at_heads)
    projected = _at_projected(tape, index, taped, at_sum, rules)
    before = _before_projections(layer, taped.attn_in, projected, rules)
    before[:, -known:] += above + at_mlp
    return AtLayer(index, taped.attn_in, projected, at_mlp, before)


def _mlp_in(tape: Tape, index: int, taped: LayerTape) -> Tensor:
    """The residual that a layer's MLP reads, [pair, last position, d_model], made again."""
    parts, layer, prefix = tape.parts, tape.parts.layers[index], tape.prefix[index]
    if parts.parallel:
        return taped.attn_in
    attention = layer.attention
    of = attention.kv_of
    early = None if prefix is None else (prefix[0][of], prefix[1][of])
    q, k, v = (value[:, :, None] for value in (taped.q, taped.k[of], taped.v[of]))
    z = attend(attention, q, k, v, early)
    z = z if attention.edit is None else attention.edit.apply(z)
    written = layer.after_attention(write_heads(layer, z)[:, 0])
    return taped.attn_in[:, -written.shape[1] :] + written


def _at_projected(
    tape: Tape, index: int, taped: LayerTape, at_sum: Tensor, rules: Rules
) -> list[Tensor]:
    """Gradients at each head's own query, key and value as they come out of the projections.

    Every query head has a key and a value of its own here, as destinations have it.

    Args:
        at_sum: the gradient at what the heads write together, at the last positions.

    Returns:
        q [head, pair, last position, d_head], k and v [head, pair, position, d_head].
    """
    layer, prefix = tape.parts.layers[index], tape.prefix[index]
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
    if isinstance(step, FromLatent):
        return replace(step, norm=with_frozen_scale(step.norm))
    if not isinstance(step, HeadNorms):
        return step
    return HeadNorms(tuple(with_frozen_scale(norm) for norm in step.norms))


def _before_projections(
    layer: Layer, attn_in: Tensor, projected: list[Tensor], rules: Rules
) -> Tensor:
    """The gradient at the residual that a layer's heads read, [pair, position, d_model].

    That is the sum of those at their inputs; heads that share a weight go through it together.
    """
    attention = layer.attention
    total: Tensor | None = None
    for which, gradient in zip((K, V, Q), (projected[i] for i in (K, V, Q)), strict=True):
        weight = attention.distinct_weights(which)
        if len(weight) != len(gradient):
            gradient = gradient.unflatten(0, (len(weight), -1)).sum(1)
        rows = gradient.permute(1, 2, 0, 3).flatten(2)
        joint, n = attention.joint[which], rows.shape[1]
        flat = weight.transpose(1, 2).reshape(-1, weight.shape[1])
        if joint is not None:
            together = layer.norm1(attn_in[:, -n:]) @ flat.T
            rows = NormSlope(joint, together, rules.frozen_norms).back(rows)
        made = rows @ flat
        if total is None:
            total = made
        elif n == total.shape[1]:
            total += made
        else:
            total[:, -n:] += made
    assert total is not None
    return NormSlope(layer.norm1, attn_in, rules.frozen_norms).back(total)


def unprojected(attention: Attention, which: int, gradient: Tensor, out: Tensor) -> None:
    """Gradients at the normed inputs of heads from those at their projections.

    Args:
        gradient: [head, row, d_head].
        out: where they are put, [head, row, d_model].
    """
    weight = attention.distinct_weights(which).transpose(1, 2)
    n_weights = len(weight)
    if n_weights != len(gradient):
        # Heads that share a weight are rows of one product.
        gradient = gradient.reshape(n_weights, -1, gradient.shape[-1])
        out = out.view(n_weights, -1, out.shape[-1])
    torch.bmm(gradient, weight, out=out)


def at_joint_norm(
    layer: Layer, attn_in: Tensor, which: int, gradient: Tensor, rules: Rules
) -> Tensor:
    """Gradients at the normed inputs of heads where a norm over all heads stands behind them.

    Args:
        attn_in: the residual that they read, [..., d_model].
        gradient: at each head's own query or key, [head, ..., d_head].

    Returns:
        [head, ..., d_model].
    """
    attention, joint = layer.attention, layer.attention.joint[which]
    assert joint is not None, which
    weight = attention.weight(which)
    flat = weight.permute(1, 0, 2).reshape(weight.shape[1], -1)
    together = layer.norm1(attn_in) @ flat
    above = gradient.new_zeros(*gradient.shape[:-1], len(weight), gradient.shape[-1])
    for head in range(len(gradient)):
        place = kv_head_of(attention, head) if len(weight) != len(gradient) else head
        above[head, ..., place, :] = gradient[head]
    return NormSlope(joint, together, rules.frozen_norms).back(above.flatten(-2)) @ flat.T
