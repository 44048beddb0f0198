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
from workbench.neurons.results import NeuronList, NeuronRow, role_of, with_exact
from workbench.readouts.results import Position
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
    position: Position = -1,
    pair: int | None = None,
) -> Work[NeuronList]:
    """An MLP's neurons with estimates; exact effects follow by `with_exact`.

    Args:
        circuit: whose kept neurons are marked.
        position: at which direct attribution and activation are read; effects are of all
            positions. At a role these are read at its last token, and effects are those of
            corrupting at its positions alone.
        pair: a pair's number, or None for the mean over all pairs; at a role, over those that have
            it.

    Raises:
        WorkbenchError: it is no MLP with neurons of its own, or there is no such pair or position.
    """
    layer = layer_of(experiment.graph, mlp)
    require_neurons(experiment.parts.layers[layer], mlp)
    values = neuron_values(experiment, layer, position=position, pair=pair)
    role = role_of(position)
    by_pair = yield from estimated_effects(experiment, layer, role)
    estimates = None if by_pair is None else _one(experiment, by_pair, pair, role)
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
            direct_corrupted=None
            if values.direct_corrupted is None
            else float(values.direct_corrupted[n]),
        )
        for n, (clean, corrupted) in enumerate(zip(values.clean, values.corrupted, strict=True))
    )
    return NeuronList(
        mlp,
        rows,
        position,
        pair,
        values.of_bias,
        values.of_mlp,
        direct_of_bias_corrupted=values.of_bias_corrupted,
        direct_of_mlp_corrupted=values.of_mlp_corrupted,
    )


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
    role = role_of(listed.position)
    for chosen, values in neuron_effects(base, layer, neurons, setting, role=role, cancel=cancel):
        effects = _one(experiment, values.T, listed.pair, role)
        yield {n: float(value) for n, value in zip(chosen, effects, strict=True)}


def _one(
    experiment: Experiment, by_pair: NDArray[np.float64], pair: int | None, role: str | None
) -> NDArray[np.float64]:
    """Values [neuron] of a pair, or their mean over those that have the role."""
    if pair is not None:
        one: NDArray[np.float64] = by_pair[pair]
        return one
    some = by_pair if role is None else by_pair[list(experiment.batch.roles.having(role))]
    return np.asarray(some.mean(axis=0), dtype=np.float64)


def neurons_of(
    experiment: Experiment,
    mlp: str,
    circuit: Circuit | None = None,
    *,
    exact: int | None = SHOWN,
    setting: str = FULL,
    position: Position = -1,
    pair: int | None = None,
) -> NeuronList:
    """An MLP's neurons, with exact effects of some of them.

    Args:
        circuit: whose kept neurons are marked, and which the settings along and within refer to.
        exact: of how many, the first by estimated effect; None: of all.
        setting: of the exact effects, see `engine.neuron_patching.neuron_effects`; at a role, full.
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
    role = role_of(listed.position)
    patching = NeuronPatching(experiment, layer_of(experiment.graph, listed.mlp), role)
    effect = _one(experiment, patching.effects([others]).T, listed.pair, role)
    return replace(listed, rest=float(effect[0]))
