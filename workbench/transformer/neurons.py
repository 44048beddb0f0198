"""The hidden neurons of an MLP: what enters its last linear map.

Found in the transformers module itself, whatever the family calls its parts: modules list their
maps in the order in which they are used, so the last one with a weight matrix writes the output.
The tests hold that to every family. The original module is left as it is.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from workbench.transformer.families.modules import plain
from workbench.transformer.parts import Layer


class Neurons(nn.Module):
    """The last linear map of an MLP, which keeps what it is given.

    Attributes:
        seen: the neurons' activations [..., neuron] of the last run.
    """

    seen: Tensor

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, x: Tensor) -> Tensor:
        """As the map itself."""
        self.seen = x
        out: Tensor = self.linear(x)
        return out


def with_neurons(layer: Layer) -> tuple[Layer, Neurons] | None:
    """The same layer with an MLP that keeps its neurons' activations, and where it keeps them.

    None where there is no one set of neurons: in a layer of experts every token has others.
    """
    if layer.routed:
        return None
    mlp = plain(layer.mlp)
    maps = [
        name
        for name, module in mlp.named_modules()
        if isinstance(weight := getattr(module, "weight", None), Tensor) and weight.dim() == 2
    ]
    if not maps:
        return None
    owner, _, leaf = maps[-1].rpartition(".")
    parent = mlp.get_submodule(owner)
    neurons = Neurons(parent.get_submodule(leaf))
    parent.add_module(leaf, neurons)
    return replace(layer, mlp=mlp), neurons
