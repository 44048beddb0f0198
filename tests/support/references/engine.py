"""A slow, obvious circuit evaluation on the bridge's own hooks; it shares no code with the engine.

Every destination's input is the residual that the hook delivers, minus what each source outside the
circuit wrote in this run, plus what it wrote in the corrupted run. Grouped-query models are first
turned into models with a key-value head for every query head, with the same outputs.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformers import PreTrainedModel


def ungrouped(model: PreTrainedModel) -> PreTrainedModel:
    """The same function with as many key-value heads as query heads."""
    config = copy.deepcopy(model.config)
    n_heads = config.num_attention_heads
    n_kv = getattr(config, "num_key_value_heads", n_heads) or n_heads
    if n_kv == n_heads:
        return copy.deepcopy(model)
    config.num_key_value_heads = n_heads
    state = model.state_dict()
    for name, value in state.items():
        if re.search(r"[kv]_proj\.(weight|bias)$", name):
            split = value.reshape(n_kv, -1, *value.shape[1:])
            repeated = split.repeat_interleave(n_heads // n_kv, dim=0)
            state[name] = repeated.reshape(-1, *value.shape[1:])
    out = type(model)(config).to(model.dtype)
    out.load_state_dict(state)
    return out.eval().requires_grad_(False)


class Reference:
    """Runs of a model on clean and corrupted tokens [pair, position], one circuit at a time."""

    def __init__(self, model: PreTrainedModel, clean: Tensor, corrupted: Tensor) -> None:
        mha = ungrouped(model)
        mha.set_attn_implementation("eager")
        self.bridge = build_bridge_from_module(
            mha, type(mha).__name__, hf_config=mha.config, model_name="reference"
        )
        self.bridge.set_use_split_qkv_input(True)
        self.bridge.set_use_attn_result(True)
        self.bridge.set_use_hook_mlp_in(True)
        self.n_layers, self.n_heads = self.bridge.cfg.n_layers, self.bridge.cfg.n_heads
        self.parallel = bool(self.bridge.cfg.parallel_attn_mlp)
        self.clean, self.corrupted = clean, corrupted
        self.corrupted_writes: dict[str, Tensor] = {}
        self.corrupted_logits = self._run(corrupted, lambda d, x, w: x, self.corrupted_writes)
        self.clean_writes: dict[str, Tensor] = {}
        self.clean_logits = self._run(clean, lambda d, x, w: x, self.clean_writes)

    def earlier(self, destination: str) -> list[str]:
        """Sources that may feed a destination."""
        before = ["input"]
        for layer in range(self.n_layers):
            heads = [f"a{layer}.h{h}" for h in range(self.n_heads)]
            if destination.startswith(f"a{layer}."):
                return before
            if destination == f"m{layer}":
                return before if self.parallel else before + heads
            before = [*before, *heads, f"m{layer}"]
        return before

    def circuit(self, edges: Collection[str], opened: Collection[str] = ()) -> Tensor:
        """Logits [pair, vocabulary] at the last position with every edge outside the circuit
        corrupted.

        An open destination's input is the clean run's.
        """
        clean_inputs: dict[str, Tensor] = {}

        def remember(destination: str, x: Tensor, writes: dict[str, Tensor]) -> Tensor:
            clean_inputs[destination] = x
            return x

        self._run(self.clean, remember, {})

        def patch(destination: str, x: Tensor, writes: dict[str, Tensor]) -> Tensor:
            if destination in opened:
                return clean_inputs[destination]
            for source in self.earlier(destination):
                if f"{source}->{destination}" not in edges:
                    x = x - writes[source] + self.corrupted_writes[source]
            return x

        return self._run(self.clean, patch, {})

    def along(self, edge: str, kept: Collection[str]) -> Tensor:
        """Logits with one edge corrupted in the clean run, the change spreading along kept edges
        only.
        """
        source, _, destination = edge.partition("->")

        def patch(d: str, x: Tensor, writes: dict[str, Tensor]) -> Tensor:
            for s in self.earlier(d):
                if f"{s}->{d}" not in kept:
                    x = x - writes[s] + self.clean_writes[s]
            if d == destination:
                x = x - self.clean_writes[source] + self.corrupted_writes[source]
            return x

        return self._run(self.clean, patch, {})

    def nudged(self, edge: str, share: float) -> Tensor:
        """Logits of the clean run with one edge moved a share of the way to its corrupted value."""
        source, _, destination = edge.partition("->")

        def patch(d: str, x: Tensor, writes: dict[str, Tensor]) -> Tensor:
            if d == destination:
                x = x + share * (self.corrupted_writes[source] - self.clean_writes[source])
            return x

        return self._run(self.clean, patch, {})

    def _run(
        self,
        tokens: Tensor,
        patch: Callable[[str, Tensor, dict[str, Tensor]], Tensor],
        writes: dict[str, Tensor],
    ) -> Tensor:
        """One forward pass; `patch` sees every destination's input [pair, position, d_model] in
        turn.
        """

        def wrote_embedding(value: Tensor, hook: Any) -> None:
            writes["input"] = value.clone()

        def wrote_heads(layer: int) -> Callable[[Tensor, Any], None]:
            def hook(value: Tensor, hook: Any) -> None:
                for h in range(self.n_heads):
                    writes[f"a{layer}.h{h}"] = value[:, :, h].clone()

            return hook

        def wrote_mlp(layer: int) -> Callable[[Tensor, Any], None]:
            def hook(value: Tensor, hook: Any) -> None:
                writes[f"m{layer}"] = value.clone()

            return hook

        def read_heads(layer: int, which: str) -> Callable[[Tensor, Any], Tensor]:
            def hook(value: Tensor, hook: Any) -> Tensor:
                value = value.clone()
                for h in range(self.n_heads):
                    value[:, :, h] = patch(f"a{layer}.h{h}<{which}>", value[:, :, h], writes)
                return value

            return hook

        def read(destination: str) -> Callable[[Tensor, Any], Tensor]:
            return lambda value, hook: patch(destination, value, writes)

        hooks: list[tuple[str, Any]] = [("embed.hook_out", wrote_embedding)]
        for layer in range(self.n_layers):
            block = f"blocks.{layer}."
            hooks += [(f"{block}attn.hook_{w}_input", read_heads(layer, w)) for w in "qkv"]
            hooks.append((f"{block}attn.hook_result", wrote_heads(layer)))
            hooks.append((f"{block}hook_mlp_in", read(f"m{layer}")))
            hooks.append((f"{block}mlp.hook_out", wrote_mlp(layer)))
        hooks.append(("ln_final.hook_in", read("logits")))
        with torch.no_grad():
            return self.bridge.run_with_hooks(tokens, fwd_hooks=hooks)[:, -1]
