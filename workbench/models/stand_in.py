"""A stand-in for a transformers model: the same modules by the same names, without it.

Importing transformers takes longer than importing torch and reading a small model together. A
stand-in is made of the folder alone, for the two families of the models that are looked at most,
and only where it is known to compute the very same numbers: `load_model` compares its logits with
those of the engine on transformers' own modules, bit by bit, before it is ever used (see
`passed_checks`). Its modules have the names and the formulas of transformers' modeling_gpt2.py and
modeling_llama.py; adapters, readouts and gradients read it as they read theirs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models.folder import read_config, weight_files


class Conv1D(nn.Module):
    """A linear map whose weight is [in, out], as GPT-2 has it."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = _held(weight), _held(bias)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        made = torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight)
        return made.view(*x.size()[:-1], self.weight.shape[1])


class RMSNorm(nn.Module):
    """Llama's norm: in float32, whatever the numbers are."""

    def __init__(self, weight: Tensor, epsilon: float) -> None:
        super().__init__()
        self.weight = _held(weight)
        self.variance_epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_model] to the same."""
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * wide.to(x.dtype)


class Rotary(nn.Module):
    """Llama's rotation by position, of the kind without scaling."""

    inv_freq: Tensor

    def __init__(self, base: float, d_head: int, device: torch.device) -> None:
        super().__init__()
        exponents = torch.arange(0, d_head, 2, dtype=torch.float) / d_head
        self.register_buffer("inv_freq", (1.0 / base**exponents).to(device), persistent=False)

    def forward(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines [batch, position, d_head] in the numbers of x."""
        turns = position_ids[..., None].float() * self.inv_freq
        both = torch.cat((turns, turns), dim=-1)
        return both.cos().to(x.dtype), both.sin().to(x.dtype)


class NewGELU(nn.Module):
    """GELU by the hyperbolic tangent."""

    def forward(self, x: Tensor) -> Tensor:
        """[...] to the same."""
        cubed = x + 0.044715 * torch.pow(x, 3.0)
        return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * cubed))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "gelu_new": NewGELU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
}


class PlainMLP(nn.Module):
    """GPT-2's MLP."""

    def __init__(self, c_fc: nn.Module, act: nn.Module, c_proj: nn.Module) -> None:
        super().__init__()
        self.c_fc, self.act, self.c_proj = c_fc, act, c_proj

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_model] to the same."""
        out: Tensor = self.c_proj(self.act(self.c_fc(x)))
        return out


class GatedMLP(nn.Module):
    """Llama's MLP."""

    def __init__(
        self, gate_proj: nn.Module, up_proj: nn.Module, down_proj: nn.Module, act_fn: nn.Module
    ) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = gate_proj, up_proj, down_proj
        self.act_fn = act_fn

    def forward(self, x: Tensor) -> Tensor:
        """[..., d_model] to the same."""
        out: Tensor = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
        return out


class Part(nn.Module):
    """Modules and plain values by name; what a block or an attention layer consists of."""

    def __init__(self, **named: Any) -> None:
        super().__init__()
        for name, value in named.items():
            setattr(self, name, value)


class StandIn(Part):
    """The whole, as far as an adapter reads it: a core, an unembedding, a configuration."""

    lm_head: nn.Module
    embedding: str

    def get_output_embeddings(self) -> nn.Module:
        """The unembedding."""
        return self.lm_head

    def get_input_embeddings(self) -> nn.Module:
        """The embedding."""
        return self.get_submodule(self.embedding)


class _Unknown(Exception):
    """This configuration or file is of a form that is left to transformers."""


