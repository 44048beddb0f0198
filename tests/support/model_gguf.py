"""GGUF files of transformers models, written by the names and conventions of llama.cpp.

Independent of how they are read: queries and keys of Llama are in llama.cpp's order of dimensions,
norms of Gemma with their one added, what its reader takes for granted left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from tests.support.tiny_gguf import END, MERGES, byte_characters

TOKENS = [*byte_characters(), *(merge.replace(" ", "") for merge in MERGES), END]
PIECES = ["<pad>", "<eos>", "<bos>", "<unk>", *byte_characters(), END]
WORDS = {"gemma2": len(PIECES), "gemma3": len(PIECES), "phi3": len(PIECES)}

BLOCK = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
    "mlp.gate": "ffn_gate_inp",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp",
    "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
}
GEMMA = {
    **BLOCK,
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def words_of(architecture: str) -> int:
    """How many tokens the file's tokenizer has."""
    return WORDS.get(architecture, len(TOKENS))


def write_model_gguf(
    path: Path,
    model: Any,
    architecture: str,
    factors: list[float] | None = None,
    parts: int = 1,
    **entries: float | str,
) -> Path:
    """Write a model's weights in float32, and return the path of the (first) file.

    Args:
        factors: Llama 3's, on the periods of its rotation.
        parts: how many files the tensors are spread over.
        entries: further entries of the architecture, dots for double underscores.
    """
    writers = [_writer(path, architecture, n, parts) for n in range(parts)]
    _head(writers[0][1], model.config, architecture, entries)
    _tokenizer(writers[0][1], architecture)
    tensors = list(_tensors(model, architecture))
    if factors is not None:
        tensors.append(("rope_freqs.weight", torch.tensor(factors)))
    share = -(-len(tensors) // parts)
    for number, (_, writer) in enumerate(writers):
        for name, value in tensors[number * share : (number + 1) * share]:
            writer.add_tensor(name, np.ascontiguousarray(value.numpy().astype(np.float32)))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return writers[0][0]


def _writer(path: Path, architecture: str, number: int, parts: int) -> tuple[Path, Any]:
    if parts > 1:
        path = path.with_name(f"{path.stem}-{number + 1:05d}-of-{parts:05d}.gguf")
    writer = gguf.GGUFWriter(path, architecture)
    if parts > 1:
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", parts)
    return path, writer


def _head(writer: Any, config: Any, architecture: str, entries: dict[str, Any]) -> None:
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        names = ("layer_norm_eps", "norm_epsilon", "norm_eps")
        writer.add_layer_norm_eps(next(getattr(config, n) for n in names if hasattr(config, n)))
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if architecture in ("llama", "phi3", "stablelm", "nemotron"):
        writer.add_rope_dimension_count(int(width * rope.get("partial_rotary_factor", 1)))
    if architecture != "phi3":
        writer.add_key_length(width)
        writer.add_value_length(width)
    for name, value in entries.items():
        key = f"{architecture}.{name.replace('__', '.')}"
        kind = {float: "float32", int: "uint32", str: "string", bool: "bool"}[type(value)]
        getattr(writer, f"add_{kind}")(key, value)


def _tokenizer(writer: Any, architecture: str) -> None:
    if architecture in WORDS:
        writer.add_tokenizer_model("llama")
        writer.add_token_list(PIECES)
        writer.add_token_scores([-float(i) for i in range(len(PIECES))])
        writer.add_token_types([3, 3, 3, 2] + [1] * (len(PIECES) - 4))
        writer.add_bos_token_id(2)
        writer.add_eos_token_id(1)
        writer.add_unk_token_id(3)
        writer.add_pad_token_id(0)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2" if architecture.startswith("qwen") else "default")
        writer.add_token_list(TOKENS)
        writer.add_token_types([1] * (len(TOKENS) - 1) + [3])
        writer.add_token_merges(MERGES)
        writer.add_bos_token_id(len(TOKENS) - 1)
        writer.add_eos_token_id(len(TOKENS) - 1)
    writer.add_add_bos_token(False)


def _tensors(model: Any, architecture: str) -> Any:
    gemma = architecture.startswith("gemma")
    names = GEMMA if gemma else BLOCK
    for key, value in model.state_dict().items():
        if key == "lm_head.weight":
            if not model.config.tie_word_embeddings:
                yield "output.weight", value
            continue
        if (gemma or architecture == "nemotron") and "norm" in key and key.endswith(".weight"):
            value = value + 1
        path, leaf = key.removeprefix("model.").rsplit(".", 1)
        if path == "embed_tokens":
            yield "token_embd.weight", value
        elif path == "norm":
            yield f"output_norm.{leaf}", value
        else:
            _, layer, inner = path.split(".", 2)
            if inner.startswith("mlp.experts"):
                yield from _experts(f"blk.{layer}.ffn", leaf, value)
                continue
            if inner == "mlp.shared_expert_gate":
                value = value[0]
            if architecture == "llama" and inner in ("self_attn.q_proj", "self_attn.k_proj"):
                value = _in_pairs(value, model.config.head_dim)
            yield f"blk.{layer}.{names[inner]}.{leaf}", value


def _experts(name: str, leaf: str, value: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    """All experts' weights of one kind in one tensor, gate and up apart."""
    if leaf == "down_proj":
        yield f"{name}_down_exps.weight", value
    else:
        gate, up = value.chunk(2, dim=1)
        yield f"{name}_gate_exps.weight", gate
        yield f"{name}_up_exps.weight", up


def _in_pairs(weight: torch.Tensor, width: int) -> torch.Tensor:
    """Rows of each head such that neighbours are rotated against each other, not halves."""
    return weight.unflatten(0, (-1, 2, width // 2)).transpose(1, 2).flatten(0, 2)
