"""How a model is built, in short phrases: read off the parts that the engine uses.

What a norm or a step is, is found by trying it, so that the phrases say what is computed and not
what a class is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from workbench.base.transfers import array_of, uploaded
from workbench.models.info import Architecture
from workbench.transformer.families.modules import Experts, Scaled
from workbench.transformer.parts import Attention, Layer, ModelParts, Step

Value = TypeVar("Value", bound=Hashable)

SMALL = 0.01
"""Scale of the values that steps are tried on: clipping leaves them alone, a norm does not."""

LARGE = 1e4
"""Beyond every limit that values are clipped to."""

SHARED = ("shared_expert", "shared_experts")
"""What layers of experts call those that every token takes."""

MUCH = 0.1
"""Share by which results differ that are not the same but for rounding, in any dtype."""


def architecture_of(hf_model: Any, parts: ModelParts) -> Architecture:
    """How a model is built.

    Args:
        hf_model: the transformers model, which knows its context and its embeddings.
        parts: the engine's view of it.
    """
    layers = parts.layers
    windows = [layer.attention.window for layer in layers]
    longest = getattr(hf_model.config, "max_position_embeddings", None)
    one_after_the_other = "attention, then the MLP"
    with torch.no_grad():
        return Architecture(
            norm=_by_layer([_norms(layer, parts) for layer in layers]) or "none",
            positions=_positions(parts),
            context=None if longest is None else int(longest),
            windows=_windows(windows),
            window=parts.window,
            projections=_by_layer([_projections(layer.attention) for layer in layers]),
            caps=_caps(parts),
            blocks="attention and MLP side by side" if parts.parallel else one_after_the_other,
            experts=_by_layer([_experts(layer.mlp) for layer in layers]),
            tied=_is_tied(hf_model),
        )


def weight_bytes(hf_model: Any, parts: ModelParts) -> int:
    """Bytes of the weights and buffers, and of what the engine copied of them."""
    tensors = [*hf_model.parameters(), *hf_model.buffers()]
    for layer in parts.layers:
        a = layer.attention
        tensors += [t for t in (a.w_q, a.w_k, a.w_v, a.w_o, a.b_q, a.b_k, a.b_v) if t is not None]
        latents = (a.latent(which) for which in range(3))
        tensors += [latent.up for latent in latents if latent is not None]
    return storage_bytes(tensors)


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes behind some tensors; what several of them share is counted once."""
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def rotary_widths(parts: ModelParts) -> list[int]:
    """How many dimensions of a head each layer rotates; 0 where it does not."""
    rotations = parts.rotations(torch.arange(1))
    return [0 if rotation is None else int(rotation[0].shape[-1]) for rotation in rotations]


def _by_layer(phrases: Sequence[str]) -> str:
    """One phrase where all layers agree; else each, with how many layers it is true of."""
    counts = Counter(phrases)
    if len(counts) == 1:
        return phrases[0]
    n = len(phrases)
    return "; ".join(f"{phrase} in {k} of {n} layers" for phrase, k in counts.items() if phrase)


