"""What a GGUF file's head says of a model, and transformers does not read.

Layers' widths, windows and caps stand in the head under llama.cpp's names; what llama.cpp takes for
granted of an architecture stands nowhere, and is said here as its source has it. Llama 3's scaling
of its rotation comes as one factor for each frequency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ROPE_FACTORS = "rope_freqs.weight"
"""Tensor of factors on the frequencies' periods, of Llama 3.1 and later."""

LONG_ROPE = ("rope_factors_long.weight", "rope_factors_short.weight")
"""Tensors of the same for two lengths of prompts (Phi 3), with a factor that stands nowhere."""

LARGE = {"gemma2": 46, "gemma3": 62}
"""Layers of the sizes (27B) whose scores are scaled by the width of a head in d_model instead."""

SOME_ROTATED = ("stablelm", "nemotron")
"""Architectures of which a part of each head is rotated."""

EXPERTS = {"qwen2moe": False, "qwen3moe": True}
"""Whether the weights of the experts taken are made to sum to one, by architecture."""

ENTRIES = (
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
    ("attention.sliding_window", "sliding_window"),
    ("attention.layer_norm_epsilon", "layer_norm_eps"),
    ("attention.layer_norm_epsilon", "norm_eps"),
    ("expert_feed_forward_length", "moe_intermediate_size"),
    ("expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    ("use_parallel_residual", "use_parallel_residual"),
)
"""Entries of the head, and transformers' of the same meaning, where a family has them."""


@dataclass(frozen=True)
class GGUFHead:
    """Fields and tensors that say more than transformers reads.

    Attributes:
        architecture: GGUF's name of it.
        fields: the architecture's entries, without its name before them.
        factors: on the periods of the rotation, one for each frequency; None for none.
        names: of all tensors.
    """

    architecture: str
    fields: dict[str, Any]
    factors: tuple[float, ...] | None
    names: frozenset[str]

    @classmethod
    def of(cls, reader: Any, architecture: str) -> GGUFHead:
        """Read from a `gguf.GGUFReader`."""
        prefix = f"{architecture}."
        fields = {
            key.removeprefix(prefix): field.contents()
            for key, field in reader.fields.items()
            if key.startswith(prefix)
        }
        named = {tensor.name: tensor for tensor in reader.tensors}
        factors = named.get(ROPE_FACTORS)
        return cls(
            architecture,
            fields,
            None if factors is None else tuple(map(float, factors.data.reshape(-1))),
            frozenset(named),
        )

    def refusal(self) -> str | None:
        """Why the model cannot be carried over exactly, in words that follow its name; or None."""
        scaling = str(self.fields.get("rope.scaling.type", "none"))
        if scaling not in ("none", "linear") or not self.names.isdisjoint(LONG_ROPE):
            return "scales its rotary positions by length"
        if self.factors is not None and (self.architecture != "llama" or scaling != "none"):
            return "scales its rotary positions by factors of its own"
        width, rotated = self._width(), self.fields.get("rope.dimension_count")
        if self.architecture == "stablelm" and "blk.0.attn_q_norm.weight" in self.names:
            return "norms the queries of each head by itself"
        if self.architecture in SOME_ROTATED:
            return None
        if self.architecture != "gpt2" and rotated is not None and rotated != width:
            return f"rotates {rotated} of {width} dimensions of a head"
        return None

    def complete(self, config: Any) -> None:
        """Put into transformers' configuration what it did not read.

        Args:
            config: as transformers makes it of the head; changed in place.
        """
        if self.architecture == "gpt2":
            return
        config.head_dim = self._width()
        if self.architecture in ("gemma2", "gemma3"):
            large = config.num_hidden_layers == LARGE[self.architecture]
            by_model = config.hidden_size // config.num_attention_heads
            config.query_pre_attn_scalar = by_model if large else config.head_dim
        for key, name in ENTRIES:
            if key in self.fields and hasattr(config, name):
                setattr(config, name, self.fields[key])
        if self.architecture in EXPERTS:
            config.norm_topk_prob = EXPERTS[self.architecture]
        if self.architecture == "stablelm":
            config.use_qkv_bias = "blk.0.attn_q.bias" in self.names
        self._rotation(config)

    def _width(self) -> int:
        """Of a head's queries and keys."""
        usual = self.fields["embedding_length"] // self.fields["attention.head_count"]
        return int(self.fields.get("attention.key_length", usual))

    def _rotation(self, config: Any) -> None:
        """Write the rotation's base and scaling where this family has them."""
        base = self.fields.get("rope.freq_base")
        linear = str(self.fields.get("rope.scaling.type", "none")) == "linear"
        own: dict[str, Any] = {"rope_type": "default"}
        rotated = self.fields.get("rope.dimension_count")
        if self.architecture in SOME_ROTATED and rotated is not None:
            own["partial_rotary_factor"] = rotated / self._width()
        if linear:
            own |= {"rope_type": "linear", "factor": float(self.fields["rope.scaling.factor"])}
        if self.factors is not None:
            # The same factors whatever the length, and no factor on the rotated: theirs alone.
            factors = list(self.factors)
            own = {
                "rope_type": "longrope",
                "short_factor": factors,
                "long_factor": factors,
                "factor": 1.0,
                "attention_factor": 1.0,
                "original_max_position_embeddings": config.max_position_embeddings,
            }
        if base is not None:
            own["rope_theta"] = float(base)
        known = config.rope_parameters
        if isinstance(known, dict) and "full_attention" in known:
            config.rope_parameters = {**known, "full_attention": {**known["full_attention"], **own}}
        else:
            config.rope_parameters = {**(known or {}), **own}