def read_stand_in(
    folder: Path, name: str, dtype: torch.dtype, device: torch.device
) -> StandIn | None:
    """The stand-in of a model in transformers' format.

    Args:
        folder: holds config.json and weights in safetensors files.
        name: what to call the model in messages.
        dtype: numbers to read the weights into; device: where they are to lie.

    Returns:
        None where it is of another family, or of a variant that is left to transformers.
    """
    try:
        config = read_config(folder, name)
        make = {"gpt2": _gpt2, "llama": _llama}.get(config.model_type)
        if make is None or getattr(config, "quantization_config", None) is not None:
            return None
        with _Files(weight_files(folder, name), dtype, device) as files:
            made = make(vars(config), files)
    except (_Unknown, WorkbenchError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return made.eval().requires_grad_(False)


def with_weights_of(stand_in: StandIn, hf_model: Any) -> Any:
    """The transformers model of the same files, with the stand-in's weights for its own."""
    theirs = dict(hf_model.named_parameters())
    for name, weight in stand_in.named_parameters():
        theirs[name].data = weight.data
    return hf_model


class _Files:
    """Weights by name, whatever a file puts before all names of the core."""

    def __init__(self, files: list[Path], dtype: torch.dtype, device: torch.device) -> None:
        if any(file.suffix != ".safetensors" for file in files):
            raise _Unknown
        self._paths, self._dtype, self.device = files, dtype, device
        self._owner: dict[str, Any] = {}
        self._open: list[Any] = []

    def __enter__(self) -> _Files:
        from safetensors import safe_open

        for path in self._paths:
            file = safe_open(str(path), framework="pt").__enter__()
            self._open.append(file)
            self._owner |= dict.fromkeys(file.keys(), file)
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._open:
            file.__exit__(None, None, None)

    def maybe(self, name: str) -> Tensor | None:
        """A weight by its name or by what follows the core's; None if there is none."""
        for spelled in (name, name.partition(".")[2]):
            if spelled in self._owner:
                found: Tensor = self._owner[spelled].get_tensor(spelled)
                return found.to(device=self.device, dtype=self._dtype)
        return None

    def __call__(self, name: str) -> Tensor:
        found = self.maybe(name)
        if found is None:
            raise _Unknown
        return found

    def linear(self, name: str) -> nn.Linear:
        """A linear map, with a bias if there is one."""
        weight, bias = self(f"{name}.weight"), self.maybe(f"{name}.bias")
        made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
        made.weight = _held(weight)
        if bias is not None:
            made.bias = _held(bias)
        return made

    def embedding(self, name: str) -> nn.Embedding:
        """A table of vectors."""
        weight = self(f"{name}.weight")
        return nn.Embedding(weight.shape[0], weight.shape[1], _weight=weight)

    def layer_norm(self, name: str, epsilon: float) -> nn.LayerNorm:
        """A LayerNorm."""
        weight, bias = self(f"{name}.weight"), self(f"{name}.bias")
        made = nn.LayerNorm(weight.shape[0], eps=epsilon, device="meta")
        made.weight, made.bias = _held(weight), _held(bias)
        return made

    def conv(self, name: str) -> Conv1D:
        """One of GPT-2's linear maps."""
        return Conv1D(self(f"{name}.weight"), self(f"{name}.bias"))

    def unembedding(self, tied: bool, embedding: nn.Embedding) -> nn.Linear:
        """The unembedding: the embedding's own weight if they are tied."""
        weight = embedding.weight if tied else _held(self("lm_head.weight"))
        made = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
        made.weight = weight
        return made


def _held(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)


def _gpt2(config: dict[str, Any], files: _Files) -> StandIn:
    if (
        config.get("add_cross_attention", False)
        or config.get("scale_attn_by_inverse_layer_idx", False)
        or config.get("reorder_and_upcast_attn", False)
        or not config.get("scale_attn_weights", True)
    ):
        raise _Unknown
    width, heads = config["n_embd"], config["n_head"]
    epsilon = config.get("layer_norm_epsilon", 1e-5)
    activation = ACTIVATIONS[config.get("activation_function", "gelu_new")]

    def block(index: int) -> Part:
        at = f"transformer.h.{index}"
        attention = Part(
            c_attn=files.conv(f"{at}.attn.c_attn"),
            c_proj=files.conv(f"{at}.attn.c_proj"),
            embed_dim=width,
            head_dim=width // heads,
            scaling=(width // heads) ** -0.5,
        )
        mlp = PlainMLP(files.conv(f"{at}.mlp.c_fc"), activation(), files.conv(f"{at}.mlp.c_proj"))
        return Part(
            ln_1=files.layer_norm(f"{at}.ln_1", epsilon),
            attn=attention,
            ln_2=files.layer_norm(f"{at}.ln_2", epsilon),
            mlp=mlp,
        )

    embedding = files.embedding("transformer.wte")
    core = Part(
        wte=embedding,
        wpe=files.embedding("transformer.wpe"),
        h=nn.ModuleList(block(index) for index in range(config["n_layer"])),
        ln_f=files.layer_norm("transformer.ln_f", epsilon),
    )
    told = SimpleNamespace(
        model_type="gpt2",
        add_cross_attention=False,
        max_position_embeddings=config["n_positions"],
    )
    return StandIn(
        transformer=core,
        lm_head=files.unembedding(config.get("tie_word_embeddings", True), embedding),
        config=told,
        embedding="transformer.wte",
    )


def _llama(config: dict[str, Any], files: _Files) -> StandIn:
    rope = config.get("rope_parameters") or {}
    scaled = config.get("rope_scaling") or {"rope_type": rope.get("rope_type", "default")}
    if scaled.get("rope_type", scaled.get("type")) != "default" or "partial_rotary_factor" in rope:
        raise _Unknown
    heads, width = config["num_attention_heads"], config["hidden_size"]
    d_head = config.get("head_dim") or width // heads
    base = rope.get("rope_theta", config.get("rope_theta"))
    epsilon = config["rms_norm_eps"]
    activation = ACTIVATIONS[config["hidden_act"]]
    if not isinstance(base, int | float) or isinstance(base, bool):
        raise _Unknown

    def norm(name: str) -> RMSNorm:
        return RMSNorm(files(f"{name}.weight"), epsilon)

    def block(index: int) -> Part:
        at = f"model.layers.{index}"
        into = {f"{which}_proj": files.linear(f"{at}.self_attn.{which}_proj") for which in "qkvo"}
        gate, up, down = (
            files.linear(f"{at}.mlp.{which}_proj") for which in ("gate", "up", "down")
        )
        return Part(
            input_layernorm=norm(f"{at}.input_layernorm"),
            self_attn=Part(**into, head_dim=d_head, scaling=d_head**-0.5),
            post_attention_layernorm=norm(f"{at}.post_attention_layernorm"),
            mlp=GatedMLP(gate, up, down, activation()),
        )

    embedding = files.embedding("model.embed_tokens")
    core = Part(
        embed_tokens=embedding,
        layers=nn.ModuleList(block(index) for index in range(config["num_hidden_layers"])),
        norm=norm("model.norm"),
        rotary_emb=Rotary(float(base), d_head, files.device),
    )
    told = SimpleNamespace(
        model_type="llama", max_position_embeddings=config["max_position_embeddings"]
    )
    return StandIn(
        model=core,
        lm_head=files.unembedding(config.get("tie_word_embeddings", False), embedding),
        config=told,
        embedding="model.embed_tokens",
    )
