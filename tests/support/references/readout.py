"""Readouts worked out anew from plain transformers, in float64, prompt by prompt: slow, plain.

Nothing of ours is imported. What a node writes is caught by forward hooks on the Hugging Face
modules; the final norm is written out from its formula and checked against the module itself.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Written:
    """What one prompt's run wrote, in float64; a head's output is z W_O without the bias."""

    nodes: dict[str, Tensor]  # name -> [position, d_model]; `input` is the token embedding alone
    position_embedding: Tensor  # [position, d_model], zero where the model has none
    attention_biases: Tensor  # [d_model], the sum over layers
    residuals: list[
        Tensor
    ]  # [position, d_model] before layer 0, after layer 0, ..., after the last
    patterns: dict[str, Tensor]  # head -> [query, key]
    logits: Tensor  # [position, vocab]


class Reference:
    """A GPT-2, Llama or GPT-NeoX model, read through hooks.

    Args:
        hf: the transformers model; it is copied, in float64 and with eager attention.
    """

    def __init__(self, hf: nn.Module) -> None:
        self.model = cast(Any, copy.deepcopy(hf)).double().eval()
        self.model.set_attn_implementation("eager")
        config = self.model.config
        self.n_heads: int = config.num_attention_heads
        kind = config.model_type
        if kind == "gpt2":
            base = self.model.transformer
            self.layers, self.final_norm = base.h, base.ln_f
            self.projections = [layer.attn.c_proj for layer in base.h]
            self.output_weights = [p.weight for p in self.projections]
            self.eps, self.centre = config.layer_norm_epsilon, True
        elif kind == "llama":
            base = self.model.model
            self.layers, self.final_norm = base.layers, base.norm
            self.projections = [layer.self_attn.o_proj for layer in base.layers]
            self.output_weights = [p.weight.T for p in self.projections]
            self.eps, self.centre = config.rms_norm_eps, False
        elif kind == "gpt_neox":
            base = self.model.gpt_neox
            self.layers, self.final_norm = base.layers, base.final_layer_norm
            self.projections = [layer.attention.dense for layer in base.layers]
            self.output_weights = [p.weight.T for p in self.projections]
            self.eps, self.centre = config.layer_norm_eps, True
        else:
            raise ValueError(kind)
        self.unembedding = self.model.get_output_embeddings()

    @torch.no_grad()
    def run(self, tokens: Tensor) -> Written:
        """Run one prompt, tokens [position]."""
        z: dict[int, Tensor] = {}
        mlps: dict[int, Tensor] = {}
        residuals: dict[int, Tensor] = {}
        embedding: list[Tensor] = []
        handles = [
            self.model.get_input_embeddings().register_forward_hook(
                lambda module, args, out: embedding.append(out[0])
            )
        ]
        for i, layer in enumerate(self.layers):

            def before(module: nn.Module, args: Any, kwargs: dict[str, Any], i: int = i) -> None:
                residuals[i] = (args[0] if args else kwargs["hidden_states"])[0]

            handles += [
                self.projections[i].register_forward_pre_hook(
                    lambda module, args, i=i: z.__setitem__(i, args[0][0])
                ),
                layer.mlp.register_forward_hook(
                    lambda module, args, out, i=i: mlps.__setitem__(i, out[0])
                ),
                layer.register_forward_pre_hook(before, with_kwargs=True),
            ]
        handles.append(
            self.final_norm.register_forward_pre_hook(
                lambda module, args: residuals.__setitem__(len(self.layers), args[0][0])
            )
        )
        try:
            out = self.model(tokens[None].cpu(), output_attentions=True, use_cache=False)
        finally:
            for handle in handles:
                handle.remove()

        nodes = {"input": embedding[0]}
        patterns = {}
        biases = torch.zeros_like(residuals[0][0])
        for i in range(len(self.layers)):
            width = z[i].shape[-1] // self.n_heads
            for h in range(self.n_heads):
                part = slice(h * width, (h + 1) * width)
                nodes[f"a{i}.h{h}"] = z[i][:, part] @ self.output_weights[i][part]
                patterns[f"a{i}.h{h}"] = out.attentions[i][0, h]
            nodes[f"m{i}"] = mlps[i]
            if getattr(self.projections[i], "bias", None) is not None:
                biases += self.projections[i].bias
        final = residuals[len(self.layers)]
        nodes["logits"] = final
        written = Written(
            nodes=nodes,
            position_embedding=residuals[0] - embedding[0],
            attention_biases=biases,
            residuals=[residuals[i] for i in range(len(self.layers) + 1)],
            patterns=patterns,
            logits=out.logits[0],
        )
        self._check(written)
        return written

    def _check(self, written: Written) -> None:
        """Nodes and biases make up the residual, and its frozen norm the model's logits."""
        sources = [x for name, x in written.nodes.items() if name != "logits"]
        rest = written.position_embedding + written.attention_biases
        total = torch.stack(sources).sum(0) + rest
        torch.testing.assert_close(total, written.nodes["logits"])
        for position in range(len(total)):
            logits = self.logits_of(total[position], total[position], biases=True)
            # RMSNorm's module computes in float32 whatever it is given.
            torch.testing.assert_close(logits, written.logits[position], rtol=1e-5, atol=1e-5)

    @torch.no_grad()
    def logits_of(self, x: Tensor, residual: Tensor, *, biases: bool) -> Tensor:
        """x through the final norm, scaled as `residual` would be, and unembedded: [vocab]."""
        if self.centre:
            x, residual = x - x.mean(), residual - residual.mean()
        normed = x / torch.sqrt((residual**2).mean() + self.eps) * self.final_norm.weight
        if biases and getattr(self.final_norm, "bias", None) is not None:
            normed = normed + self.final_norm.bias
        logits = self.unembedding.weight @ normed
        if biases and getattr(self.unembedding, "bias", None) is not None:
            logits = logits + self.unembedding.bias
        return logits

    def lens(self, written: Written, node: str, position: int) -> Tensor:
        """The lens of a node [vocab], centred over the vocabulary; of `logits` with all biases."""
        residual = written.nodes["logits"][position]
        logits = self.logits_of(written.nodes[node][position], residual, biases=node == "logits")
        return logits - logits.mean()

    def other_logits(self, written: Written, position: int) -> dict[str, Tensor]:
        """Logits [vocab] of all that no node writes, by the names of the attribution's rows."""
        residual = written.nodes["logits"][position]
        zero = torch.zeros_like(residual)
        own = getattr(self.unembedding, "bias", None)
        unembedding = torch.zeros(self.unembedding.weight.shape[0], dtype=torch.float64)
        if own is not None:
            unembedding = unembedding + own.detach()
        norm = self.logits_of(zero, residual, biases=True) - unembedding
        attention = self.logits_of(written.attention_biases, residual, biases=False)
        places = written.position_embedding[position]
        return {
            "position embedding": self.logits_of(places, residual, biases=False),
            "biases": norm + attention,
            "unembedding bias": unembedding,
        }
