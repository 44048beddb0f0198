"""All neurons of an MLP: estimated and exact effects, direct attribution, activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workbench.base.work import Stop, Work, finish
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.circuits.names import mlp_name
from workbench.engine.effect_settings import FULL, check_setting
from workbench.engine.evaluator import Evaluator
from workbench.engine.neuron_patching import NeuronPatching, neuron_effects
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.neurons.attribution import neuron_values
from workbench.neurons.estimates import estimated_effects
from workbench.neurons.results import NeuronList, NeuronRow, with_exact
from workbench.transformer.neurons import require_neurons

SHOWN = 20
"""Neurons that are listed, and have exact effects, unless told otherwise."""


def layer_of(graph: Graph, mlp: str) -> int:
    """The layer of an MLP.

    Raises:
        WorkbenchError: there is no such node, or it is none.
    """
    node = graph.parse_node(mlp)
    if node.kind != "mlp":
        raise WorkbenchError(f"{mlp} has no neurons: choose an MLP, such as {mlp_name(0)}.")
    return node.layer


def neuron_list(
    experiment: Experiment,
    mlp: str,
    circuit: Circuit | None = None,
    *,
    position: int = -1,
    pair: int | None = None,
) -> Work[NeuronList]:
    """An MLP's neurons with estimates; exact effects follow by `with_exact`.

    Args:
        circuit: whose kept neurons are marked.
        position: at which direct attribution and activation are read; effects are of all
            positions.
        pair: a pair's number, or None for the mean over all pairs.

    Raises:
        WorkbenchError: it is no MLP with neurons of its own, or there is no such pair or position.
    """
    layer = layer_of(experiment.graph, mlp)
    require_neurons(experiment.parts.layers[layer], mlp)
    values = neuron_values(experiment, layer, position=position, pair=pair)
    by_pair = yield from estimated_effects(experiment, layer)
    estimates = None if by_pair is None else _one(by_pair, pair)
    kept = None if circuit is None else circuit.neurons.get(mlp)
    chosen = None if kept is None else frozenset(kept)
    rows = tuple(
        NeuronRow(
            n,
            chosen is None or n in chosen,
            None if estimates is None else float(estimates[n]),
            None if values.direct is None else float(values.direct[n]),
            float(clean),
            float(corrupted),
        )
        for n, (clean, corrupted) in enumerate(zip(values.clean, values.corrupted, strict=True))
    )
    return NeuronList(mlp, rows, position, pair, values.of_bias, values.of_mlp)


def exact_effects(
    experiment: Experiment,
    listed: NeuronList,
    neurons: Sequence[int],
    *,
    evaluator: Evaluator | None = None,
    setting: str = FULL,
    cancel: Stop | None = None,
) -> Iterator[dict[int, float]]:
    """Exact effects of some neurons, batch by batch.

    Args:
        evaluator: of the circuit that the settings along and within refer to.
    """
    layer = layer_of(experiment.graph, listed.mlp)
    base = evaluator or Evaluator(experiment, Circuit.empty(experiment.graph))
    for chosen, values in neuron_effects(base, layer, neurons, setting, cancel=cancel):
        effects = _one(values.T, listed.pair)
        yield {n: float(value) for n, value in zip(chosen, effects, strict=True)}


def _one(by_pair: NDArray[np.float64], pair: int | None) -> NDArray[np.float64]:
    """Values [neuron] of a pair, or their mean, from [pair, neuron]."""
    one: NDArray[np.float64] = by_pair.mean(axis=0) if pair is None else by_pair[pair]
    return one


def neurons_of(
    experiment: Experiment,
    mlp: str,
    circuit: Circuit | None = None,
    *,
    exact: int | None = SHOWN,
    setting: str = FULL,
    position: int = -1,
    pair: int | None = None,
) -> NeuronList:
    """An MLP's neurons, with exact effects of some of them.

    Args:
        circuit: whose kept neurons are marked, and which the settings along and within refer to.
        exact: of how many, the first by estimated effect; None: of all.
        setting: of the exact effects, see `engine.neuron_patching.neuron_effects`.
        position, pair: as of `neuron_list`.

    Raises:
        WorkbenchError: as `neuron_list`, or there is no such setting.
    """
    check_setting(setting)
    listed = finish(neuron_list(experiment, mlp, circuit, position=position, pair=pair))
    wanted = [row.neuron for row in listed.sorted_by("effect")[:exact]]
    evaluator = None if circuit is None else Evaluator(experiment, circuit)
    values: dict[int, float] = {}
    for chunk in exact_effects(experiment, listed, wanted, evaluator=evaluator, setting=setting):
        values |= chunk
    return with_rest(experiment, with_exact(listed, values, setting))


def with_rest(experiment: Experiment, listed: NeuronList) -> NeuronList:
    """The list with the exact effect of all neurons together that have none by themselves.

    Of other settings than the full model it stays as it is.
    """
    others = [row.neuron for row in listed.rows if row.exact is None]
    if listed.setting != FULL or not others:
        return listed
    patching = NeuronPatching(experiment, layer_of(experiment.graph, listed.mlp))
    return replace(listed, rest=float(_one(patching.effects([others]).T, listed.pair)[0]))