def _listed(words: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _grouped(entries: Iterable[tuple[Value, str]]) -> Iterator[tuple[Value, str]]:
    """Each different value with the list of the words that it is true of."""
    words: dict[Value, list[str]] = {}
    for value, word in entries:
        words.setdefault(value, []).append(word)
    return ((value, _listed(chosen)) for value, chosen in words.items())


# Norms.


def _norms(layer: Layer, parts: ModelParts) -> str:
    shared = layer.norm1 is layer.norm2
    placed = [
        (layer.norm1, "before", "attention"),
        (layer.norm2, "before", "MLP"),
        (layer.post_attention, "after", "attention"),
        (layer.post_mlp, "after", "MLP"),
    ]
    kinds: dict[tuple[str, str], list[str]] = {}
    for norm, when, what in placed:
        if norm is not None and not isinstance(norm, nn.Identity):
            kinds.setdefault((_kind_of_norm(norm, parts), what), []).append(when)
    by_place = (((kind, _listed(when)), what) for (kind, what), when in kinds.items())
    phrases = [
        f"{'one ' if shared and when == 'before' else ''}{kind} {when} {what}"
        for (kind, when), what in _grouped(by_place)
    ]
    return ", ".join(phrases)


def _kind_of_norm(norm: nn.Module, parts: ModelParts) -> str:
    """LayerNorm takes no notice of a constant added to its input; RMSNorm does."""
    x = _random(1, 1, parts.d_model, like=parts.w_u)
    before, after = norm(x).float(), norm(x + 1).float()
    return "LayerNorm" if _same(before, after) else "RMSNorm"


# Positions and windows.


def _positions(parts: ModelParts) -> str:
    found = [] if parts.position_embedding is None else ["learned"]
    if any(layer.attention.key_bias is not None for layer in parts.layers):
        found.append("distances added to scores (ALiBi)")
    widths = rotary_widths(parts)
    if any(widths):
        rotary = "rotary"
        different = sorted({width for width in widths if width})
        if different != [parts.d_head]:
            rotary += f", {' or '.join(map(str, different))} of {parts.d_head} dimensions"
        if not all(widths):
            rotary += f", in {sum(map(bool, widths))} of {len(widths)} layers"
        kinds = {id(layer.attention.rotary) for layer in parts.layers if layer.attention.rotary}
        if len(kinds) > 1:
            rotary += f", {len(kinds)} kinds of it"
        found.append(rotary)
    return "; ".join(found) or "none"


def _windows(windows: Sequence[int | None]) -> str:
    n = len(windows)
    phrases = []
    for window in sorted({w for w in windows if w is not None}):
        layers = [i for i, w in enumerate(windows) if w == window]
        if len(layers) == n:
            which = "every layer"
        elif n > 2 and layers in (list(range(0, n, 2)), list(range(1, n, 2))):
            which = "every other layer"
        else:
            which = f"{len(layers)} of {n} layers"
        sees = "see" if which[0].isdigit() and len(layers) > 1 else "sees"
        phrases.append(f"{which} {sees} {window:,} positions")
    return ", ".join(phrases)


# Attention, MLP and the ends.


def _projections(attention: Attention) -> str:
    entries = []
    for which, name in enumerate("qkv"):
        if attention.joint[which] is not None:
            entries.append(("normed, all heads together", name))
        step, latent = attention.steps[which], attention.latent(which)
        if latent is not None:
            entries.append((f"out of a normed latent, {latent.rank:,} wide", name))
        elif step is not None:
            entries.append((_kind_of_step(step, attention.weight(which)), name))
    phrases = [f"{names} {what}" for what, names in _grouped(entries)]
    width = int(attention.w_o.shape[1])
    if attention.d_qk not in (None, width):
        phrases.append(f"q and k {attention.d_qk:,} wide, v {width:,}")
    if attention.sinks is not None:
        phrases.append("a sink for every head")
    return "; ".join(phrases)


def _kind_of_step(step: Step, weight: Tensor) -> str:
    """A norm takes no notice of a factor; clipping cuts what is large."""
    n_heads, _, d_head = weight.shape
    x = SMALL * _random(n_heads, 1, 1, 1, d_head, like=weight)
    if _same(step(2 * x, None), step(x, None)):
        return "normed, each head alone"
    limit = float(array_of(step(torch.full_like(x, LARGE), None).abs().max()))
    return f"clipped to ±{limit:g}" if limit < LARGE / 2 else "changed before rotation"


def _caps(parts: ModelParts) -> str:
    caps = {layer.attention.softcap for layer in parts.layers} - {None}
    found = [f"scores at {cap:g}" for cap in sorted(cap for cap in caps if cap is not None)]
    if parts.logit_cap is not None:
        found.append(f"logits at {parts.logit_cap:g}")
    return ", ".join(found)


def _experts(mlp: nn.Module) -> str:
    while isinstance(mlp, Scaled):
        mlp = mlp.module
    if not isinstance(mlp, Experts) and not hasattr(mlp, "experts"):
        return ""
    layer: Any = mlp.module if isinstance(mlp, Experts) else mlp
    # One module with all their weights in recent versions of transformers; in older ones a list,
    # or one module for each of their linear maps.
    experts = layer.experts if hasattr(layer, "experts") else layer.input_linear
    n = experts.num_experts if hasattr(experts, "num_experts") else len(experts)
    router = getattr(layer, "gate", getattr(layer, "router", layer))
    chosen = getattr(router, "top_k", getattr(layer, "top_k", None))
    phrase = f"{n} experts" + ("" if chosen is None else f", {chosen} for each token")
    return phrase + (" and one shared" if any(hasattr(layer, name) for name in SHARED) else "")


def _is_tied(hf_model: Any) -> bool:
    unembedding, embedding = hf_model.get_output_embeddings(), hf_model.get_input_embeddings()
    return bool(unembedding.weight.data_ptr() == embedding.weight.data_ptr())


def _random(*shape: int, like: Tensor) -> Tensor:
    """The same values on every device, and without touching anybody's random numbers."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return uploaded(values, like.device, like.dtype)


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(array_of((a.float() - b.float()).norm() <= MUCH * a.float().norm()))
