"""An adapter's result with one mistake in it, of every kind that a family has room for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from workbench.transformer.families.modules import Scaled
from workbench.transformer.parts import Attention, Layer, ModelParts

Mutation = tuple[str, ModelParts]
"""What was changed, and the parts with that change."""


def mutations(parts: ModelParts) -> Iterator[Mutation]:
    """Mistakes, none of which leaves a model's logits as they are by its own symmetries."""
    # A number of eight bits multiplied by 1.001 stays what it is.
    more = 1.001 if parts.dtype == torch.float32 else 1.02
    yield from _of_the_whole(parts, more)
    for index in sorted({0, len(parts.layers) - 1}):
        layer = parts.layers[index]
        for said, changed in _of_a_layer(layer, more):
            yield f"{said} of layer {index}", _with_layer(parts, index, changed)


def _with_layer(parts: ModelParts, index: int, layer: Layer) -> ModelParts:
    layers = (*parts.layers[:index], layer, *parts.layers[index + 1 :])
    return replace(parts, layers=layers)


def _of_the_whole(parts: ModelParts, more: float) -> Iterator[Mutation]:
    yield "logit scale by 1.001", replace(parts, logit_scale=parts.logit_scale * 1.001)
    yield "unembedding", replace(parts, w_u=parts.w_u * more)
    yield "two tokens swapped", replace(parts, w_u=_swapped(parts.w_u, 1))
    yield "embedding", replace(parts, token_embedding=Scaled(_called(parts.token_embedding), more))
    yield "final norm left out", replace(parts, norm_final=nn.Identity())
    yield "final norm's epsilon", replace(parts, norm_final=_with_epsilon(parts.norm_final))
    yield "layers in another order", replace(parts, layers=parts.layers[::-1])
    yield "a cap of the logits", replace(parts, logit_cap=(parts.logit_cap or 5.0) * 1.1)
    if parts.logit_cap is not None:
        yield "the cap of the logits left out", replace(parts, logit_cap=None)
    if parts.b_u is not None:
        yield "the unembedding's bias left out", replace(parts, b_u=None)
    if parts.position_embedding is not None:
        table = parts.position_embedding
        yield "positions from one on", replace(parts, position_embedding=lambda p: table(p + 1))
        yield "no positions", replace(parts, position_embedding=None)
    yield "blocks side by side or not", replace(parts, parallel=not parts.parallel)


def _of_a_layer(layer: Layer, more: float) -> Iterator[tuple[str, Layer]]:
    for said, attention in _of_attention(layer.attention, layer.post_attention is None, more):
        yield said, replace(layer, attention=attention)
    # Where norms follow, what enters them may be longer: only its direction counts.
    normed = _normed(layer.attention)
    if not (normed[0] and normed[1] and (normed[2] or layer.post_attention is not None)):
        yield "the norm before attention", replace(layer, norm1=Scaled(layer.norm1, more))
        yield "epsilon before attention", replace(layer, norm1=_with_epsilon(layer.norm1))
    if layer.post_mlp is None:
        yield "the norm before the MLP", replace(layer, norm2=Scaled(layer.norm2, more))
        yield "epsilon before the MLP", replace(layer, norm2=_with_epsilon(layer.norm2))
    if layer.post_attention is not None:
        yield "the norm after attention left out", replace(layer, post_attention=None)
    if layer.post_mlp is None:
        yield "the MLP by 1.001", replace(layer, mlp=Scaled(layer.mlp, more))
    else:
        yield "the norm after the MLP left out", replace(layer, post_mlp=None)
        yield "the norm after the MLP", replace(layer, post_mlp=Scaled(layer.post_mlp, more))


