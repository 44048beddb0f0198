"""The model with one neuron of an MLP corrupted, or several together: their exact effects.

A neuron's output is its activation times its row of the output matrix: to corrupt it adds
(act' - act) W_out[n] to the residual at the positions from the first difference on, one direction,
whatever the prompt. What precedes it is the clean run's and is shared; from there on the model's
own layers are run, neurons as alternatives of one batch. In the last layer nothing is left to run
but the final norm at the last position; in the one before it, attention's queries and the MLP at
the last position alone.

Glossary: docs/glossary.md#neuron.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.base.work import Stop
from workbench.circuits.names import mlp_name, neuron_name
from workbench.engine.baseline import CleanBaseline
from workbench.engine.budget import alternative_rows, what_if_bytes
from workbench.engine.effect_settings import FULL, WITHIN, check_setting
from workbench.engine.evaluator import Edit, Evaluator
from workbench.engine.kept_edges import kept_edges
from workbench.engine.model_layers import run_layers
from workbench.engine.narrowed import by_layer, clean_neurons, corrupted_neurons
from workbench.engine.patching import Batches
from workbench.engine.plan import make_plan
from workbench.engine.reach import Alternative
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.transformer.neurons import output_rows, require_neurons, written_by
from workbench.transformer.recording import Recording


@dataclass(frozen=True)
class _Moved:
    """What of a layer's MLP the neurons' corruption moves, in one group.

    Attributes:
        by: act' - act, [pair, position, neuron].
        rows: W_out, [neuron, d_model].
        written: what the MLP writes in the clean run before the norm that follows it; None where
            none does.
        after: the residual behind the MLP in the clean run, [pair, position, d_model].
    """

    by: Tensor
    rows: Tensor
    written: Tensor | None
    after: Tensor


class NeuronPatching:
    """A layer's neurons in the whole model, one group after the other.

    Args:
        layer: whose MLP.
        role: neurons are corrupted at the positions of this token role alone; None: at all.

    Raises:
        WorkbenchError: the MLP has no neurons of its own, or no pair has the role.
    """

    def __init__(self, experiment: Experiment, layer: int, role: str | None = None) -> None:
        self.experiment = experiment
        self.layer = layer
        self.role = role
        require_neurons(experiment.parts.layers[layer], mlp_name(layer))
        self._last = layer == experiment.graph.n_layers - 1
        with torch.no_grad():
            self._moved = [
                self._of(recording, group.indices)
                for recording, group in zip(
                    experiment.recordings, experiment.batch.groups, strict=True
                )
            ]

    def _of(self, recording: Recording, pairs: Sequence[int]) -> _Moved:
        layer, index = recording.parts.layers[self.layer], self.layer
        clean = clean_neurons(recording, index)
        by = corrupted_neurons(recording, index) - clean
        if self.role is not None:
            here = self.experiment.batch.roles.marks(self.role, pairs, recording.start)
            by = by * uploaded(here, by.device)[..., None]
        written = None if layer.post_mlp is None else written_by(layer, clean)
        last = self._last
        after = recording.clean.final if last else recording.clean.layers[index + 1].attn_in
        at = slice(-1, None) if last else slice(None)
        return _Moved(
            by[:, at],
            output_rows(layer),
            None if written is None else written[:, at],
            after[:, at],
        )

    def effects(self, sets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """The change of the metric, pair by pair, when each set of neurons is corrupted.

        Returns:
            [set, pair], pairs in the task's order.
        """
        experiment = self.experiment
        values = []
        with torch.no_grad():
            for recording, metric, moved in zip(
                experiment.recordings, experiment.metrics, self._moved, strict=True
            ):
                finals = torch.cat(
                    [
                        self._finals(recording, moved, sets[first : first + room])
                        for room in (self._at_once(recording),)
                        for first in range(0, len(sets), room)
                    ],
                    dim=1,
                )
                values.append(metric.of_residual(finals))
        changed = experiment.in_order(values).T - np.array(experiment.clean.per_pair)
        return np.asarray(changed, dtype=np.float64)

    def _finals(self, recording: Recording, moved: _Moved, sets: Sequence[Sequence[int]]) -> Tensor:
        """The last residuals [pair, set, d_model] with each set of neurons corrupted."""
        if all(len(one) == 1 for one in sets):
            chosen = uploaded([one[0] for one in sets], moved.rows.device)
            by = moved.by[..., chosen].transpose(1, 2)[..., None]
            added = by * moved.rows[chosen][None, :, None]
        else:
            places = [uploaded(one, moved.rows.device, torch.long) for one in sets]
            each = [moved.by[..., one] @ moved.rows[one] for one in places]
            added = torch.stack(each, dim=1)
        layer = recording.parts.layers[self.layer]
        if moved.written is not None and layer.post_mlp is not None:
            written = moved.written[:, None]
            added = layer.post_mlp(written + added) - layer.post_mlp(written)
        # What interventions make of all that the MLP writes; constants cancel.
        if layer.edit is not None:
            added = layer.edit.back(added)
        if layer.copies is not None:
            added = layer.copies.apply(added)
        x = moved.after[:, None] + added
        return x[:, :, -1] if self._last else run_layers(recording, x, self.layer + 1)

    def _at_once(self, recording: Recording) -> int:
        row = recording.n_pairs * recording.n_positions * recording.parts.d_model
        row *= recording.clean.final.element_size()
        rows = alternative_rows(0, 0, 0, tail=True)
        return max(1, min(MOST, int(what_if_bytes(recording.parts.device.type) / (row * rows))))


MOST = 64
"""Neurons to a batch: more are no quicker, and a batch has to end before a key is answered."""


def neuron_effects(
    evaluator: Evaluator,
    layer: int,
    neurons: Sequence[int],
    setting: str = FULL,
    *,
    role: str | None = None,
    cancel: Stop | None = None,
) -> Iterator[tuple[list[int], NDArray[np.float64]]]:
    """Exact effects of neurons of a layer's MLP, batch by batch in the order given.

    Args:
        evaluator: holds the circuit that "along" and "within" refer to.
        setting: full, the change of the mean metric when the neuron is corrupted in the model;
            along, when the change spreads along the circuit's edges and neurons only; within, when
            it is dropped from the circuit (of one that is not kept: less what keeping it changes).
        role: neurons are corrupted at this token role alone, in the full model; None: everywhere.
        cancel: checked between batches.

    Yields:
        Numbers of a batch of neurons, and the change of the metric [neuron, pair], pairs in the
        task's order; an effect is their mean.

    Raises:
        WorkbenchError: there is no such setting or role, or none of such a role, or the MLP has no
            neurons of its own.
    """
    parts = evaluator.experiment.parts
    if not 0 <= layer < len(parts.layers):
        raise WorkbenchError(f"There is no layer {layer}: they are 0 to {len(parts.layers) - 1}.")
    require_neurons(parts.layers[layer], mlp_name(layer))
    width = len(output_rows(parts.layers[layer]))
    for n in neurons:
        if not 0 <= n < width:
            raise WorkbenchError(
                f"{mlp_name(layer)} has no neuron {n}: they are numbered from 0 to {width - 1:,}."
            )
    run = _runner(evaluator, layer, check_setting(setting), role)
    batches = Batches(len(neurons), cancel)
    for start, stop in batches:
        chosen = list(neurons[start:stop])
        effects = run(chosen)
        batches.done()
        yield chosen, effects


def _runner(
    evaluator: Evaluator, layer: int, setting: str, role: str | None
) -> Callable[[list[int]], NDArray[np.float64]]:
    """Gives the effects [neuron, pair] of some neurons in this setting."""
    experiment, graph = evaluator.experiment, evaluator.graph
    if role is not None and setting != FULL:
        raise WorkbenchError(
            f"At one role, {role}, neurons' effects are those in the full model: choose the "
            f"setting {FULL}, or leave the role out."
        )
    if setting == FULL:
        patching = NeuronPatching(experiment, layer, role)
        return lambda chosen: patching.effects([(n,) for n in chosen])
    circuit, mlp = evaluator.circuit, mlp_name(layer)
    if setting == WITHIN:
        here, kept = np.array(evaluator.value().per_pair), circuit.neurons.get(mlp)

        def within(chosen: list[int]) -> NDArray[np.float64]:
            edits = [Edit(neurons=(neuron_name(mlp, n),)) for n in chosen]
            signs = [1 if kept is None or n in kept else -1 for n in chosen]
            changed = evaluator.what_if(edits) - here
            return np.asarray(changed * np.array(signs)[:, None], dtype=np.float64)

        return within
    edges = kept_edges(circuit)
    plan = make_plan(graph, edges, np.zeros(graph.n_destinations, dtype=bool))
    neurons = by_layer(experiment.parts, graph, circuit.neurons)
    bases = [CleanBaseline(graph, r, edges, neurons) for r in experiment.recordings]

    def along(chosen: list[int]) -> NDArray[np.float64]:
        effects = np.empty((len(chosen), experiment.n_pairs))
        changes = [Alternative((), neurons=((layer, n, False),)) for n in chosen]
        for which, values in evaluator.run(bases, plan, changes):
            effects[which] = values - np.array(experiment.clean.per_pair)
        return effects

    return along
