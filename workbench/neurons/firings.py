"""A neuron's activation over the clean prompts and positions, and where it is largest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from workbench.base.numbers import wide
from workbench.base.transfers import on_host
from workbench.circuits.kept_neurons import find_neuron
from workbench.errors import WorkbenchError
from workbench.neurons.results import Firing, Firings
from workbench.transformer.neurons import hidden_values, require_neurons

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment

K = 5
"""Prompts on each side, unless told otherwise."""


def neuron_firings(experiment: Experiment, name: str, k: int = K) -> Firings:
    """Where a neuron is most and least active, of each prompt its one such token.

    Args:
        name: such as m10.n421.
        k: how many prompts on each side.

    Raises:
        WorkbenchError: there is no such neuron, or k < 1.
    """
    if k < 1:
        raise WorkbenchError(f"At least one prompt is listed, not {k}.")
    mlp, number = find_neuron(experiment.graph, name)
    layer = experiment.graph.parse_node(mlp).layer
    own = experiment.parts.layers[layer]
    width = require_neurons(own, mlp)[1].width
    if number >= width:
        raise WorkbenchError(
            f"{mlp} has no neuron {number}: they are numbered from 0 to {width - 1:,}."
        )
    found: list[tuple[float, int, int]] = []
    every = []
    with torch.no_grad():
        for group, recording in zip(experiment.batch.groups, experiment.recordings, strict=True):
            residual = recording.whole.layers[layer].mlp_in
            first = group.length - residual.shape[1]
            values = on_host(wide(hidden_values(own, residual)[..., number]))
            every.append(values.flatten())
            for pair, row in zip(group.indices, values, strict=True):
                for at in {int(row.argmax()), int(row.argmin())}:
                    found.append((float(row[at]), pair, first + at))
    values = torch.cat(every)
    found.sort(key=lambda item: (-item[0], item[1]))

    def told(items: list[tuple[float, int, int]]) -> tuple[Firing, ...]:
        seen: set[int] = set()
        chosen: list[Firing] = []
        for value, pair, position in items:
            if pair not in seen and len(chosen) < k:
                seen.add(pair)
                tokens = experiment.batch.tokens(pair)[0]
                chosen.append(Firing(pair, position, value, tuple(tokens)))
        return tuple(chosen)

    return Firings(
        name,
        told(found),
        told(found[::-1]),
        float(values.mean()),
        float(values.min()),
        float(values.max()),
        float((values > 0).float().mean()),
    )
