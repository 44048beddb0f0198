"""Circuits of which some MLPs keep a few neurons, by hooks on a transformers model's modules.

The last linear map of a narrowed MLP is given, by a hook on its input, its own values at the kept
neurons and at all others those that it was given in the corrupted run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests.support.references.family import FamilyReference
from tests.support.references.node import LAST_MAPS


class NarrowedReference(FamilyReference):
    """As `FamilyReference`, with narrowed MLPs."""

    def __init__(self, model: PreTrainedModel, clean: Tensor, corrupted: Tensor) -> None:
        self._kept: Mapping[int, Collection[int]] = {}
        self._corrupted: dict[int, Tensor] = {}
        super().__init__(model, clean, corrupted)
        self._record = True
        for layer in range(self.n_layers):
            self._look(layer)
        with torch.no_grad():
            model(corrupted, use_cache=False)
        self._record = False

    def last_map(self, layer: int) -> nn.Module:
        block = self.blocks[layer]
        for path in self.names.mlp:
            for name, module in [(path, block.get_submodule(path))] + [
                (path + "." + name, module)
                for name, module in block.get_submodule(path).named_modules()
            ]:
                if name.rpartition(".")[2] in LAST_MAPS:
                    return module
        raise AssertionError(layer)

    def _look(self, layer: int) -> None:
        def hook(module: nn.Module, args: Any) -> Any:
            if self._record:
                self._corrupted[layer] = args[0].detach().clone()
                return None
            if layer not in self._kept:
                return None
            mixed = self._corrupted[layer].reshape(args[0].shape).clone()
            kept = list(self._kept[layer])
            mixed[..., kept] = args[0][..., kept]
            return (mixed,)

        self.last_map(layer).register_forward_pre_hook(hook)

    def narrowed(
        self,
        edges: Collection[str],
        opened: Collection[str],
        kept: Mapping[int, Collection[int]],
    ) -> Tensor:
        """Logits [pair, vocabulary] of a circuit whose MLPs of these layers are narrowed."""
        self._kept = kept
        try:
            return self.circuit(edges, opened)
        finally:
            self._kept = {}
