"""The slopes of norms and MLPs of every family beside automatic differentiation of the modules."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tests.support.cases.family_cases import CASES, model_of, usual_case
from workbench.discovery.gradients.backward_rules import PLAIN, Rules
from workbench.discovery.gradients.edge_gradients import at_final, gradients
from workbench.discovery.gradients.mlp_slope import inside_of, mlp_back
from workbench.discovery.gradients.norm_slope import NormSlope, with_frozen_scale
from workbench.discovery.gradients.slices import slices
from workbench.discovery.methods.gim import GIM
from workbench.discovery.methods.relp import RELP
from workbench.errors import WorkbenchError

cases = pytest.mark.parametrize("name", CASES)


class FrozenScales(TorchFunctionMode):
    """Inside, every norm's scale (written with rsqrt or pow, or as layer_norm) is a constant."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.rsqrt, Tensor.rsqrt):
            return func(*args, **kwargs).detach()
        if func in (torch.pow, Tensor.pow) and args[1] == -0.5:  # Gemma 4's way to write it
            return func(*args, **kwargs).detach()
        if func is torch.nn.functional.layer_norm:
            return _layer_norm(*args, **kwargs)
        return func(*args, **kwargs)


def _layer_norm(
    x: Tensor, shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 0
) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    x = x / (x.detach().square().mean(-1, keepdim=True) + eps).sqrt()
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def norms_of(parts: Any) -> list[tuple[nn.Module, int]]:
    """Every norm of the first layer, and the last one; with the width of what it takes."""
    layer, width = parts.layers[0], parts.d_model
    found = [(n, width) for n in (layer.norm1, layer.norm2, layer.post_attention, layer.post_mlp)]
    found.append((parts.norm_final, width))
    for which in (0, 1):
        heads, _, d_head = layer.attention.weight(which).shape
        found.append((layer.attention.joint[which], heads * d_head))
        found += [(n, d_head) for n in getattr(layer.attention.steps[which], "norms", ())]
        latent = layer.attention.latent(which)
        found += [] if latent is None else [(latent.norm, latent.rank)]
    return [(norm, n) for norm, n in found if norm is not None]


def by_autograd(norm: nn.Module, x: Tensor, gradient: Tensor, frozen: bool) -> Tensor:
    x = x.clone().requires_grad_()
    if frozen:
        with FrozenScales():
            out = norm(x)
    else:
        out = norm(x)
    return torch.autograd.grad(out, x, gradient)[0]


