"""ModelInfo: what a screen or a report says about a model, in plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelInfo:
    """A loaded model in plain values: no tensors, so that screens and files may hold it.

    Attributes:
        name: as the user named it (`gpt2`, `smollm2`, a path).
        family: transformers' model type (`gpt2`, `llama`, `gpt_neox`, ...).
        layers, heads, kv_heads: depth, query heads and key-value heads per layer.
        d_model, d_head: width of the residual stream and of one head.
        parameters: number of weights.
        edges: number of edges of its computational graph.
        vocabulary: number of logits.
        device, dtype: where it runs and in which numbers (`cpu`, `float32`).
        check_difference: largest difference of the engine's logits from the model's own in the
            self-check on loading, relative to the scale of the logits.
        bos: whether the tokenizer by itself puts a BOS token before a prompt.
        where: where the weights came from: a folder, a file, or `hub`.
    """

    name: str
    family: str
    layers: int
    heads: int
    kv_heads: int
    d_model: int
    d_head: int
    parameters: int
    edges: int
    vocabulary: int
    device: str
    dtype: str
    check_difference: float
    bos: bool
    where: str
