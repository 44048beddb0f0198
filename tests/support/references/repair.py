"""Direct and total effects worked out from a plain transformers model, through hooks, in float64.

It shares no code with the workbench: a run with nodes replaced is the model's own forward pass; a
norm with its scale held is written out from its formula; logits are what the unembedding's module
puts out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tests.support.references.node import NodeReference, _input, _output


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        written: node -> [pair, d_model] at the last position, before a norm that follows heads.
        final: [pair, d_model], what the final norm reads.
        logits: [pair, vocabulary], before a soft cap.
        shown: the model's own logits.
    """

    written: dict[str, Tensor]
    final: Tensor
    logits: Tensor
    shown: Tensor


class RepairReference:
    """A model on clean and corrupted tokens [pair, position]."""

    def __init__(self, nodes: NodeReference) -> None:
        self.nodes = nodes
        self.names, self.model = nodes.names, nodes.model
        self.final_norm = self.model.get_submodule(self.names.final_norm)
        self.unembedding = self.model.get_output_embeddings()
        self.factor = getattr(self.model.config, "logit_scale", 1.0) or 1.0
        self.clean = self.run({}, nodes.clean)
        self.corrupted = self.run({}, nodes.corrupted)

    def sources(self) -> list[str]:
        """All nodes that write."""
        names = ["input"]
        for layer in range(len(self.nodes.blocks)):
            names += [f"a{layer}.h{head}" for head in range(self.nodes.n_heads)]
            names.append(f"m{layer}")
        return names

    def _w_o(self, layer: int) -> tuple[Tensor, Tensor | None]:
        """[head * d_head, d_model], and the bias."""
        attention = self.nodes.blocks[layer].get_submodule(self.names.attention)
        out = attention.get_submodule(self.names.out)
        weight = out.weight if type(out).__name__ == "Conv1D" else out.weight.T
        return weight, out.bias

    @torch.no_grad()
    def run(self, replaced: Mapping[str, Tensor | float], tokens: Tensor | None = None) -> Measured:
        """Run with nodes' values (a head's before the output projection) replaced, a number: by it.

        Replaced values are [pair, position, ...].
        """
        values: dict[str, Tensor] = {}

        def value(seen: str, x: Tensor) -> Tensor:
            x = x.clone()
            for node, new in replaced.items():
                name, own = self.nodes.place(node)
                if name == seen:
                    x[..., own] = new
            values[seen] = x
            return x

        caught: dict[str, Tensor] = {}
        with ExitStack() as stack:

            def keep(name: str, x: Tensor) -> Tensor:
                caught[name] = x[:, -1] if x.dim() == 3 else x
                return x

            stack.enter_context(_input(self.final_norm, lambda x: keep("final", x)))
            stack.enter_context(_output(self.unembedding, lambda x: keep("logits", x)))
            shown = self.nodes.run(value, tokens)
        written = {"input": values["input"][:, -1]}
        for layer in range(len(self.nodes.blocks)):
            weight, _ = self._w_o(layer)
            z = values[f"a{layer}.z"][:, -1]
            width = z.shape[-1] // self.nodes.n_heads
            for head in range(self.nodes.n_heads):
                rows = slice(head * width, (head + 1) * width)
                written[f"a{layer}.h{head}"] = z[:, rows] @ weight[rows]
            written[f"m{layer}"] = values[f"m{layer}"][:, -1]
        return Measured(written, caught["final"], caught["logits"] * self.factor, shown)

    def instead(self, node: str) -> Tensor:
        """A node's value in the corrupted run, as `run` takes it."""
        name, own = self.nodes.place(node)
        return self.nodes.corrupted_values[name][..., own]

    def difference(self, logits: Tensor, right: Sequence, wrong: Sequence) -> Tensor:
        """Mean logit of the right tokens less that of the wrong ones, [pair]; (): of all."""
        rows = zip(logits, right, wrong, strict=True)
        return torch.stack(
            [(x[list(r)] if r else x).mean() - (x[list(w)] if w else x).mean() for x, r, w in rows]
        )

    @torch.no_grad()
    def direct(
        self, run: Measured, right: Sequence, wrong: Sequence, held: Measured | None = None
    ) -> dict[str, Tensor]:
        """Node -> [pair], what it writes directly, norms at the scales of `held`."""
        held = self.clean if held is None else held
        found = {}
        for node, x in run.written.items():
            if node.startswith("a") and self.names.post_attention is not None:
                layer = int(node[1:].partition(".")[0])
                x = self._behind(layer, x, held)
            normed = normalised(self.final_norm, x, held.final, gemma=self._gemma)
            logits = normed @ self.unembedding.weight.T * self.factor
            found[node] = self.difference(logits, right, wrong)
        return found

    def _behind(self, layer: int, x: Tensor, held: Measured) -> Tensor:
        assert self.names.post_attention is not None
        norm = self.nodes.blocks[layer].get_submodule(self.names.post_attention)
        heads = [held.written[f"a{layer}.h{h}"] for h in range(self.nodes.n_heads)]
        summed, (_, bias) = torch.stack(heads).sum(0), self._w_o(layer)
        if bias is not None:
            summed = summed + bias
        return normalised(norm, x, summed, gemma=self._gemma)

    @property
    def _gemma(self) -> bool:
        return str(self.model.config.model_type).startswith("gemma")


def normalised(norm: nn.Module, x: Tensor, held: Tensor, *, gemma: bool) -> Tensor:
    """x [pair, d_model] through a norm without its bias, scaled as `held` would be."""
    kind = type(norm).__name__
    if "RMS" not in kind:
        x, held = x - x.mean(-1, keepdim=True), held - held.mean(-1, keepdim=True)
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", 1e-5))
    weight = getattr(norm, "weight", None)
    weight = torch.ones(()) if weight is None else weight + 1 if gemma else weight
    return x / (held.square().mean(-1, keepdim=True) + eps).sqrt() * weight
