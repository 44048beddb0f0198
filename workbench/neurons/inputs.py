"""What feeds a neuron: every earlier node's share of what it reads, the norm frozen.

With the norm before the MLP held at the clean run's own scale, what a source s writes gives
LN(z_s) . W_in[:, n] to the neuron's gate (what goes into its activation function), and by the other
matrix to what that is multiplied by. With what belongs to no node (position embedding, biases) the
shares sum to what the neuron is given, exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from workbench.base.numbers import wide
from workbench.base.transfers import on_host
from workbench.circuits.kept_neurons import find_neuron
from workbench.discovery.gradients.mlp_slope import inside_of
from workbench.errors import WorkbenchError
from workbench.neurons.results import Feed, NeuronInputs
from workbench.readouts.activations import Activations, activations
from workbench.readouts.results import Position
from workbench.transformer.frozen_norm import FrozenNorm

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

REST = "position embedding and biases"
"""What belongs to no node."""


def neuron_inputs(
    experiment: Experiment, name: str, *, position: Position = -1, pair: int | None = None
) -> NeuronInputs:
    """What feeds a neuron in the clean run.

    Args:
        name: such as m10.n421.
        position: from the end of each prompt if negative, else from its start; or a role, read at
            its last token in those of the pairs that have it.
        pair: a pair's number, or None for the mean over all pairs.

    Raises:
        WorkbenchError: there is no such neuron, pair or position, or the inside of its MLP is not
            known.
    """
    graph = experiment.graph
    mlp, number = find_neuron(graph, name)
    layer = graph.parse_node(mlp).layer
    weights, biases = _reading(experiment, layer, mlp, number)
    sources = graph.sources[: graph.n_parents(graph.mlp_destination(layer))]
    shares, totals, n = torch.zeros(len(sources), len(weights)), torch.zeros(len(weights)), 0
    with torch.no_grad():
        for selection in activations(experiment, position, pair, "clean"):
            of_sources, of_all = _shares(selection, layer, sources, weights)
            shares += on_host(of_sources.sum(1))
            totals += on_host((of_all + biases).sum(0))
            n += of_all.shape[0]
    shares, totals = shares / n, totals / n
    rows = [(node, shares[i]) for i, node in enumerate(sources)]
    rows.append((REST, totals - shares.sum(0)))
    feeds = [Feed(node, float(v[0]), float(v[1]) if len(v) > 1 else None) for node, v in rows]
    feeds.sort(key=lambda feed: -abs(feed.gate))
    up = float(totals[1]) if len(totals) > 1 else None
    return NeuronInputs(name, tuple(feeds), float(totals[0]), up)


def _shares(
    selection: Activations, layer: int, sources: tuple[str, ...], weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Shares of each source [source, pair, gate or up], and of the whole residual [pair, ...]."""
    module = selection.parts.layers[layer].norm2
    residual = selection.mlp_input(layer)
    written = wide(torch.stack([selection.output(source) for source in sources]))
    if isinstance(module, nn.Identity):
        return written @ weights.T, wide(residual) @ weights.T
    norm = FrozenNorm.of(module)
    scale = norm.scale(residual)

    def read(x: Tensor) -> Tensor:
        return (norm.centre(x) * scale * norm.weight) @ weights.T

    whole = read(residual)
    return read(written), whole if norm.bias is None else whole + weights @ norm.bias


def _reading(experiment: Experiment, layer: int, mlp: str, number: int) -> tuple[Tensor, Tensor]:
    """What reads the normed residual: W_in of the gate, and of the up projection, and biases."""
    inside = inside_of(experiment.parts.layers[layer].mlp)
    if inside is None:
        raise WorkbenchError(
            f"The inside of {mlp} is not one of the usual forms, so that it cannot be told what "
            "feeds its neurons."
        )
    rows, biases = [], []
    for projection in inside.into:
        weight = projection.weight
        weight = weight.T if type(projection).__name__ == "Conv1D" else weight
        bias = getattr(projection, "bias", None)
        bias = torch.zeros_like(weight[:, 0]) if bias is None else bias
        halves = 2 if inside.gated and len(inside.into) == 1 else 1
        if number >= weight.shape[0] // halves:
            raise WorkbenchError(
                f"{mlp} has no neuron {number}: they are numbered from 0 to "
                f"{weight.shape[0] // halves - 1:,}."
            )
        rows += [wide(part[number]) for part in weight.chunk(halves)]
        biases += [wide(part[number]) for part in bias.chunk(halves)]
    return torch.stack(rows).detach(), torch.stack(biases).detach()