@cases
@pytest.mark.parametrize("frozen", [False, True])
def test_norms(name: str, frozen: bool) -> None:
    torch.manual_seed(0)
    for norm, width in norms_of(model_of(name).parts):
        x, gradients_, change = torch.randn(3, 2, width), torch.randn(5, 3, 2, width), None
        slope = NormSlope(norm, x, frozen)
        back = slope.back(gradients_)
        for own, gradient in zip(back, gradients_, strict=True):
            torch.testing.assert_close(own, by_autograd(norm, x, gradient, frozen))
        # Forward is the transpose of backward.
        change = torch.randn(5, 3, 2, width)
        left = (slope.forth(change) * gradients_).sum()
        torch.testing.assert_close(left, (change * back).sum(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(with_frozen_scale(norm)(x), norm(x))


class Strange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / (1 + x.abs().sum(-1, keepdim=True))


# torch's own forward differentiation still compiles with what torch says is going to be removed.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_norms_of_an_unknown_kind_are_differentiated_or_refused() -> None:
    torch.manual_seed(0)
    x, gradient, change = torch.randn(4, 6), torch.randn(2, 4, 6), torch.randn(2, 4, 6)
    slope = NormSlope(Strange(), x)
    back = slope.back(gradient)
    torch.testing.assert_close(back[1], by_autograd(Strange(), x, gradient[1], False))
    torch.testing.assert_close((slope.forth(change) * gradient).sum(), (change * back).sum())
    for refused in (lambda: NormSlope(Strange(), x, True), lambda: with_frozen_scale(Strange())):
        with pytest.raises(WorkbenchError, match="Strange"):
            refused()


@cases
def test_mlps(name: str) -> None:
    torch.manual_seed(0)
    parts = model_of(name).parts
    for layer in parts.layers:
        x, gradient = torch.randn(2, 3, 4, parts.d_model)
        inside = inside_of(layer.mlp)
        assert (inside is None) == layer.routed
        if inside is not None:
            normed = layer.norm2(x)
            torch.testing.assert_close(inside.write(inside.before(normed)), layer.mlp(normed))
        leaf = x.clone().requires_grad_()
        (expected,) = torch.autograd.grad(layer.run_mlp(leaf), leaf, gradient)
        torch.testing.assert_close(mlp_back(layer, x, gradient, PLAIN), expected)


class Ratio(nn.Module):
    """An activation that counts as a constant factor."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.activation(x) / x).detach()


class _Softened(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.s = (x / 2).softmax(-1)
        return x.softmax(-1)

    @staticmethod
    def backward(ctx: Any, *g: Tensor) -> Tensor:
        return ctx.s * (g[0] - (g[0] * ctx.s).sum(-1, keepdim=True))


ACTIVATIONS = ("act", "act_fn", "activation_fn")
QUERIES = ("q_proj", "k_proj")
PRODUCTS = ("gate_proj", "up_proj", "gate_up_proj")


@contextmanager
def ruled(hf: nn.Module, rules: Rules, monkeypatch: pytest.MonkeyPatch) -> Iterator[nn.Module]:
    """A copy of a transformers model whose own modules go back by the rules."""
    hf = copy.deepcopy(hf)
    for path, module in list(hf.named_modules()):
        leaf = path.rpartition(".")[2]
        if leaf in ACTIVATIONS and rules.ratio:
            setattr(hf.get_submodule(path.rpartition(".")[0]), leaf, Ratio(module))
        if leaf == "kv_b_proj":
            _rule_latent(hf.get_submodule(path.rpartition(".")[0]), rules)
        factor = {
            **dict.fromkeys(QUERIES, rules.query_key),
            **dict.fromkeys(PRODUCTS, rules.product),
            "v_proj": rules.value,
        }.get(leaf)
        if factor is not None:
            module.register_forward_hook(
                lambda m, args, out, f=factor: f * out + (1 - f) * out.detach()
            )
    if rules is GIM:
        monkeypatch.setattr(
            "torch.nn.functional.softmax",
            lambda x, dim=-1, dtype=None: _Softened.apply(x.to(dtype or x.dtype)),
        )
    with FrozenScales():
        yield hf


def _rule_latent(attention: Any, rules: Rules) -> None:
    """The factors at queries, keys and values that come out of latents."""
    of_key, of_latent = attention.qk_nope_head_dim, attention.kv_lora_rank

    def scaled(out: Tensor, factors: Tensor) -> Tensor:
        return factors * out + (1 - factors) * out.detach()

    def up(module: Any, args: Any, out: Tensor) -> Tensor:
        heads = torch.full((attention.num_heads, out.shape[-1] // attention.num_heads), rules.value)
        heads[:, :of_key] = rules.query_key
        return scaled(out, heads.flatten())

    def down(module: Any, args: Any, out: Tensor) -> Tensor:
        factors = torch.ones(out.shape[-1])
        factors[of_latent:] = rules.query_key  # what is rotated is a key as it is
        return scaled(out, factors)

    def query(module: Any, args: Any, out: Tensor) -> Tensor:
        return scaled(out, torch.tensor(rules.query_key))

    attention.kv_b_proj.register_forward_hook(up)
    attention.kv_a_proj_with_mqa.register_forward_hook(down)
    if attention.q_lora_rank is not None:  # else it is a `q_proj`
        attention.q_b_proj.register_forward_hook(query)


SEPARATE = [
    n
    for n in CASES
    if n.split()[0]
    in (
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "gemma",
        "gemma2",
        "gemma3_text",
        "opt",
        "olmo",
        "olmo2",
        "stablelm",
        "smollm3",
        "granite",
        "cohere",
        "phi",
    )
    or n == "deepseek_v3 dense"
]


@pytest.mark.parametrize("rules", [GIM, RELP], ids=["gim", "relp"])
@pytest.mark.parametrize("name", SEPARATE)
def test_rules_in_every_family(name: str, rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient at the embeddings is what the model's own modules give, changed by hand."""
    c = usual_case(name)
    found = []
    for piece in slices(c.experiment):
        above = at_final(piece.clean(), piece.metric, rules)
        for at in gradients(piece.clean(), above, rules):
            below = at.residual
        found.append(below)
    with ruled(c.model.hf, rules, monkeypatch) as hf:
        block = next(m for p, m in hf.named_modules() if p.endswith("layers.0"))
        for group, own, right, wrong in zip(
            c.experiment.batch.groups, found, c.answers, c.wrong, strict=True
        ):
            seen: list[Tensor] = []

            def keep(module: Any, args: Any, kwargs: Any, seen: Any = seen) -> Any:
                x = (args[0] if args else kwargs["hidden_states"]).clone().requires_grad_()
                seen.append(x)
                return ((x, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": x})

            handle = block.register_forward_pre_hook(keep, with_kwargs=True)
            logits = hf(group.clean, use_cache=False).logits[:, -1]
            handle.remove()
            metric = sum(
                row[list(r)].mean() - row[list(w)].mean()
                for row, r, w in zip(logits, right, wrong, strict=True)
            )
            (expected,) = torch.autograd.grad(metric, seen[0])
            here = expected[:, group.first_difference :]
            scale = float(here.abs().max())
            torch.testing.assert_close(own, here, rtol=0, atol=1e-4 * scale)
