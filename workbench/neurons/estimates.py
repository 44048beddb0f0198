"""Estimates of neurons' effects by attribution patching, for one MLP.

As the method `atp` has them for all MLPs: sum over positions of (act' - act) . dm/dact at the clean
run. The backward pass goes from the logits to this MLP and no further.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.base.work import Work
from workbench.discovery.gradients.node_gradients import (
    Block,
    gradient_at_end,
    require_slope,
    slices,
)
from workbench.engine.narrowed import corrupted_neurons
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment


def estimated_effects(
    experiment: Experiment, layer: int, role: str | None = None
) -> Work[NDArray[np.float64] | None]:
    """The estimated change of each pair's metric when a neuron is corrupted, [pair, neuron].

    None where the metric has no slope at the clean run.

    Args:
        role: at the positions of this token role alone; None: at all.
    """
    try:
        require_slope(experiment)
    except WorkbenchError:
        return None
    by_group: list[Tensor] = []
    done, layers = 0, experiment.graph.n_layers - layer
    for recording, metric, group in zip(
        experiment.recordings, experiment.metrics, experiment.batch.groups, strict=True
    ):
        here = None
        if role is not None:
            marks = experiment.batch.roles.marks(role, group.indices, recording.start)
            here = uploaded(marks, recording.clean.final.device)[..., None]
        corrupted = corrupted_neurons(recording, layer)
        of_group: list[Tensor] = []
        for pairs in slices(recording, 1):
            n = pairs.stop - pairs.start
            gradient = gradient_at_end(recording, metric, pairs)
            for index in reversed(range(layer, experiment.graph.n_layers)):
                block = Block(recording, index, pairs)
                found = block.backward(gradient)
                gradient = found.residual
                steps = n * (experiment.graph.n_layers - index) / layers
                yield (done + steps) / experiment.n_pairs
            assert block.neurons is not None and found.neurons is not None
            moved = (corrupted[pairs] - block.neurons.detach()).double() * found.neurons.double()
            of_group.append((moved if here is None else moved * here[pairs]).sum(1))
            done += n
        by_group.append(torch.cat(of_group))
    return experiment.in_order(by_group)
