"""The model's own layers from some stage on, for several alternatives of one residual."""

from __future__ import annotations

from torch import Tensor

from workbench.transformer.forward import run_heads, write_heads
from workbench.transformer.parts import Layer
from workbench.transformer.recording import Recording


def run_layers(recording: Recording, x: Tensor, first: int, *, from_mlp: bool = False) -> Tensor:
    """Run a residual through layer `first` and all after it.

    What precedes it is the clean run's.

    Args:
        x: [pair, alternative, position, d_model], what the attention of layer `first` reads, or its
            MLP if `from_mlp`. One past the last layer, it is the final residual.

    Returns:
        The last residual at the last position, [pair, alternative, d_model].
    """
    parts = recording.parts
    last = len(parts.layers) - 1
    for index in range(first, len(parts.layers)):
        layer = parts.layers[index]
        mlp_in = x
        if not (from_mlp and index == first):
            prefix_k, prefix_v = recording.prefix(index)
            prefix = None if prefix_k is None or prefix_v is None else (prefix_k, prefix_v)
            # What the last layer writes before the last position nobody reads.
            z = run_heads(layer, x, recording.rotary[index], prefix, last=index == last)[3]
            x = x[:, :, -z.shape[3] :]
            mlp_in = mlp_in[:, :, -z.shape[3] :]
            x = x + layer.after_attention(write_heads(layer, z))
            if not parts.parallel:
                mlp_in = x
        if index == last:
            x, mlp_in = x[:, :, -1:], mlp_in[:, :, -1:]
        x = x + mlp_rows(layer, mlp_in)
    return x[:, :, -1]


def mlp_rows(layer: Layer, x: Tensor) -> Tensor:
    """The MLP of [pair, alternative, position, d_model].

    Modules take it as [batch, position, d_model].
    """
    return layer.run_mlp(x.reshape(-1, *x.shape[-2:])).view(x.shape)
