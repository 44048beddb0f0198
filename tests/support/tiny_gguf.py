"""A tiny GGUF file with random weights and a byte-level tokenizer, for tests."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

LAYERS, HEADS, KV_HEADS, D_HEAD = 2, 4, 2, 16
D_MODEL = HEADS * D_HEAD
D_MLP = 96
END = "<|end|>"
MERGES = ["t h", "th e", "a n", "i n", "e r"]


def byte_characters() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = {byte: chr(byte) for byte in printable}
    rest = [byte for byte in range(256) if byte not in characters]
    characters |= {byte: chr(256 + n) for n, byte in enumerate(rest)}
    return [characters[byte] for byte in range(256)]


def write_tiny_gguf(
    path: Path,
    *,
    seed: int = 0,
    architecture: str = "llama",
) -> Path:
    """Write a Llama of two layers, its matrices in Q8_0, and return its path."""
    generator = np.random.default_rng(seed)
    tokens = [*byte_characters(), *(merge.replace(" ", "") for merge in MERGES), END]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(D_MODEL)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(D_MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(D_HEAD)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 1) + [3])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(False)

    def matrix(name: str, rows: int, columns: int) -> None:
        values = (generator.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def norm(name: str) -> None:
        values: NDArray[np.float64] = 1 + 0.1 * generator.standard_normal(D_MODEL)
        writer.add_tensor(name, values.astype(np.float32))

    matrix("token_embd.weight", len(tokens), D_MODEL)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        norm(f"{block}attn_norm.weight")
        matrix(f"{block}attn_q.weight", D_MODEL, D_MODEL)
        matrix(f"{block}attn_k.weight", KV_HEADS * D_HEAD, D_MODEL)
        matrix(f"{block}attn_v.weight", KV_HEADS * D_HEAD, D_MODEL)
        matrix(f"{block}attn_output.weight", D_MODEL, D_MODEL)
        norm(f"{block}ffn_norm.weight")
        matrix(f"{block}ffn_gate.weight", D_MLP, D_MODEL)
        matrix(f"{block}ffn_up.weight", D_MLP, D_MODEL)
        matrix(f"{block}ffn_down.weight", D_MODEL, D_MLP)
    norm("output_norm.weight")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
