"""The slow reference of circuits, in a model to whose components something is done.

Every write goes through a list of functions of (value [pair, position, d_model]); they are given in
plain tensors. It shares no code with the workbench.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from tests.support.references.family import FamilyReference

Change = Callable[[Tensor], Tensor]

LAST_MAP = {
    "gpt2": "mlp.c_proj",
    "gpt_neox": "mlp.dense_4h_to_h",
    "opt": "fc2",
    "gptj": "mlp.fc_out",
    "phi": "mlp.fc2",
}
"""From a block, the linear map that a family's neurons enter; elsewhere mlp.down_proj."""


class IntervenedReference(FamilyReference):
    """Runs of a model with changes of what its nodes write.

    Attributes:
        changes: of each node; `neurons` of an MLP's neurons [pair, position, neuron].
    """

    changes: dict[str, list[Change]]
    neurons: dict[int, list[Change]]

    def __init__(self, model: Any, clean: Tensor, corrupted: Tensor) -> None:
        self.changes, self.neurons = {}, {}
        super().__init__(model, clean, corrupted)
        self.plain_corrupted = dict(self.corrupted_writes)
        self.plain_clean = dict(self.clean_writes)

    def changed(
        self, changes: dict[str, list[Change]], neurons: dict[int, list[Change]]
    ) -> IntervenedReference:
        """Do these things from now on, in both runs."""
        self.changes, self.neurons = changes, neurons
        own = lambda d, s, writes: writes[s]  # noqa: E731
        self.corrupted_logits = self._run(self.corrupted, own, self.corrupted_writes)
        self.clean_logits = self._run(self.clean, own, self.clean_writes, inputs=self.clean_inputs)
        return self

    def _run(self, tokens: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        kept = self._starts[id(tokens)]
        self._starts[id(tokens)] = self._change("input", kept)
        try:
            return super()._run(tokens, *args, **kwargs)
        finally:
            self._starts[id(tokens)] = kept

    def _change(self, node: str, value: Tensor) -> Tensor:
        for change in self.changes.get(node, []):
            value = change(value)
        return value

    def _head(self, layer: int, head: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self._change(f"a{layer}.h{head}", super()._head(layer, head, q, k, v))

    def _mlp(self, layer: int, x: Tensor) -> Tensor:
        path = LAST_MAP.get(self.model.config.model_type, "mlp.down_proj")

        def entered(module: Any, args: Any) -> tuple[Tensor, ...]:
            value = args[0]
            for change in self.neurons.get(layer, []):
                value = change(value)
            return (value,)

        with ExitStack() as stack:
            if layer in self.neurons:
                handle = self._module(layer, path).register_forward_pre_hook(entered)
                stack.callback(handle.remove)
            written = super()._mlp(layer, x)
        return self._change(f"m{layer}", written)


def hooked_logits(
    model: Any,
    tokens: Tensor,
    heads: dict[tuple[int, int], Change],
    neurons: dict[int, list[Change]],
    mlps: dict[int, list[Change]],
    names: Any,
) -> Tensor:
    """Logits [pair, position, vocabulary] of transformers' own model under hooks.

    Args:
        heads: by layer and head, of values [pair, position, d_head] before the output projection.
        neurons: by layer, of what enters the MLP's last map.
        mlps: by layer, of what the MLP (its own norm included) adds to the residual.
    """
    blocks = model.get_submodule(names.blocks)
    n_heads = model.config.num_attention_heads
    handles = []

    def values(layer: int) -> Any:
        def entered(module: Any, args: Any) -> tuple[Tensor, ...]:
            value = args[0].clone()
            width = value.shape[-1] // n_heads
            for (of, head), change in heads.items():
                if of == layer:
                    own = slice(head * width, (head + 1) * width)
                    value[..., own] = change(value[..., own])
            return (value,)

        return entered

    def all_of(changes: list[Change]) -> Callable[[Tensor], Tensor]:
        def run(value: Tensor) -> Tensor:
            for change in changes:
                value = change(value)
            return value

        return run

    for layer, block in enumerate(blocks):
        out = block.get_submodule(f"{names.attention}.{names.out}")
        handles.append(out.register_forward_pre_hook(values(layer)))
        if layer in neurons:
            path = LAST_MAP.get(model.config.model_type, "mlp.down_proj")
            run = all_of(neurons[layer])
            handles.append(
                block.get_submodule(path).register_forward_pre_hook(
                    lambda module, args, run=run: (run(args[0]),)
                )
            )
        if layer in mlps:
            run = all_of(mlps[layer])
            handles.append(
                block.get_submodule(names.post_mlp or names.mlp[-1]).register_forward_hook(
                    lambda module, args, result, run=run: run(result)
                )
            )
    try:
        with torch.no_grad():
            logits: Tensor = model(tokens, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()
    return logits