def _of_attention(a: Attention, bare: bool, more: float) -> Iterator[tuple[str, Attention]]:
    normed = _normed(a)
    normed[2] = normed[2] or not bare
    yield "scale by 1.001", _with(a, scale=a.scale * 1.001)
    for which, name in enumerate(("w_q", "w_k", "w_v")):
        weight = getattr(a, name)
        if not normed[which]:
            yield f"{name} by 1.001", _with(a, **{name: weight * more})
        if a.latent(which) is not None:
            yield from _of_latent(a, which, name, more)
        elif len(weight) > 1:
            yield f"two heads of {name} swapped", _with(a, **{name: _swapped(weight, 0)})
        bias = a.bias(which)
        # A key's bias adds the same to all scores of a query, unless keys are rotated.
        if bias is not None and (which != 1 or a.rotary is not None):
            yield f"the bias of {name} left out", _with(a, **{f"b_{name[-1]}": None})
    if bare:
        yield "w_o by 1.001", _with(a, w_o=a.w_o * more)
        yield "all it writes by 1.001", _with(a, multiplier=a.multiplier * more)
    yield "two heads of w_o swapped", _with(a, w_o=_swapped(a.w_o, 0))
    if a.b_o is not None:
        yield "the output's bias left out", _with(a, b_o=None)
    if 1 < len(a.w_k) < len(a.w_q):
        yield "another key-value head", _with(a, kv_of=a.kv_of.flip(0))
    yield "a window", _with(a, window=3 if a.window is None else a.window + 1)
    if a.window is not None:
        yield "the window left out", _with(a, window=None)
        yield "a narrower window", _with(a, window=a.window - 1)
    if a.chunk is not None:
        yield "the chunk left out", _with(a, chunk=None)
    yield "a cap of the scores", _with(a, softcap=1.0 if a.softcap is None else a.softcap * 1.1)
    if a.softcap is not None:
        yield "the cap of the scores left out", _with(a, softcap=None)
    if a.key_bias is not None:
        biases = a.key_bias
        yield "distances by 1.001", _with(a, key_bias=lambda n: biases(n) * more)
        yield "no distances", _with(a, key_bias=None)
    if a.sinks is not None:
        yield "sinks left out", _with(a, sinks=None)
        yield "sinks of another height", _with(a, sinks=a.sinks + 0.05)
    if a.rotary is not None:
        yield from _of_rotation(a, a.rotary)
    for which, name in enumerate("qk"):
        if a.steps[which] is not None and a.latent(which) is None:
            steps = tuple(None if i == which else step for i, step in enumerate(a.steps))
            yield f"what is done to {name} left out", _with(a, steps=steps)
        if a.joint[which] is not None:
            joint = tuple(None if i == which else norm for i, norm in enumerate(a.joint))
            yield f"the norm of all of {name} left out", _with(a, joint=joint)


def _of_latent(a: Attention, which: int, name: str, more: float) -> Iterator[tuple[str, Attention]]:
    latent = a.latent(which)
    assert latent is not None

    def changed(**one: Any) -> Attention:
        steps = list(a.steps)
        steps[which] = replace(latent, **one)
        return _with(a, steps=tuple(steps))

    yield (
        f"two heads of what is made of the latent of {name} swapped",
        changed(up=_swapped(latent.up, 0)),
    )
    yield f"what is made of the latent of {name} by 1.001", changed(up=latent.up * more)
    yield f"the latent's norm of {name} left out", changed(norm=nn.Identity())
    yield f"epsilon of the latent's norm of {name}", changed(norm=_with_epsilon(latent.norm))


def _with(a: Attention, **changed: Any) -> Attention:
    return replace(a, **changed)


def _normed(a: Attention) -> list[bool]:
    """Whether queries, keys and values are normed."""
    return [a.steps[which] is not None or a.joint[which] is not None for which in range(3)]


def _of_rotation(a: Attention, rotary: Callable[[Tensor], Any]) -> Iterator[tuple[str, Attention]]:
    def faster(positions: Tensor) -> Any:
        cosines, sines = rotary(positions)
        turned = torch.atan2(sines.float(), cosines.float()) * 1.02
        return turned.cos().to(cosines.dtype), turned.sin().to(sines.dtype)

    yield "no rotation", replace(a, rotary=None)
    yield "another base of the rotation", replace(a, rotary=faster)
    yield "other dimensions rotated", replace(a, interleaved=not a.interleaved)


def _swapped(weight: Tensor, dim: int) -> Tensor:
    order = list(range(weight.shape[dim]))
    order[0], order[1] = order[1], order[0]
    return weight.index_select(dim, torch.tensor(order))


def _called(embedding: Any) -> Any:
    class Called(nn.Module):
        def forward(self, tokens: Tensor) -> Any:
            return embedding(tokens)

    return Called()


def _with_epsilon(norm: nn.Module) -> nn.Module:
    """A norm with a part of the usual variance added."""
    changed = copy.copy(norm)
    for name in ("variance_epsilon", "eps"):
        if isinstance(getattr(norm, name, None), float):
            setattr(changed, name, getattr(norm, name) + 0.05)
            return changed
    return Scaled(norm, 1.01)  # of a kind that has it written into its formula
