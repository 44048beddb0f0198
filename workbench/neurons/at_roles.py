"""A neuron's activation and direct attribution at every token role of the prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.circuits.kept_neurons import find_neuron
from workbench.errors import WorkbenchError
from workbench.neurons.attribution import neuron_values
from workbench.neurons.results import AtRole, NeuronByRole

if TYPE_CHECKING:
    from workbench.experiment.experiment import Experiment


def neuron_by_role(experiment: Experiment, name: str, *, pair: int | None = None) -> NeuronByRole:
    """A neuron at the last token of each role, in both runs.

    Args:
        name: such as m10.n421.
        pair: a pair's number, or None for the mean over all that have the role.

    Raises:
        WorkbenchError: there is no such neuron or pair.
    """
    mlp, number = find_neuron(experiment.graph, name)
    layer = experiment.graph.parse_node(mlp).layer
    batch = experiment.batch
    own = batch.roles.names
    if pair is not None:
        batch.locate(pair)
        own = tuple(dict.fromkeys(batch.roles.at(pair)))
    rows = []
    for role in own:
        values = neuron_values(experiment, layer, position=role, pair=pair)
        if number >= len(values.clean):
            raise WorkbenchError(
                f"{mlp} has no neuron {number}: they are numbered from 0 to "
                f"{len(values.clean) - 1:,}."
            )
        token = None
        if pair is not None:
            token = batch.tokens(pair)[0][batch.roles.positions(role, pair)[-1]]
        direct = None if values.direct is None else float(values.direct[number])
        clean, corrupted = float(values.clean[number]), float(values.corrupted[number])
        pairs = 1 if pair is not None else len(batch.roles.having(role))
        other = values.direct_corrupted
        there = None if other is None else float(other[number])
        rows.append(AtRole(role, pairs, token, clean, corrupted, direct, there))
    return NeuronByRole(name, pair, tuple(rows))
