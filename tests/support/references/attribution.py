"""A slow, obvious attribution of edges: GPT-2 and Llama in float64, pair by pair.

It shares no code with the engine: weights come from the model's state by name, and every
destination's input is the residual plus a zero of its own, whose gradient is what the attribution
asks for. Backward rules are written where they act.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, silu


@dataclass(frozen=True)
class Rule:
    """What is not plain calculus in a backward pass."""

    freeze: bool = False
    temperature: float = 1.0
    qk: float = 1.0
    v: float = 1.0
    product: float = 1.0
    identity: bool = False


PLAIN = Rule()
GIM = Rule(freeze=True, temperature=2.0, qk=0.25, v=0.5, product=0.5)
RELP = Rule(freeze=True, product=0.5, identity=True)


@dataclass
class Pass:
    """One forward pass: what each source wrote, each destination's zero, and the metric."""

    writes: dict[str, Tensor] = field(default_factory=dict)
    zeros: dict[str, Tensor] = field(default_factory=dict)
    metric: Tensor = field(default_factory=lambda: torch.zeros(()))

    def slopes(self) -> dict[str, Tensor]:
        """The metric's gradient at each destination, [position, d_model]."""
        names = list(self.zeros)
        found = torch.autograd.grad(self.metric, [self.zeros[n] for n in names], allow_unused=True)
        return {
            n: torch.zeros_like(self.zeros[n]) if g is None else g
            for n, g in zip(names, found, strict=True)
        }


