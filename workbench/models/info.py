"""ModelInfo: what a screen or a report says about a model, in plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SelfCheck:
    """How far the engine is from the model, as found on loading.

    Attributes:
        difference: root mean square, over the vocabulary, of the difference of the logits, at the
            position where it is largest; with experts and in short numbers at the middle one, for
            there a rounding error may send a token to another of two nearly tied experts.
        scale: standard deviation of the model's logits.
        tolerance: the largest `relative` that passes as float noise in this dtype.
        prompts, tokens: how many prompts were compared, and the length of each.
        passes: forward passes that it took, the model's own and the engine's.
        numbers: the number format that it was made in, of weights in the model's own: float32 for
            short ones, where there was memory for it.
    """

    difference: float
    scale: float
    tolerance: float
    prompts: int
    tokens: int
    passes: int
    numbers: str = "float32"

    @property
    def relative(self) -> float:
        """The difference in units of the logits' scale."""
        return self.difference / self.scale if self.scale > 0 else self.difference

    @property
    def passed(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.relative <= self.tolerance


@dataclass(frozen=True)
class Architecture:
    """How a model is built, as the engine computes it: short phrases, empty for nothing.

    Attributes:
        norm: kinds of norms and where they stand ("RMSNorm before attention and MLP").
        positions: how positions come in ("learned", "rotary, 16 of 64 dimensions", "none").
        context: number of positions that the model was made for; None if it does not say.
        windows: which layers attend to how many positions ("every other layer sees 4,096
            positions"); empty if all see all.
        window: the longest window in positions; None if there is none.
        projections: what is done to queries, keys and values ("q and k normed, each head alone").
        caps: soft caps of scores and logits ("scores at 50, logits at 30").
        blocks: how attention and MLP follow one another.
        experts: which layers have how many experts ("8 experts, 2 for each token").
        tied: the unembedding is the embedding.
    """

    norm: str
    positions: str
    context: int | None
    windows: str
    window: int | None
    projections: str
    caps: str
    blocks: str
    experts: str
    tied: bool


@dataclass(frozen=True)
class ModelInfo:
    """A loaded model in plain values: no tensors, so that screens and files may hold it.

    Attributes:
        name: as the user named it (`gpt2`, `smollm2`, a path).
        family: transformers' model type (`gpt2`, `llama`, `gpt_neox`, ...).
        layers, heads, kv_heads: depth, query heads and key-value heads per layer.
        d_model, d_head: width of the residual stream and of one head.
        parameters: number of weights.
        weight_bytes: memory that weights and buffers take, with copies that the engine made.
        nodes, edges: number of nodes and of edges of its computational graph.
        vocabulary: number of logits.
        device, dtype: where it runs and in which numbers (`cpu`, `float32`).
        architecture: how it is built.
        check: the engine's logits compared with the model's own on loading.
        bos: whether the tokenizer by itself puts a BOS token before a prompt.
        where: where the weights came from: a folder, a file, `hub` or `memory`.
        notes: sentences on what was left out when it was read.
    """

    name: str
    family: str
    layers: int
    heads: int
    kv_heads: int
    d_model: int
    d_head: int
    parameters: int
    weight_bytes: int
    nodes: int
    edges: int
    vocabulary: int
    device: str
    dtype: str
    architecture: Architecture
    check: SelfCheck
    bos: bool
    where: str
    notes: tuple[str, ...] = ()

    @property
    def check_difference(self) -> float:
        """Largest difference of the engine's logits from the model's own in the self-check.

        The check is made on loading; the difference is relative to the scale of the logits.
        """
        return self.check.relative
