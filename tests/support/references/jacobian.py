"""The mean slope of the last residual, worked out anew with plain transformers and autograd.

Nothing of ours is imported. A hook puts a given residual in place of what a block reads, another
catches what the final norm reads, and `torch.autograd.functional.jacobian` differentiates the one
by the other, all positions by all positions; the sums and means are taken afterwards.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian

FINAL_NORMS = ("ln_f", "norm", "final_layer_norm", "final_layernorm")


class SlopeReference:
    """A causal language model of transformers, with eager attention.

    In float64 unless its kernels know none, as those of experts do not.
    """

    def __init__(self, hf: nn.Module) -> None:
        config = cast(Any, hf).config
        names = ("num_experts", "num_local_experts", "n_routed_experts")
        routed = any(getattr(config, name, None) for name in names)
        self.model = cast(Any, copy.deepcopy(hf)).to(torch.float32 if routed else torch.float64)
        self.model.eval()
        self.model.set_attn_implementation("eager")
        n_layers = self.model.config.num_hidden_layers
        lists = [
            (parent, module)
            for parent in self.model.modules()
            for module in parent.children()
            if isinstance(module, nn.ModuleList) and len(module) == n_layers
        ]
        self.parent, self.blocks = lists[0]
        self.final_norm = next(
            getattr(self.parent, name) for name in FINAL_NORMS if hasattr(self.parent, name)
        )

    def residuals(self, tokens: Tensor) -> list[Tensor]:
        """What each block and at last the final norm reads, [position, d_model]."""
        found: dict[int, Tensor] = {}

        def catch(depth: int) -> Any:
            def hook(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
                found[depth] = (args[0] if args else kwargs["hidden_states"])[0]

            return hook

        modules = [*self.blocks, self.final_norm]
        handles = [
            module.register_forward_pre_hook(catch(depth), with_kwargs=True)
            for depth, module in enumerate(modules)
        ]
        try:
            with torch.no_grad():
                self.model(tokens[None], use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        return [found[depth] for depth in range(len(modules))]

    def logits(self, tokens: Tensor, final: Tensor) -> Tensor:
        """The model's own logits [position, vocabulary] if this were its last residual."""

        def put(module: nn.Module, args: Any) -> Any:
            return (final[None].to(args[0].dtype), *args[1:])

        handle = self.final_norm.register_forward_pre_hook(put)
        try:
            with torch.no_grad():
                return cast(Tensor, self.model(tokens[None], use_cache=False).logits[0])
        finally:
            handle.remove()

    def slopes(self, tokens: Tensor, depth: int) -> Tensor:
        """d final[q, i] / d residual[p, j] at a depth, [q, i, p, j]."""

        def final(residual: Tensor) -> Tensor:
            caught: list[Tensor] = []

            def put(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
                if args:
                    return (residual[None], *args[1:]), kwargs
                return args, {**kwargs, "hidden_states": residual[None]}

            handles = [
                self.blocks[depth].register_forward_pre_hook(put, with_kwargs=True),
                self.final_norm.register_forward_pre_hook(
                    lambda module, args: caught.append(args[0][0])
                ),
            ]
            try:
                self.model(tokens[None], use_cache=False)
            finally:
                for handle in handles:
                    handle.remove()
            return caught[0]

        return cast(Tensor, jacobian(final, self.residuals(tokens)[depth]))

    def rows(self, prompt: list[int], outputs: list[int], skip: int) -> list[Tensor]:
        """Some rows of each depth's matrix for one prompt, [output, d_model], by plain backward."""
        caught: list[Tensor] = []

        def catch(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
            residual = args[0] if args else kwargs["hidden_states"]
            if not caught:
                residual = residual.detach().requires_grad_()
            caught.append(residual)
            return (
                ((residual, *args[1:]), kwargs)
                if args
                else (args, {**kwargs, "hidden_states": residual})
            )

        handles = [
            module.register_forward_pre_hook(catch, with_kwargs=True)
            for module in (*self.blocks, self.final_norm)
        ]
        try:
            self.model(torch.tensor([prompt]), use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        counted = range(skip, len(prompt) - 1)
        *earlier, final = caught
        found: list[list[Tensor]] = [[] for _ in earlier]
        for output in outputs:
            asked = sum(final[0, q, output] for q in counted)
            slopes = torch.autograd.grad(cast(Any, asked), earlier, retain_graph=True)
            for depth, slope in enumerate(slopes):
                found[depth].append(slope[0, list(counted)].mean(0))
        return [torch.stack(rows) for rows in found]

    def matrix(self, prompts: list[list[int]], depth: int, skip: int) -> Tensor:
        """The lens's matrix at a depth, [d_model, d_model]."""
        each = []
        for prompt in prompts:
            slopes = self.slopes(torch.tensor(prompt), depth)
            counted = range(skip, len(prompt) - 1)
            columns = [sum(slopes[q, :, p] for q in counted if q >= p) for p in counted]
            each.append(torch.stack(cast(Any, columns)).mean(0))
        return torch.stack(each).mean(0)