def _scaled_gradient(x: Tensor, factor: float) -> Tensor:
    return factor * x + (1 - factor) * x.detach()


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, temperature: float) -> Tensor:
        ctx.pattern = torch.softmax(scores / temperature, -1)
        return torch.softmax(scores, -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        s, g = ctx.pattern, gradients[0]
        jacobian = torch.diag_embed(s) - s[..., :, None] * s[..., None, :]
        return (jacobian @ g[..., None])[..., 0], None


class Slow:
    """A tiny GPT-2 or Llama, written out."""

    def __init__(self, hf: Any) -> None:
        self.config = hf.config
        self.kind = hf.config.model_type
        self.weights = {n: w.detach().double() for n, w in hf.state_dict().items()}
        self.layers, self.heads = hf.config.num_hidden_layers, hf.config.num_attention_heads
        self.d = hf.config.hidden_size // self.heads

    def sources(self) -> list[str]:
        names = ["input"]
        for layer in range(self.layers):
            names += [*(f"a{layer}.h{h}" for h in range(self.heads)), f"m{layer}"]
        return names

    def embed(self, tokens: Tensor) -> Tensor:
        name = "transformer.wte.weight" if self.kind == "gpt2" else "model.embed_tokens.weight"
        return self.weights[name][tokens]

    def run(
        self,
        embedding: Tensor,
        metric: Callable[[Tensor], Tensor],
        rule: Rule = PLAIN,
        replaced: dict[str, Tensor] | None = None,
    ) -> Pass:
        """Run one prompt from its embedding [position, d_model]; `metric` is of the last logits.

        `replaced` are outputs of sources that stand in for their own.
        """
        done, replaced = Pass(), replaced or {}

        def wrote(name: str, value: Tensor) -> Tensor:
            value = replaced.get(name, value)
            done.writes[name] = value.detach()
            return value

        def read(name: str, x: Tensor) -> Tensor:
            done.zeros[name] = torch.zeros_like(x, requires_grad=True)
            return x + done.zeros[name]

        x = wrote("input", embedding)
        if self.kind == "gpt2":
            x = x + self.weights["transformer.wpe.weight"][: len(x)]
        for layer in range(self.layers):
            added = [
                wrote(f"a{layer}.h{head}", self._head(layer, head, x, read, rule))
                for head in range(self.heads)
            ]
            x = x + torch.stack(added).sum(0) + self._attention_bias(layer)
            x = x + wrote(f"m{layer}", self._mlp(layer, read(f"m{layer}", x), rule))
        x = read("logits", x)
        if self.kind == "gpt2":
            logits = self._norm("transformer.ln_f", x, rule) @ self.weights["lm_head.weight"].T
        else:
            logits = self._norm("model.norm", x, rule) @ self.weights["lm_head.weight"].T
        done.metric = metric(logits[-1])
        return done

    def _attention_bias(self, layer: int) -> Tensor:
        name = f"transformer.h.{layer}.attn.c_proj.bias"
        return self.weights[name] if self.kind == "gpt2" else torch.zeros((), dtype=torch.float64)

    def _norm(self, name: str, x: Tensor, rule: Rule) -> Tensor:
        w = self.weights
        if self.kind == "gpt2":
            x = x - x.mean(-1, keepdim=True)
        epsilon = (
            self.config.layer_norm_epsilon if self.kind == "gpt2" else self.config.rms_norm_eps
        )
        scale = 1 / torch.sqrt((x**2).mean(-1, keepdim=True) + epsilon)
        out = x * (scale.detach() if rule.freeze else scale) * w[name + ".weight"]
        return out + w[name + ".bias"] if self.kind == "gpt2" else out

    def _head(
        self, layer: int, head: int, x: Tensor, read: Callable[[str, Tensor], Tensor], rule: Rule
    ) -> Tensor:
        w, mine, block = self.weights, slice(head * self.d, (head + 1) * self.d), f"{layer}."
        inputs = [read(f"a{layer}.h{head}<{which}>", x) for which in "qkv"]
        if self.kind == "gpt2":
            block = f"transformer.h.{layer}."
            normed = [self._norm(block + "ln_1", y, rule) for y in inputs]
            whole, bias = w[block + "attn.c_attn.weight"], w[block + "attn.c_attn.bias"]
            width = self.heads * self.d
            q, k, v = (
                y @ whole[:, i * width :][:, mine] + bias[i * width :][mine]
                for i, y in enumerate(normed)
            )
            w_o = w[block + "attn.c_proj.weight"][mine]
        else:
            block = f"model.layers.{layer}."
            normed = [self._norm(block + "input_layernorm", y, rule) for y in inputs]
            kv = head // (self.heads // self.config.num_key_value_heads)
            theirs = slice(kv * self.d, (kv + 1) * self.d)
            q = normed[0] @ w[block + "self_attn.q_proj.weight"][mine].T
            k = normed[1] @ w[block + "self_attn.k_proj.weight"][theirs].T
            v = normed[2] @ w[block + "self_attn.v_proj.weight"][theirs].T
            q, k = self._rotate(q), self._rotate(k)
            w_o = w[block + "self_attn.o_proj.weight"][:, mine].T
        q, k = _scaled_gradient(q, rule.qk), _scaled_gradient(k, rule.qk)
        v = _scaled_gradient(v, rule.v)
        scores = q @ k.T / math.sqrt(self.d)
        ahead = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
        pattern = _Softmax.apply(scores.masked_fill(ahead, -math.inf), rule.temperature)
        return (pattern @ v) @ w_o

    def _rotate(self, x: Tensor) -> Tensor:
        half = self.d // 2
        theta = self.config.rope_parameters["rope_theta"]
        angles = torch.arange(len(x)).double()[:, None] * theta ** -(
            torch.arange(half).double() / half
        )
        a, b = x[:, :half], x[:, half:]
        cos, sin = angles.cos(), angles.sin()
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    def _mlp(self, layer: int, x: Tensor, rule: Rule) -> Tensor:
        w = self.weights

        def activated(y: Tensor) -> Tensor:
            out = gelu(y, approximate="tanh") if self.kind == "gpt2" else silu(y)
            return y * (out / y).detach() if rule.identity else out

        if self.kind == "gpt2":
            block = f"transformer.h.{layer}."
            y = self._norm(block + "ln_2", x, rule)
            hidden = activated(y @ w[block + "mlp.c_fc.weight"] + w[block + "mlp.c_fc.bias"])
            return hidden @ w[block + "mlp.c_proj.weight"] + w[block + "mlp.c_proj.bias"]
        block = f"model.layers.{layer}."
        y = self._norm(block + "post_attention_layernorm", x, rule)
        gate, up = (y @ w[block + f"mlp.{n}_proj.weight"].T for n in ("gate", "up"))
        gate, up = _scaled_gradient(gate, rule.product), _scaled_gradient(up, rule.product)
        return (activated(gate) * up) @ w[block + "mlp.down_proj.weight"].T
