"""Heads read by hand: what one writes for a token alone, and how much it looks from one to another.

A head that sees one position only looks at it with all its weight, so that what it writes there is
what it writes for the token; the model's own modules compute it, through `FamilyReference`. How
much it looks at a key is told by the log of its weight beside that of the query itself. Nothing of
ours is imported.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from tests.support.references.family import FamilyReference


class HeadsReference:
    """A transformers model whose heads are read, in float64."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model: Any = copy.deepcopy(model).double().eval()
        # The faster ways to compute experts know no float64.
        self.model.set_experts_implementation("eager")
        self.config = self.model.config
        self._known: dict[tuple[tuple[int, ...], ...], FamilyReference] = {}

    def without_biases(self) -> HeadsReference:
        """The same with every bias of norms and of attention set to zero."""
        other = HeadsReference(self.model)
        with torch.no_grad():
            for name, parameter in other.model.named_parameters():
                if name.endswith("bias") and "mlp" not in name and "fc" not in name:
                    parameter.zero_()
        return other

    def _reference(self, tokens: Tensor) -> FamilyReference:
        """Runs of the model on these tokens, which are done once."""
        key = tuple(map(tuple, tokens.tolist()))
        if key not in self._known:
            self._known[key] = FamilyReference(self.model, tokens, tokens)
        return self._known[key]

    @torch.no_grad()
    def embedded(self, ids: Tensor, effective: bool) -> Tensor:
        """[token, d_model]: what enters the first block for each token, positions left out."""
        reference = self._reference(ids[:, None])
        x = reference._before_the_blocks(ids[:, None])
        if self.config.model_type in ("gpt2", "gpt_neo", "opt"):
            x = self.model.get_input_embeddings()(ids[:, None])
        if effective:
            x = x + reference._mlp(0, x)
        return x[:, 0]

    @torch.no_grad()
    def writes(self, layer: int, head: int, x: Tensor) -> Tensor:
        """[token, d_model]: what a head writes where x [token, d_model] is all that it sees."""
        reference = self._reference(torch.full((len(x), 1), 3))
        one = x[:, None]
        written = _seen_whole(reference, layer, head, one)
        if reference.names.post_attention is not None:
            written = reference._normed(layer, reference.names.post_attention, written)
        return written[:, 0] * reference.multiplier

    @torch.no_grad()
    def carried(self, written: Tensor) -> Tensor:
        """[token, d_model], with what the last MLP makes of it."""
        reference = self._reference(torch.full((len(written), 1), 3))
        last = reference.n_layers - 1
        return written + reference._mlp(last, written[:, None])[:, 0]

    @torch.no_grad()
    def logits(self, written: Tensor) -> Tensor:
        """[token, vocabulary] of what is written alone, without biases and cap, centred."""
        norm = self.model.get_submodule(self._reference(torch.full((1, 1), 3)).names.final_norm)
        normed = norm(written)
        if getattr(norm, "bias", None) is not None:
            normed = normed - norm.bias
        return self._unembedded(normed)

    def _unembedded(self, normed: Tensor) -> Tensor:
        logits = normed @ self.model.get_output_embeddings().weight.T
        logits = logits * getattr(self.config, "logit_scale", 1.0)
        logits = logits / getattr(self.config, "logits_scaling", 1.0)
        return logits - logits.mean(-1, keepdim=True)

    @torch.no_grad()
    def looks(self, layer: int, head: int, query: Tensor, key: Tensor, distance: int) -> float:
        """score(query at `distance` from the key) less score(query at itself), [d_model] each."""
        tokens = torch.full((1, distance + 1), 3)
        reference = self._reference(tokens)
        x = torch.stack([key] + [query] * distance)[None]
        reference._head(layer, head, x, x, x)
        weights = reference.patterns[f"a{layer}.h{head}"][0, -1]
        return float(weights[0].log() - weights[-1].log())

    @torch.no_grad()
    def patterns(self, tokens: Tensor) -> list[np.ndarray]:
        """By layer [row, head, query, key]: the model's own."""
        self.model.config._attn_implementation = "eager"
        found = self.model(tokens, use_cache=False, output_attentions=True).attentions
        return [layer.numpy() for layer in found]

    @torch.no_grad()
    def eigenvalues(self, layer: int, head: int, effective: bool) -> np.ndarray:
        """Of the whole [vocabulary, vocabulary] map, biases and the last norm's scale left out."""
        plain = self.without_biases()
        size = self.model.get_output_embeddings().weight.shape[0]
        x = self.embedded(torch.arange(size), effective)
        reference = plain._reference(torch.full((size, 1), 3))
        one = x[:, None]
        written = _seen_whole(reference, layer, head, one)[:, 0]
        after = reference.names.post_attention
        if after is not None:
            written = _without_scale(reference._module(layer, after), written)
        last: Any = plain.model.get_submodule(reference.names.final_norm)
        written = _without_scale(last, written)
        weight = plain.model.get_output_embeddings().weight
        return np.linalg.eigvals((written @ weight.T).numpy())


def _without_scale(norm: Any, x: Tensor) -> Tensor:
    """A norm's centring and weight: the module's output times the size that it divides by."""
    out = norm(x)
    centred = torch.allclose(norm(x + 1.0), out, atol=1e-4)  # some compute in float32
    inner = x - x.mean(-1, keepdim=True) if centred else x
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", 1e-5))
    return out * ((inner**2).mean(-1, keepdim=True) + eps).sqrt()


def _seen_whole(reference: FamilyReference, layer: int, head: int, one: Tensor) -> Tensor:
    """What a head writes for single tokens [token, 1, d_model] that have all of its attention.

    A sink takes a share of it, which is no matter of the weights read here.
    """
    sinks = getattr(reference._attention(layer), "sinks", None)
    if not isinstance(sinks, Tensor):
        return reference._head(layer, head, one, one, one)
    own = sinks.clone()
    sinks.fill_(-1e9)
    written = reference._head(layer, head, one, one, one)
    sinks.copy_(own)
    return written
