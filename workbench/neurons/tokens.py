"""What neurons promote and suppress, by their weights; which promote given tokens.

The tokens of a neuron are the largest and smallest of LN_f(W_out[n]) W_U, the final norm's weights
taken in and its scale left out (Geva et al. 2022, 2203.14680). Its kind is told by the moments of
cos(W_out[n], W_U[:, t]) over the vocabulary, after Gurnee et al. 2024 (2401.12181): a high kurtosis
with positive skew is a *prediction* neuron (a few tokens are raised), with negative skew a
*suppression* neuron.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.base.numbers import wide
from workbench.base.transfers import array_of, kept_index, uploaded
from workbench.circuits.kept_neurons import find_neuron
from workbench.circuits.names import mlp_name, neuron_name
from workbench.errors import WorkbenchError
from workbench.neurons.results import FoundNeuron, Promoted
from workbench.prompts.encoding import Encoding
from workbench.readouts.results import TokenValue
from workbench.transformer.frozen_norm import FrozenNorm
from workbench.transformer.neurons import output_rows, require_neurons
from workbench.transformer.parts import ModelParts

K = 10
"""Tokens on each side, unless told otherwise."""
KURTOSIS = 10.0
"""Above it a neuron acts on few tokens."""


def neuron_tokens(
    parts: ModelParts, encoding: Encoding, neurons: Sequence[str], k: int = K
) -> tuple[Promoted, ...]:
    """What neurons promote and suppress most.

    Args:
        neurons: names, such as m10.n421.
        k: how many tokens on each side.

    Raises:
        WorkbenchError: there is no such neuron, or k < 1.
    """
    if k < 1:
        raise WorkbenchError(f"At least one token is listed on each side, not {k}.")
    found = []
    for name in neurons:
        raw = _rows_of(parts, *_checked(parts, name))[0]
        logits = _logits(parts, _read_by_logits(parts, raw[None], name))[0]
        cosines = (raw @ wide(parts.w_u)) / (raw.norm() * wide(parts.w_u).norm(dim=0))
        cosines = torch.nan_to_num(cosines)
        deviation = cosines - cosines.mean()
        variance = deviation.square().mean()
        standard = deviation / variance.sqrt().clamp(min=1e-12)
        moments = [standard.pow(3).mean(), standard.pow(4).mean(), raw.norm(), variance]
        skew, kurtosis, norm, spread = array_of(torch.stack(moments)).tolist()
        kind = ""
        if kurtosis > KURTOSIS:
            kind = "prediction" if skew > 0 else "suppression"
        sides = [_tokens(encoding, logits, k, largest=side) for side in (True, False)]
        found.append(Promoted(name, sides[0], sides[1], norm, spread, skew, kurtosis, kind))
    return tuple(found)


def neurons_promoting(
    parts: ModelParts, encoding: Encoding, tokens: Sequence[int], n: int = 20
) -> tuple[FoundNeuron, ...]:
    """The neurons of the whole model that promote these tokens most.

    Args:
        tokens: their numbers.
        n: how many neurons.

    Raises:
        WorkbenchError: no token is given, n < 1, or no MLP has neurons of its own.
    """
    if not tokens:
        raise WorkbenchError('Name a token to promote, such as " plus".')
    if n < 1:
        raise WorkbenchError(f"At least one neuron is listed, not {n}.")
    w_u = wide(parts.w_u)
    mean = w_u.mean(dim=1)
    centred = w_u - mean[:, None]
    spread = centred @ centred.T / w_u.shape[1]
    direction = w_u[:, kept_index(tuple(tokens), w_u.device)].mean(dim=1) - mean
    best: list[tuple[float, float, float, str]] = []
    for index, layer in enumerate(parts.layers):
        if layer.routed:
            continue
        mlp = mlp_name(index)
        raw = wide(output_rows(layer))
        rows = _read_by_logits(parts, raw, mlp) * parts.logit_scale
        logits = rows @ direction
        deviations = logits / ((rows @ spread) * rows).sum(-1).clamp(min=1e-20).sqrt()
        top = deviations.topk(min(n, len(deviations)))
        columns = [top.values, top.indices, logits[top.indices], raw[top.indices].norm(dim=-1)]
        read = array_of(torch.stack([column.double() for column in columns], dim=1)).tolist()
        for value, neuron, logit, norm in read:
            best.append((value, logit, norm, neuron_name(mlp, int(neuron))))
    if not best:
        raise WorkbenchError("All MLPs of this model are layers of experts: no neuron has a name.")
    best.sort(key=lambda item: -item[0])
    return tuple(
        FoundNeuron(name, value, logit, norm, _rank(parts, name, tokens))
        for value, logit, norm, name in best[:n]
    )


def _rank(parts: ModelParts, name: str, tokens: Sequence[int]) -> int:
    raw = _rows_of(parts, *_checked(parts, name))
    logits = _logits(parts, _read_by_logits(parts, raw, name))[0]
    own = logits[kept_index(tuple(tokens), logits.device)]
    return int(array_of((logits > own.max()).sum())) + 1


def _checked(parts: ModelParts, name: str) -> tuple[int, int]:
    """The layer and the number of a neuron."""
    graph = parts.graph()
    mlp, number = find_neuron(graph, name)
    layer = graph.parse_node(mlp).layer
    width = require_neurons(parts.layers[layer], mlp)[1].width
    if number >= width:
        raise WorkbenchError(
            f"{mlp} has no neuron {number}: they are numbered from 0 to {width - 1:,}."
        )
    return layer, number


def _rows_of(parts: ModelParts, layer: int, number: int) -> Tensor:
    chosen = uploaded([number], parts.device)
    return wide(output_rows(parts.layers[layer], chosen))


def _read_by_logits(parts: ModelParts, rows: Tensor, name: str) -> Tensor:
    """Rows [neuron, d_model] through the weights of a norm after the MLP and the final one."""
    layer = parts.layers[parts.graph().parse_node(name.partition(".")[0]).layer]
    if layer.post_mlp is not None:
        after = FrozenNorm.of(layer.post_mlp)
        rows = after.centre(rows) * after.weight
    norm = FrozenNorm.of(parts.norm_final)
    return norm.centre(rows) * norm.weight


def _logits(parts: ModelParts, rows: Tensor) -> Tensor:
    """Logits [neuron, vocabulary], less their mean."""
    logits = wide(rows.to(parts.w_u.dtype) @ parts.w_u) * parts.logit_scale
    return logits - logits.mean(-1, keepdim=True)


def _tokens(encoding: Encoding, logits: Tensor, k: int, *, largest: bool) -> tuple[TokenValue, ...]:
    top = logits.topk(min(k, len(logits)), largest=largest)
    ids = array_of(top.indices).tolist()
    return tuple(map(TokenValue, encoding.pieces(ids), ids, array_of(top.values).tolist()))
