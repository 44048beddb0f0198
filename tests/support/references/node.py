"""Nodes of a plain transformers model, read and replaced by hooks on its own modules.

It shares no code with the engine: nothing of the model is taken apart or recomputed. A head is a
slice of what enters the output projection, an MLP is its module's output (behind the norm that
follows it, if one does), and `input` is what the embedding puts out. Gradients are autograd's,
through the model's own forward pass. All is in float64, but for experts, which have no such kernel.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests.support.references.family import heads_of, names_of, step_by_step

Value = Callable[[str, Tensor], Tensor]
"""(node or module's name, its value) -> the value to go on with."""
LAST_MAPS = ("c_proj", "down_proj", "dense_4h_to_h", "fc_out", "fc2")
"""What families call the last linear map of an MLP."""


class NodeReference:
    """A model on clean and corrupted tokens [pair, position]."""

    def __init__(self, model: PreTrainedModel, clean: Tensor, corrupted: Tensor) -> None:
        self.model = copy.deepcopy(model)
        if not any(hasattr(module, "experts") for module in model.modules()):
            self.model = self.model.double()
        step_by_step(self.model)
        self.names = names_of(self.model)
        self.blocks = list(self.model.get_submodule(self.names.blocks))
        self.n_heads, self.n_kv_heads = heads_of(self.model)
        self.clean, self.corrupted = clean, corrupted
        self.values: dict[str, Tensor] = {}
        self.corrupted_values: dict[str, Tensor] = {}
        self.clean_logits = self.run(self._keep(self.values), clean)
        self.run(self._keep(self.corrupted_values), corrupted)

    def run(self, value: Value, tokens: Tensor | None = None, stopped: int | None = None) -> Tensor:
        """Logits [pair, vocabulary] at the last position.

        Args:
            value: sees, and may replace, `input`, `a0.z` [pair, position, head * d_head], `m0` and
                `m0.neurons`, `a0.proj0` (what the projections of q, k and v put out), in turn.
            stopped: a block whose contribution to the residual has no gradient.
        """
        with ExitStack() as stack:
            embedding = self.model.get_input_embeddings()
            stack.enter_context(_output(embedding, lambda x: value("input", x)))
            for index, block in enumerate(self.blocks):
                self._hook_block(stack, index, block, value)
                if index == stopped:
                    stack.enter_context(_without_gradient(block))
            return self.model(self.clean if tokens is None else tokens, use_cache=False).logits[
                :, -1
            ]

    def _hook_block(self, stack: ExitStack, index: int, block: nn.Module, value: Value) -> None:
        names = self.names
        attention = block.get_submodule(names.attention)
        latent = hasattr(attention, "kv_b_proj")  # out of which all heads' keys and values come
        for place, name in enumerate(() if latent else names.projections):
            if getattr(attention, name, attention) is None:
                continue  # values are keys before their norm
            stack.enter_context(
                _output(
                    attention.get_submodule(name),
                    partial(value, f"a{index}.proj{place}"),
                )
            )
        out = attention.get_submodule(names.out)
        stack.enter_context(_input(out, lambda x: value(f"a{index}.z", x)))
        last = self.last_map(index)
        if last is not None:
            stack.enter_context(_input(last, lambda x: value(f"m{index}.neurons", x)))
        writer = block.get_submodule(names.post_mlp or names.mlp[-1])
        stack.enter_context(_output(writer, lambda x: value(f"m{index}", x)))

    def last_map(self, index: int) -> nn.Module | None:
        """The last linear map of an MLP, by its name; None for experts."""
        mlps = [self.blocks[index].get_submodule(name) for name in self.names.mlp]
        if any(hasattr(mlp, "experts") for mlp in mlps):
            return None
        inside = {name: module for mlp in mlps for name, module in mlp.named_modules()}
        found = [module for name, module in inside.items() if name in LAST_MAPS]
        if "fc2" in self.names.mlp:
            found = [self.blocks[index].get_submodule("fc2")]
        (last,) = found
        return last

    @staticmethod
    def _keep(into: dict[str, Tensor]) -> Value:
        def keep(name: str, x: Tensor) -> Tensor:
            into[name] = x.detach().clone()
            return x

        return keep

    def head(self, node: str) -> tuple[str, slice]:
        """Under which name a head's values come, and where among all heads' they are."""
        layer, _, head = node.partition(".h")
        width = self.values[f"{layer}.z"].shape[-1] // self.n_heads
        return f"{layer}.z", slice(int(head) * width, (int(head) + 1) * width)

    def place(self, node: str) -> tuple[str, slice]:
        """As `head`, for any node."""
        return self.head(node) if ".h" in node else (node, slice(None))

    def patched(self, node: str, positions: Sequence[int] | slice = slice(None)) -> Tensor:
        """Logits of the clean run with a node corrupted at these positions."""
        name, own = self.place(node)

        def patch(seen: str, x: Tensor) -> Tensor:
            if seen != name:
                return x
            x = x.clone()
            x[:, positions, own] = self.corrupted_values[name][:, positions, own]
            return x

        with torch.no_grad():
            return self.run(patch)

    def with_input(
        self, node: str, which: int, positions: Sequence[int] | slice = slice(None)
    ) -> Tensor:
        """A head's values [pair, position, d_head] with its query (0), key (1) or value (2)
        corrupted at these positions.
        """
        name, own = self.head(node)
        layer, head = node.split(".h")
        projection, mine = self._projected(name, which, int(head))
        found: dict[str, Tensor] = {}

        def patch(seen: str, x: Tensor) -> Tensor:
            if seen == f"{layer}.{projection}":
                x, new = x.clone(), self.corrupted_values[seen]
                for position in torch.arange(x.shape[1])[positions]:
                    x[:, position, mine] = new[:, position, mine]
            found[seen] = x
            return x

        with torch.no_grad():
            self.run(patch)
        return found[name][..., own]

    def _projected(self, z: str, which: int, head: int) -> tuple[str, Tensor]:
        """Which projection puts out a query head's query, key or value, and at which outputs."""
        width = self.values[z].shape[-1] // self.n_heads
        if which:
            head = head * self.n_kv_heads // self.n_heads
        outputs = torch.arange(head * width, (head + 1) * width)
        if self.names.fused is None:
            return f"proj{which}", outputs
        kinds = self.names.fused(self.n_heads, self.n_kv_heads, width)
        return "proj0", (kinds == which).nonzero()[:, 0][outputs]

    def gradients(
        self, metric: Callable[[Tensor], Tensor], stopped: int | None = None
    ) -> dict[str, Tensor]:
        """Of the metric, summed over pairs, at every value that `run` shows, by its name.

        Args:
            metric: logits [pair, vocabulary] -> [pair].
        """
        seen: dict[str, Tensor] = {}

        def track(name: str, x: Tensor) -> Tensor:
            seen[name] = x if x.requires_grad else x.detach().requires_grad_()
            return seen[name]

        with torch.enable_grad():
            value = metric(self.run(track, stopped=stopped)).sum()
            found = torch.autograd.grad(value, list(seen.values()), allow_unused=True)
        return {
            name: torch.zeros_like(x) if gradient is None else gradient
            for (name, x), gradient in zip(seen.items(), found, strict=True)
        }


@contextmanager
def _output(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    def hook(module: nn.Module, args: Any, result: Any) -> Any:
        if isinstance(result, tuple):
            return (change(result[0]), *result[1:])
        return change(result)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _input(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    handle = module.register_forward_pre_hook(lambda module, args: (change(args[0]), *args[1:]))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _without_gradient(block: nn.Module) -> Iterator[None]:
    """What the block adds to the residual that it is given counts as a constant."""

    def hook(module: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
        given = args[0] if args else kwargs["hidden_states"]
        out = result[0] if isinstance(result, tuple) else result
        whole = given + (out - given).detach()
        return (whole, *result[1:]) if isinstance(result, tuple) else whole

    handle = block.register_forward_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()
