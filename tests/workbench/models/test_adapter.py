"""LoRA adapters merged on reading, held to the base model with the low-rank path beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.support.tiny_models import tiny_gpt2, tiny_llama
from workbench.errors import WorkbenchError
from workbench.models.model import load_model

TOKENS = torch.tensor([[5, 40, 7, 300, 12, 9]])
CONFIG: dict[str, Any] = {
    "peft_type": "LORA",
    "base_model_name_or_path": "base",
    "r": 2,
    "lora_alpha": 6,
    "lora_dropout": 0.1,
    "bias": "none",
    "target_modules": ["q_proj"],
    "init_lora_weights": True,
    "task_type": "CAUSAL_LM",
}


def saved(folder: Path, make: Any) -> Any:
    """A tiny base model, written beside the adapter."""
    model, tokenizer = make()
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    return model


def matrices(model: nn.Module, paths: list[str], rank: int = 2) -> dict[str, torch.Tensor]:
    """Random low-rank matrices for modules, by peft's names."""
    generator = torch.Generator().manual_seed(5)
    made = {}
    for path in paths:
        into, out = _widths(model.get_submodule(path))
        for side, shape in (("A", (rank, into)), ("B", (out, rank))):
            name = f"base_model.model.{path}.lora_{side}.weight"
            made[name] = 0.3 * torch.randn(shape, generator=generator)
    return made


def _widths(module: Any) -> tuple[int, int]:
    out, into = module.weight.shape
    return (out, into) if type(module).__name__ == "Conv1D" else (into, out)


def write(folder: Path, weights: dict[str, torch.Tensor], **changes: Any) -> str:
    """An adapter's folder."""
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **changes}))
    return str(folder)


def beside(model: nn.Module, weights: dict[str, torch.Tensor], scales: dict[str, float]) -> Any:
    """Logits of the base model, what the matrices make of a module's input added by hooks."""
    hooks = []
    for path, scale in scales.items():
        a, b = (weights[f"base_model.model.{path}.lora_{side}.weight"] for side in "AB")

        def add(module: Any, args: Any, out: Any, a: Any = a, b: Any = b, s: Any = scale) -> Any:
            return out + s * (args[0] @ a.T @ b.T)

        hooks.append(model.get_submodule(path).register_forward_hook(add))
    with torch.no_grad():
        logits = model(TOKENS, use_cache=False).logits
    for hook in hooks:
        hook.remove()
    return logits


def test_an_adapter_is_merged_into_its_base(tmp_path: Path) -> None:
    base = saved(tmp_path, tiny_llama)
    paths = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"]
    weights = matrices(base, paths)
    name = write(tmp_path, weights, alpha_pattern={"mlp.down_proj": 5}, use_rslora=True)
    model = load_model(name, device="cpu")
    expected = beside(base, weights, {paths[0]: 6 / 2**0.5, paths[1]: 5 / 2**0.5})
    with torch.no_grad():
        torch.testing.assert_close(model.hf(TOKENS).logits, expected, rtol=1e-4, atol=1e-4)
        assert (base(TOKENS).logits - expected).abs().max() > 0.1
    assert model.info.notes == (f"{name} is an adapter, merged into base: 2 of its matrices.",)
    assert model.info.where == f"{tmp_path}, merged into {tmp_path / 'base'}"


def test_transposed_weights_are_merged_transposed(tmp_path: Path) -> None:
    base = saved(tmp_path, tiny_gpt2)
    path = "transformer.h.0.attn.c_attn"
    weights = matrices(base, [path])
    model = load_model(write(tmp_path, weights, fan_in_fan_out=True), device="cpu")
    with torch.no_grad():
        expected = beside(base, weights, {path: 3.0})
        torch.testing.assert_close(model.hf(TOKENS).logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"peft_type": "IA3"}, "kind IA3"),
        ({"lora_alpha": None}, "cannot be read"),
        ({"use_dora": True}, r"\(use_dora\): merge it"),
        ({"bias": "all"}, r"\(bias\)"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa"}, "begun by pissa"),
        ({"base_model_name_or_path": None}, "does not say"),
        ({"base_model_name_or_path": "some/base"}, "for some/base, which is not on this machine"),
    ],
)
def test_what_is_more_than_a_sum_is_refused(
    tmp_path: Path, changes: dict[str, Any], part: str
) -> None:
    name = write(tmp_path, {"base_model.model.x.lora_A.weight": torch.zeros(2, 3)}, **changes)
    with pytest.raises(WorkbenchError, match=part) as caught:
        load_model(name, device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "shape", "part"),
    [
        ("model.layers.0.self_attn.q_proj.lora_A.weight", (2, 32), "only one of two"),
        ("model.layers.9.self_attn.q_proj.lora_A.weight", (2, 32), "no linear map model.layers.9"),
        ("model.embed_tokens.lora_embedding_A", (2, 9), "more than linear maps"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(
    tmp_path: Path, key: str, shape: tuple[int, int], part: str
) -> None:
    saved(tmp_path, tiny_llama)
    name = write(tmp_path, {f"base_model.model.{key}": torch.zeros(shape)})
    with pytest.raises(WorkbenchError, match=part):
        load_model(name, device="cpu")


def test_a_weight_that_is_the_embeddings_too_is_refused(tmp_path: Path) -> None:
    base = saved(tmp_path, tiny_gpt2)
    name = write(tmp_path, matrices(base, ["lm_head"]))
    with pytest.raises(WorkbenchError, match="the embedding's too"):
        load_model(name, device="cpu")
