"""A slow, obvious circuit evaluation of any transformers decoder, through hooks on its own modules.

It shares no code with the engine and takes no weight apart. Every destination (q, k and v of each
query head, each MLP, the logits) gets a residual of its own: for each earlier source what it wrote,
in this run or in the corrupted one, added up. A head with separate inputs for q, k and v is the
model's own attention module, run with hooks that replace what its projections put out; its output
is read off where the heads' values enter the output projection. The logits are the model's own
forward pass with the final norm's input replaced, so that whatever stands behind is the model's.

With grouped queries every query head has a k and v input of its own. Where what a layer's heads
write goes through a norm before it reaches the residual, a destination's view of that layer is the
norm of the sum of the layer's heads, each clean or corrupted as the circuit says for this
destination, and the output bias; an MLP's own such norm belongs to what the MLP writes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

Choose = Callable[[str, str, dict[str, Tensor]], Tensor]
"""(destination, source, what this run's sources wrote so far) -> what the destination reads."""


@dataclass(frozen=True)
class Names:
    """Where a family keeps things: paths from the model, from a block, and from its attention.

    Attributes:
        blocks, final_norm: from the model.
        norm1, attention, norm2, mlp: from a block; a norm may be missing, and mlp may be several
            modules, one after the other.
        projections: from the attention, of q, k and v, or of all in one.
        out: the output projection, from the attention.
        fused: of a projection of all in one, which of q (0), k (1) and v (2) each of its outputs
            is: a function of (heads, key-value heads, d_head).
        post_attention, post_mlp: norms of what attention and MLP write, from a block.
    """

    blocks: str = "model.layers"
    final_norm: str = "model.norm"
    norm1: str | None = "input_layernorm"
    attention: str = "self_attn"
    norm2: str | None = "post_attention_layernorm"
    mlp: tuple[str, ...] = ("mlp",)
    projections: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    out: str = "o_proj"
    fused: Callable[[int, int, int], Tensor] | None = None
    post_attention: str | None = None
    post_mlp: str | None = None


def _one_after_the_other(heads: int, kv_heads: int, d_head: int) -> Tensor:
    return torch.tensor([0] * heads + [1] * kv_heads + [2] * kv_heads).repeat_interleave(d_head)


def _by_group(heads: int, kv_heads: int, d_head: int) -> Tensor:
    group = [0] * (heads // kv_heads) + [1, 2]
    return torch.tensor(group * kv_heads).repeat_interleave(d_head)


_GPT = Names(
    blocks="transformer.h",
    final_norm="transformer.ln_f",
    norm1="ln_1",
    attention="attn",
    norm2="ln_2",
    out="out_proj",
)
_GEMMA = Names(
    norm2="pre_feedforward_layernorm",
    post_attention="post_attention_layernorm",
    post_mlp="post_feedforward_layernorm",
)


def names_of(model: PreTrainedModel) -> Names:
    """Where this model keeps things."""
    config, kind = model.config, model.config.model_type
    if kind == "gpt2":
        return _changed(_GPT, projections=("c_attn",), out="c_proj", fused=_one_after_the_other)
    if kind == "gpt_bigcode":
        fused = _one_after_the_other if config.multi_query else _by_group
        return _changed(_GPT, projections=("c_attn",), out="c_proj", fused=fused)
    if kind == "bloom":
        return Names(
            blocks="transformer.h",
            final_norm="transformer.ln_f",
            attention="self_attention",
            projections=("query_key_value",),
            out="dense",
            fused=_by_group,
        )
    if kind == "mpt":
        return Names(
            blocks="transformer.blocks",
            final_norm="transformer.norm_f",
            norm1="norm_1",
            attention="attn",
            norm2="norm_2",
            mlp=("ffn",),
            projections=("Wqkv",),
            out="out_proj",
            fused=_one_after_the_other,
        )
    if kind == "llama4_text":
        return Names(mlp=("feed_forward",))
    if kind == "granitemoe":
        return Names(mlp=("block_sparse_moe",))
    if kind == "glm4":
        return Names(post_attention="post_self_attn_layernorm", post_mlp="post_mlp_layernorm")
    if kind == "gpt_neo":
        return _changed(_GPT, attention="attn.attention")
    if kind == "gptj":
        return _changed(_GPT, norm2="ln_1")
    if kind == "opt":
        return Names(
            blocks="model.decoder.layers",
            final_norm="model.decoder.final_layer_norm",
            norm1="self_attn_layer_norm",
            norm2="final_layer_norm",
            mlp=("fc1", "activation_fn", "fc2"),
            out="out_proj",
        )
    if kind == "gpt_neox":
        return Names(
            blocks="gpt_neox.layers",
            final_norm="gpt_neox.final_layer_norm",
            attention="attention",
            projections=("query_key_value",),
            out="dense",
            fused=_by_group,
        )
    if kind == "falcon":
        two_norms = config.new_decoder_architecture and config.num_ln_in_parallel_attn == 2
        one_norm = is_parallel(model) and not two_norms
        together = config.multi_query and not config.new_decoder_architecture
        return Names(
            blocks="transformer.h",
            final_norm="transformer.ln_f",
            norm1="ln_attn" if two_norms else "input_layernorm",
            attention="self_attention",
            norm2="ln_mlp"
            if two_norms
            else ("input_layernorm" if one_norm else "post_attention_layernorm"),
            projections=("query_key_value",),
            out="dense",
            fused=_one_after_the_other if together else _by_group,
        )
    if kind == "phi":
        return Names(final_norm="model.final_layernorm", norm2="input_layernorm", out="dense")
    if kind == "phi3":
        return Names(projections=("qkv_proj",), fused=_one_after_the_other)
    if kind in ("cohere", "cohere2") or (kind == "stablelm" and config.use_parallel_residual):
        return Names(norm2="input_layernorm")
    if kind in ("gemma2", "gemma3_text", "gemma4_text"):
        return _GEMMA
    if kind in ("olmo2", "olmo3", "exaone4"):
        return _changed(_GEMMA, norm1=None, norm2=None)
    return Names()


def _changed(names: Names, **changes: Any) -> Names:
    return Names(**{**vars(names), **changes})


def is_parallel(model: PreTrainedModel) -> bool:
    """Whether attention and MLP read the same residual."""
    config, kind = model.config, model.config.model_type
    if kind == "falcon":
        return bool(config.new_decoder_architecture or config.parallel_attn)
    return kind in ("gptj", "phi", "cohere", "cohere2") or bool(
        getattr(config, "use_parallel_residual", False)
    )


def heads_of(model: PreTrainedModel) -> tuple[int, int]:
    """How many query and key-value heads a layer has."""
    config = model.config
    heads = getattr(config, "num_heads", None) or config.num_attention_heads
    if config.model_type == "gemma4_text":
        return heads, heads  # layers differ, and the projections are apart
    if config.model_type == "gpt_bigcode":
        return heads, 1 if config.multi_query else heads
    if config.model_type == "falcon":
        shared = 1 if config.multi_query else heads
        return heads, config.num_kv_heads if config.new_decoder_architecture else shared
    return heads, getattr(config, "num_key_value_heads", None) or heads


def step_by_step(model: PreTrainedModel) -> None:
    """Have attention computed without kernels that round differently."""
    # With ALiBi a Falcon's own eager way adds the distances twice.
    doubled = model.config.model_type == "falcon" and model.config.alibi
    model.config._attn_implementation = "sdpa" if doubled else "eager"


class FamilyReference:
    """Runs of a model on clean and corrupted tokens [pair, position], one circuit at a time.

    Args:
        model: a transformers model; it is run, not changed.
    """

    def __init__(self, model: PreTrainedModel, clean: Tensor, corrupted: Tensor) -> None:
        step_by_step(model)
        kind = model.config.model_type
        self.model, self.names = model, names_of(model)
        # Attention or MLP take the residual, too, and add it themselves.
        self.adds_itself = kind in ("bloom", "mpt")
        # What stands beside attention is run as a whole (Gemma 4: MLP and experts).
        self.whole_blocks = kind == "gemma4_text"
        self.blocks = list(model.get_submodule(self.names.blocks))
        self.n_layers = len(self.blocks)
        self.n_heads, self.n_kv_heads = heads_of(model)
        self.parallel = is_parallel(model)
        self.multiplier = getattr(model.config, "residual_multiplier", 1.0)
        # What a block multiplies the whole residual by at its end (Gemma 4).
        self.factors = [float(getattr(block, "layer_scalar", 1.0)) for block in self.blocks]
        self.clean, self.corrupted = clean, corrupted
        with torch.no_grad():
            self._arguments = self._attention_arguments(clean)
            if self.whole_blocks:
                self._block_arguments = self._arguments_of(clean, self.blocks)
            starts = [self._before_the_blocks(t) for t in (clean, corrupted)]
            self.places = self._position_table(clean, starts[0])
            self._starts = {
                id(t): start - self.places
                for t, start in zip((clean, corrupted), starts, strict=True)
            }
        self.corrupted_writes: dict[str, Tensor] = {}
        self.clean_writes: dict[str, Tensor] = {}
        self.clean_inputs: dict[str, Tensor] = {}
        self.patterns: dict[str, Tensor] = {}  # of the last run, by head: [pair, query, key]
        own: Choose = lambda d, s, writes: writes[s]  # noqa: E731
        self.corrupted_logits = self._run(corrupted, own, self.corrupted_writes)
        self.clean_logits = self._run(clean, own, self.clean_writes, inputs=self.clean_inputs)
        # The pieces, put together again, are the model.
        for tokens, logits in ((clean, self.clean_logits), (corrupted, self.corrupted_logits)):
            with torch.no_grad():
                expected = model(tokens, use_cache=False).logits[:, -1]
            torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)

    def circuit(
        self,
        edges: Collection[str],
        opened: Collection[str] = (),
        writes: dict[str, Tensor] | None = None,
        inputs: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Logits [pair, vocabulary] at the last position with every edge outside the circuit
        corrupted.

        An open destination's input is the clean run's. What every source writes and what every
        destination that is not open reads goes into `writes` and `inputs`.
        """

        def choose(destination: str, source: str, writes: dict[str, Tensor]) -> Tensor:
            kept = f"{source}->{destination}" in edges
            return writes[source] if kept else self.corrupted_writes[source]

        return self._run(self.clean, choose, {} if writes is None else writes, opened, inputs)

    def along(self, edge: str, kept: Collection[str]) -> Tensor:
        """Logits with one edge corrupted in the clean run, the change spreading along kept edges
        only.
        """

        def choose(destination: str, source: str, writes: dict[str, Tensor]) -> Tensor:
            name = f"{source}->{destination}"
            own = writes[source] if name in kept else self.clean_writes[source]
            if name == edge:
                own = own + self.corrupted_writes[source] - self.clean_writes[source]
            return own

        return self._run(self.clean, choose, {})

    def nudged(self, edge: str, share: float) -> Tensor:
        """Logits of the clean run with one edge moved a share of the way to its corrupted value."""

        def choose(destination: str, source: str, writes: dict[str, Tensor]) -> Tensor:
            if f"{source}->{destination}" != edge:
                return writes[source]
            difference = self.corrupted_writes[source] - self.clean_writes[source]
            return writes[source] + share * difference

        return self._run(self.clean, choose, {})

    def _run(
        self,
        tokens: Tensor,
        choose: Choose,
        writes: dict[str, Tensor],
        opened: Collection[str] = (),
        inputs: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """One run, destination by destination; fills `writes`, and `inputs` if asked."""

        def read(destination: str, layer: int, heads_too: bool) -> Tensor:
            """The residual that a destination of this layer reads."""
            if destination in opened:
                return self.clean_inputs[destination]
            x = choose(destination, "input", writes) + self.places
            for before in range(layer + heads_too):
                heads = [
                    choose(destination, f"a{before}.h{h}", writes) for h in range(self.n_heads)
                ]
                x = x + self._attention_write(before, torch.stack(heads).sum(0))
                if before < layer:
                    x = (x + choose(destination, f"m{before}", writes)) * self.factors[before]
            if inputs is not None:
                inputs[destination] = x
            return x

        with torch.no_grad():
            writes["input"] = self._starts[id(tokens)]
            for layer in range(self.n_layers):
                for head in range(self.n_heads):
                    q, k, v = (read(f"a{layer}.h{head}<{w}>", layer, False) for w in "qkv")
                    writes[f"a{layer}.h{head}"] = self._head(layer, head, q, k, v)
                x = read(f"m{layer}", layer, not self.parallel)
                writes[f"m{layer}"] = self._mlp(layer, x)
            return self._logits(tokens, read("logits", self.n_layers, False))

    def _module(self, layer: int, path: str) -> nn.Module:
        return self.blocks[layer].get_submodule(path)

    def _normed(self, layer: int, path: str | None, x: Tensor) -> Tensor:
        normed: Tensor = x if path is None else self._module(layer, path)(x)
        return normed

    def _attention(self, layer: int) -> nn.Module:
        return self._module(layer, self.names.attention)

    def _before_the_blocks(self, tokens: Tensor) -> Tensor:
        """The residual that enters the first block, positions too."""
        seen: list[Tensor] = []

        def keep(module: nn.Module, args: Any, kwargs: Any) -> None:
            seen.append((args[0] if args else kwargs["hidden_states"]).clone())

        with _hooked(self.blocks[0].register_forward_pre_hook(keep, with_kwargs=True)):
            self.model(tokens, use_cache=False)
        return seen[0]

    def _position_table(self, tokens: Tensor, start: Tensor) -> Tensor:
        """What a learned table adds at every position whatever the token: no source writes it."""
        if self.model.config.model_type not in ("gpt2", "gpt_bigcode", "gpt_neo", "opt"):
            return torch.zeros_like(start[:1])
        places = start - self.model.get_input_embeddings()(tokens)
        torch.testing.assert_close(places, places[:1].expand_as(places))
        return places[:1]

    def _attention_arguments(self, tokens: Tensor) -> list[dict[str, Any]]:
        """What the model gives each attention module besides the residual: masks, positions."""
        return self._arguments_of(tokens, [self._attention(i) for i in range(self.n_layers)])

    def _arguments_of(self, tokens: Tensor, modules: list[nn.Module]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def keep(module: nn.Module, args: Any, kwargs: Any) -> None:
            own = {name: v for name, v in kwargs.items() if name != "hidden_states"}
            if self.adds_itself and len(args) > 1:
                own["residual"] = torch.zeros_like(args[1])
            elif self.whole_blocks:
                assert len(args) <= 2, "everything but the residual goes by name"
                own |= dict(zip(("per_layer_input",), args[1:], strict=False))
            found.append(own)

        hooks = [m.register_forward_pre_hook(keep, with_kwargs=True) for m in modules]
        with _hooked(*hooks):
            self.model(tokens, use_cache=False)
        return found

    def _head(self, layer: int, head: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What one head writes, given the residuals that it reads q, k and v from."""
        attention: Any = self._attention(layer)
        normed = [self._normed(layer, self.names.norm1, x) for x in (q, k, v)]
        if getattr(attention, "v_proj", attention) is None:  # values are keys before their norm
            names = ("q_proj", "k_norm", "v_norm")
            projections = [attention.get_submodule(name) for name in names]
            q, k, v = normed
            keys = [attention.k_proj(x).unflatten(-1, (-1, attention.head_dim)) for x in (k, v)]
            put_out = [attention.q_proj(q), attention.k_norm(keys[0]), attention.v_norm(keys[1])]
        elif hasattr(attention, "kv_b_proj"):  # keys and values of all heads out of one latent
            queries = "q_proj" if attention.q_lora_rank is None else "q_b_proj"
            names = (queries, "kv_a_proj_with_mqa", "kv_b_proj")
            projections = [attention.get_submodule(name) for name in names]
            q = normed[0]
            if queries == "q_b_proj":
                q = attention.q_a_layernorm(attention.q_a_proj(q))
            k, v = (projections[1](x) for x in normed[1:])  # the latent, and what is rotated
            ups = [
                projections[2](attention.kv_a_layernorm(x[..., : attention.kv_lora_rank]))
                for x in (k, v)
            ]
            key, value = (up.unflatten(-1, (self.n_heads, -1)) for up in ups)
            of_keys = attention.qk_nope_head_dim
            both = torch.cat((key[..., :of_keys], value[..., of_keys:]), dim=-1).flatten(-2)
            put_out = [projections[0](q), k, both]
        elif len(self.names.projections) == 3:
            projections = [attention.get_submodule(name) for name in self.names.projections]
            put_out = [p(x) for p, x in zip(projections, normed, strict=True)]
        else:
            assert self.names.fused is not None
            projections = [attention.get_submodule(name) for name in self.names.projections]
            every = [projections[0](x) for x in normed]
            d_head = every[0].shape[-1] // (self.n_heads + 2 * self.n_kv_heads)
            which = self.names.fused(self.n_heads, self.n_kv_heads, d_head)
            put_out = [torch.stack(every)[which, ..., torch.arange(len(which))].movedim(0, -1)]
        values: list[Tensor] = []

        def keep(module: nn.Module, args: Any) -> None:
            values.append(args[0].clone())

        out = attention.get_submodule(self.names.out)
        hooks = [
            p.register_forward_hook(lambda module, args, result, own=own: own.clone())
            for p, own in zip(projections, put_out, strict=True)
        ]
        with _hooked(*hooks, out.register_forward_pre_hook(keep)):
            outcome = attention(normed[0], **self._arguments[layer])
        if isinstance(outcome, tuple) and outcome[1:] and isinstance(outcome[1], Tensor):
            self.patterns[f"a{layer}.h{head}"] = outcome[1][:, head]
        width = values[0].shape[-1] // self.n_heads
        own = torch.zeros_like(values[0])
        mine = slice(head * width, (head + 1) * width)
        own[..., mine] = values[0][..., mine]
        written: Tensor = out(own) - out(torch.zeros_like(own))
        return written

    def _attention_write(self, layer: int, heads: Tensor) -> Tensor:
        """What a layer's attention adds to the residual, if this is what its heads wrote."""
        out = self._attention(layer).get_submodule(self.names.out)
        width = out.weight.numel() // heads.shape[-1]  # type: ignore[operator]
        whole = heads + out(heads.new_zeros(*heads.shape[:-1], width))
        return self._normed(layer, self.names.post_attention, whole) * self.multiplier

    def _mlp(self, layer: int, x: Tensor) -> Tensor:
        if self.whole_blocks:
            silent = self._module(layer, "post_attention_layernorm").register_forward_hook(
                lambda module, args, result: torch.zeros_like(result)
            )
            with _hooked(silent):
                after: Tensor = self.blocks[layer](x, **self._block_arguments[layer])
            return after / self.factors[layer] - x
        x = self._normed(layer, self.names.norm2, x)
        for name in self.names.mlp:
            more = (torch.zeros_like(x),) if self.adds_itself else ()
            out = self._module(layer, name)(x, *more)
            # Some routers' scores come along, and some put all positions into one row.
            x = out[0].view(x.shape) if isinstance(out, tuple) else out
        return self._normed(layer, self.names.post_mlp, x) * self.multiplier

    def _logits(self, tokens: Tensor, residual: Tensor) -> Tensor:
        norm = self.model.get_submodule(self.names.final_norm)
        with _hooked(norm.register_forward_pre_hook(lambda module, args: (residual,))):
            logits: Tensor = self.model(tokens, use_cache=False).logits[:, -1]
        return logits


@contextmanager
def _hooked(*handles: Any) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
