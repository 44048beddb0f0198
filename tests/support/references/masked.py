"""A plain transformers model with attention masked and residuals replaced, through hooks.

It shares no code with the engine. What a query does not see is added as minus infinity to the mask
that the model's own attention module takes; a residual is what a block puts out, or what goes into
the first one.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests.support.references.family import names_of

Replace = Callable[[Tensor], Tensor]
"""[pair, position, d_model] -> the same with something in its place."""


class MaskedReference:
    """A model in float64 (experts excepted, which have no such kernel)."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = copy.deepcopy(model)
        if not any(hasattr(module, "experts") for module in model.modules()):
            self.model = self.model.double()
        self.model.config._attn_implementation = "eager"
        self.names = names_of(self.model)
        self.blocks = list(self.model.get_submodule(self.names.blocks))

    def residuals(self, tokens: Tensor) -> list[Tensor]:
        """The residual [pair, position, d_model] before the first block, and after each."""
        found: dict[int, Tensor] = {}

        def keep(layer: int) -> Replace:
            def kept(x: Tensor) -> Tensor:
                found[layer] = x.detach().clone()
                return x

            return kept

        self.logits(tokens, {}, {layer: keep(layer) for layer in range(-1, len(self.blocks))})
        return [found[layer] for layer in range(-1, len(self.blocks))]

    def logits(
        self,
        tokens: Tensor,
        hidden: Mapping[int, Tensor],
        replaced: Mapping[int, Replace] | None = None,
    ) -> Tensor:
        """Logits [pair, vocabulary] at the last position.

        Args:
            hidden: by layer, bool [head, query, key], what is not seen.
            replaced: by layer (-1: before the first), what becomes of the residual after it.
        """
        with ExitStack() as stack, torch.no_grad():
            for layer, mask in hidden.items():
                attention = self.blocks[layer].get_submodule(self.names.attention)
                stack.enter_context(_masked(attention, mask))
            for layer, change in (replaced or {}).items():
                if layer < 0:
                    stack.enter_context(_before(self.blocks[0], change))
                else:
                    stack.enter_context(_after(self.blocks[layer], change))
            return self.model(tokens, use_cache=False).logits[:, -1]


def _masked(attention: nn.Module, hidden: Tensor) -> Any:
    known = inspect.signature(attention.forward)

    def hook(_: nn.Module, args: Any, kwargs: Any) -> Any:
        bound = known.bind(*args, **kwargs)
        mask = bound.arguments["attention_mask"]
        assert mask is not None and mask.is_floating_point(), "the model made no mask of its own"
        bound.arguments["attention_mask"] = mask.masked_fill(hidden[None], float("-inf"))
        return bound.args, bound.kwargs

    return attention.register_forward_pre_hook(hook, with_kwargs=True)


def _after(block: nn.Module, change: Replace) -> Any:
    def hook(_: nn.Module, __: Any, out: Any) -> Any:
        return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)

    return block.register_forward_hook(hook)


def _before(block: nn.Module, change: Replace) -> Any:
    def hook(_: nn.Module, args: Any, kwargs: Any) -> Any:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

    return block.register_forward_pre_hook(hook, with_kwargs=True)
