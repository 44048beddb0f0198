"""Runs that never happened: what takes the place of a component outside the circuit.

With patching that is the corrupted run, which is recorded. With zero and mean ablations every
source writes a constant instead (`means`), and the residual that a destination reads when nothing
is kept is the sum of those constants and of what belongs to no source (positions, output biases). A
node that nothing clean reaches writes the constant, whatever it would compute from the others'
constants.

Glossary: docs/glossary.md#constants.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.base.transfers import uploaded
from workbench.experiment.means import Means
from workbench.transformer.edits import EditedEmbedding
from workbench.transformer.forward import embed, run_heads, write_heads
from workbench.transformer.neurons import hidden_values
from workbench.transformer.parts import ModelParts
from workbench.transformer.recording import LayerRecord, Recording, Run


def record_ablated(
    parts: ModelParts, recording: Recording, tokens: Tensor, means: Means | None
) -> Recording:
    """A recording whose other run is that of constants.

    Args:
        recording: of the same pairs; only its clean run is used.
        tokens: the clean prompts [pair, position].
        means: what every source writes instead; None: nothing.
    """
    whole = recording.whole
    with torch.no_grad():
        embedding, start = embed(parts, uploaded(tokens, parts.device), 0)
        positions = start - embedding
        if means is None:
            written = whole.embedding.new_zeros(*tokens.shape, len(parts.w_u))
            constants = [(torch.zeros_like(r.z), torch.zeros_like(written)) for r in whole.layers]
            written, constants = _changed(parts, written, constants)
        else:
            written, constants = means.of(tokens)
        residual = written + positions
        rotary = parts.rotations(torch.arange(tokens.shape[1]))
        layers = []
        for layer, (z, mlp_out), turn in zip(parts.layers, constants, rotary, strict=True):
            attn_in = residual
            q, k, v, _ = run_heads(layer, attn_in[:, None], turn, None)
            attn_sum = write_heads(layer, z[:, :, None])[:, 0]
            residual = residual + layer.after_attention(attn_sum)
            mlp_in = attn_in if parts.parallel else residual
            residual = residual + mlp_out
            heads = (q[:, :, 0], k[:, :, 0], v[:, :, 0], z)
            kept = None if layer.post_attention is None else attn_sum
            layers.append(LayerRecord(attn_in, *heads, mlp_in, mlp_out, kept))
    instead = Run(written, layers, residual)

    def neurons(layer: int, pairs: slice) -> Tensor:
        if means is not None:
            return means.neurons_of(layer, tokens[pairs])
        own = hidden_values(parts.layers[layer], whole.layers[layer].mlp_in[pairs])
        return torch.zeros_like(own)

    return Recording(parts, whole, whole, instead, 0, rotary, True, neurons)


def _changed(
    parts: ModelParts, written: Tensor, constants: list[tuple[Tensor, Tensor]]
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Constants with what interventions make of them, as they do of every value."""
    if isinstance(parts.token_embedding, EditedEmbedding):
        written = parts.token_embedding.edit.apply(written)
    written = written if parts.copies is None else parts.copies.apply(written)
    changed = []
    for layer, (z, mlp_out) in zip(parts.layers, constants, strict=True):
        edit = layer.attention.edit
        z = z if edit is None else edit.apply(z[:, :, None])[:, :, 0]
        mlp_out = mlp_out if layer.edit is None else layer.edit.apply(mlp_out)
        changed.append((z, mlp_out if layer.copies is None else layer.copies.apply(mlp_out)))
    return written, changed
