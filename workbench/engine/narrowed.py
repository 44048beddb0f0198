"""MLPs of which a circuit keeps some neurons only.

What a neuron writes is its activation times its row of the output matrix, and the rows add up. So
an MLP can be cut further: with the neurons n of C kept, it adds beyond the corrupted run

    D_m  =  sum over n in C of  (act_n - act'_n) W_out[n] ,

act computed from what the MLP reads in the circuit, act' in the corrupted run. Where a norm
follows the MLP (Gemma 2 and 3, OLMo 2) the hidden values are mixed first, kept ones from the
circuit and the others corrupted, and go through output matrix and norm together; without such a
norm that is the same thing. With zero ablation act' is zero, so that a narrowed MLP's output bias
stays; with a mean ablation it is the neuron's own mean over the same tokens.

Glossary: docs/glossary.md#narrowed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.base.transfers import array_of, uploaded
from workbench.circuits.graph import Graph
from workbench.circuits.kept_neurons import Neurons
from workbench.circuits.names import mlp_name
from workbench.errors import WorkbenchError
from workbench.transformer.neurons import (
    hidden_values,
    n_neurons,
    narrowed_mlp,
    require_neurons,
)
from workbench.transformer.parts import ModelParts
from workbench.transformer.recording import Recording


def corrupted_neurons(recording: Recording, layer: int) -> Tensor:
    """act' of a layer's neurons, [pair, position, neuron], from the first difference on."""
    if recording.constant_neurons is not None:
        return recording.constant_neurons(layer, slice(0, recording.n_pairs))
    return hidden_values(recording.parts.layers[layer], recording.corrupted.layers[layer].mlp_in)


def clean_neurons(recording: Recording, layer: int) -> Tensor:
    """act of a layer's neurons in the clean run, as `corrupted_neurons`."""
    return hidden_values(recording.parts.layers[layer], recording.clean.layers[layer].mlp_in)


def by_layer(parts: ModelParts, graph: Graph, neurons: Neurons) -> dict[int, Tensor]:
    """Which neurons are kept, bool [neuron], by the layer of each narrowed MLP.

    Raises:
        WorkbenchError: an MLP has no neurons of its own, or none of such a number.
    """
    found = {}
    for mlp, numbers in neurons.items():
        layer = graph.parse_node(mlp).layer
        width = require_neurons(parts.layers[layer], mlp)[1].width
        if numbers and numbers[-1] >= width:
            raise WorkbenchError(
                f"{mlp} has no neuron {numbers[-1]}: they are numbered from 0 to {width - 1:,}."
            )
        kept = torch.zeros(width, dtype=torch.bool)
        kept[list(numbers)] = True
        found[layer] = uploaded(kept, parts.device)
    return found


@dataclass(frozen=True)
class NeuronChange:
    """In one of several alternatives a neuron is dropped, or kept beside the others.

    Attributes:
        alternative: its place among those that are computed.
        neuron: its number.
        kept: whether it is kept there.
    """

    alternative: int
    neuron: int
    kept: bool


class NarrowedMlps:
    """The MLPs of one group's run, narrowed to kept neurons or whole.

    Args:
        recording: of the group.
        kept: by layer, bool [neuron].
        clean: the neurons that are not kept write what they write in the clean run, as where
            changes spread along a circuit from the clean run; otherwise what they write corrupted.
    """

    def __init__(
        self, recording: Recording, kept: Mapping[int, Tensor] | None = None, *, clean: bool = False
    ) -> None:
        self._recording = recording
        self.kept = dict(kept or {})
        self._clean = clean
        self._corrupted: dict[int, Tensor] = {}
        self._others: dict[int, Tensor] = {}

    def differing(self, kept: Mapping[int, Tensor]) -> set[int]:
        """The layers whose kept neurons would be others."""
        mine = self.kept
        found = {*mine, *kept} - (mine.keys() & kept.keys())
        both = [layer for layer in mine.keys() & kept.keys() if mine[layer] is not kept[layer]]
        if both:
            differ = torch.stack([(mine[layer] != kept[layer]).any() for layer in both])
            found |= {layer for layer, yes in zip(both, array_of(differ), strict=True) if yes}
        return found

    def corrupted(self, layer: int) -> Tensor:
        """act' [pair, position, neuron], kept once it was computed."""
        if layer not in self._corrupted:
            self._corrupted[layer] = corrupted_neurons(self._recording, layer)
        return self._corrupted[layer]

    def _other(self, layer: int) -> Tensor:
        if not self._clean:
            return self.corrupted(layer)
        if layer not in self._others:
            self._others[layer] = clean_neurons(self._recording, layer)
        return self._others[layer]

    def tensors(self) -> Iterator[Tensor]:
        """All that it keeps."""
        yield from self._corrupted.values()
        yield from self._others.values()

    def run(
        self,
        index: int,
        x: Tensor,
        changes: Sequence[NeuronChange] = (),
        rows: Tensor | None = None,
    ) -> Tensor:
        """What a layer's MLP writes when it reads x [pair, alternative, position or 1, d_model].

        Args:
            rows: where it is needed, as indices of [pair, position]; elsewhere it may be what it is
                in the other run. Not made use of where an MLP treats positions differently.
        """
        layer = self._recording.parts.layers[index]
        if rows is not None and index not in self.kept and not changes and layer.is_plain:
            return self._run_rows(index, x, uploaded(rows, x.device))
        whole = x.reshape(-1, *x.shape[-2:])
        if index not in self.kept and not changes:
            return layer.run_mlp(whole).view(x.shape)
        kept, n = self.kept.get(index), x.shape[-2]

        def mix(own: Tensor) -> Tensor:
            own = own.reshape(*x.shape[:-1], own.shape[-1])
            mixed = own.clone() if kept is None else own
            if kept is not None:
                mixed = torch.where(kept, own, self._other(index)[:, None, -n:])
            for (at, keep), numbers in _by_alternative(changes).items():
                chosen = uploaded(numbers, own.device)
                source = own[:, at] if keep else self.corrupted(index)[:, -n:]
                mixed[:, at, :, chosen] = source[..., chosen]
            return mixed.reshape(whole.shape[:-1] + own.shape[-1:])

        return narrowed_mlp(layer, whole, mix).view(x.shape)

    def _run_rows(self, index: int, x: Tensor, rows: Tensor) -> Tensor:
        """What the MLP writes in some rows, and elsewhere in the other run."""
        run = self._recording.clean if self._clean else self._recording.corrupted
        out = run.layers[index].mlp_out[:, None].repeat(1, x.shape[1], 1, 1)
        if len(rows):
            pairs, places = rows // x.shape[2], rows % x.shape[2]
            # [row, alternative, d_model]: indices on both sides of a slice come first.
            read = x[pairs, :, places]
            written = self._recording.parts.layers[index].run_mlp(read)
            out[pairs, :, places] = written
        return out


def _by_alternative(changes: Sequence[NeuronChange]) -> dict[tuple[int, bool], list[int]]:
    found: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for change in changes:
        found[change.alternative, change.kept].append(change.neuron)
    return found


def all_neurons(parts: ModelParts, layer: int) -> range:
    """The numbers of a layer's neurons.

    Raises:
        WorkbenchError: its MLP has none of its own.
    """
    require_neurons(parts.layers[layer], mlp_name(layer))
    return range(n_neurons(parts.layers[layer]) or 0)
