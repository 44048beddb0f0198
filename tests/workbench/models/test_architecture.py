"""What is said of how a model is built is read off what is computed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.tiny_models import tiny_gpt2
from tests.support.unusual_models import MODELS
from workbench.models.architecture import architecture_of, storage_bytes, weight_bytes
from workbench.transformer.families import parts_of

PLAIN = {
    "context": 64,
    "windows": "",
    "window": None,
    "projections": "",
    "caps": "",
    "blocks": "attention, then the MLP",
    "experts": "",
    "tied": False,
}
SAID: dict[str, dict[str, Any]] = {
    "gpt2": {
        "norm": "LayerNorm before attention and MLP",
        "positions": "learned",
        "tied": True,
    },
    "llama": {"norm": "RMSNorm before attention and MLP", "positions": "rotary"},
    "gpt_neox": {
        "norm": "LayerNorm before attention and MLP",
        "positions": "rotary, 4 of 8 dimensions",
        "blocks": "attention and MLP side by side",
    },
    "gpt_neo": {
        "norm": "LayerNorm before attention and MLP",
        "positions": "learned",
        "windows": "every other layer sees 4 positions",
        "window": 4,
        "tied": True,
    },
    "gemma2": {
        "norm": "RMSNorm before and after attention and MLP",
        "positions": "rotary",
        "windows": "every other layer sees 2,048 positions",
        "window": 2048,
        "caps": "scores at 50, logits at 30",
        "tied": True,
    },
    "gemma3": {
        "norm": "RMSNorm before and after attention and MLP",
        "positions": "rotary, 2 kinds of it",
        "windows": "6 of 7 layers see 5 positions",
        "window": 5,
        "projections": "q and k normed, each head alone",
        "tied": True,
    },
    "olmo": {
        "norm": "LayerNorm before attention and MLP",
        "positions": "rotary",
        "projections": "q, k and v clipped to ±8",
    },
    "olmo2": {
        "norm": "RMSNorm after attention and MLP",
        "positions": "rotary",
        "projections": "q and k normed, all heads together",
    },
    "cohere": {
        "norm": "one LayerNorm before attention and MLP",
        "positions": "rotary",
        "blocks": "attention and MLP side by side",
        "tied": True,
    },
    "stablelm": {
        "norm": "one LayerNorm before attention and MLP",
        "positions": "rotary, 2 of 8 dimensions",
        "projections": "q and k normed, each head alone",
        "blocks": "attention and MLP side by side",
    },
    "smollm3": {
        "norm": "RMSNorm before attention and MLP",
        "positions": "rotary, in 3 of 4 layers",
        "tied": True,
    },
    "qwen2_moe": {
        "norm": "RMSNorm before attention and MLP",
        "positions": "rotary",
        "experts": "4 experts, 2 for each token and one shared in 3 of 4 layers",
    },
    "deepseek_v2": {
        "norm": "RMSNorm before attention and MLP",
        "positions": "rotary, 4 of 12 dimensions",
        "projections": "k and v out of a normed latent, 24 wide; q and k 12 wide, v 6",
    },
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", SAID)
def test_what_is_said_is_so_in_every_dtype(name: str, dtype: torch.dtype) -> None:
    hf = MODELS[name]().to(dtype)
    assert asdict(architecture_of(hf, parts_of(hf))) == PLAIN | SAID[name]


def test_layers_that_differ_are_counted() -> None:
    hf = tiny_gpt2(layers=3)[0]
    width = hf.config.n_embd
    hf.transformer.h[1].ln_2 = nn.RMSNorm(width)
    built = architecture_of(hf, parts_of(hf))
    assert built.norm == (
        "LayerNorm before attention and MLP in 2 of 3 layers; "
        "LayerNorm before attention, RMSNorm before MLP in 1 of 3 layers"
    )


def test_looking_leaves_random_numbers_alone() -> None:
    hf = tiny_gpt2()[0]
    state = torch.random.get_rng_state()
    architecture_of(hf, parts_of(hf))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_that_are_shared_count_once_and_copies_too() -> None:
    tied = tiny_gpt2()[0]
    plain = storage_bytes([*tied.parameters(), *tied.buffers()])
    assert weight_bytes(tied, parts_of(tied)) == plain
    # The queries, keys and values of GPT-NeoX come head by head, and are copied once.
    hf = MODELS["gpt_neox"]()
    fused = [block.attention.query_key_value for block in hf.gpt_neox.layers]
    copies = sum(f.weight.nbytes + f.bias.nbytes for f in fused)
    plain = storage_bytes([*hf.parameters(), *hf.buffers()])
    assert weight_bytes(hf, parts_of(hf)) == plain + copies
