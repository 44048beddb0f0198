"""The parts of each family: that everything in them matters, that nothing wraps them, and which
variants are refused.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers as hf
from torch import nn

from tests.support.cases.family_cases import CASES, MAKERS, model_of
from tests.support.tiny_families import made
from tests.support.tiny_models import tiny_gpt2, tiny_llama, tiny_tokenizer
from workbench.errors import WorkbenchError
from workbench.models.model import Model
from workbench.models.self_check import MAX_TOKENS, self_check
from workbench.models.wide_numbers import widened
from workbench.transformer.families import parts_of
from workbench.transformer.families.catalogue import FAMILIES
from workbench.transformer.families.supported import require_supported
from workbench.transformer.from_latent import FromLatent
from workbench.transformer.parts import Attention, Layer, ModelParts
from workbench.transformer.recording import clean_logits

pytestmark = pytest.mark.dependencies

cases = pytest.mark.parametrize("name", CASES)
TOKENS = torch.randint(2, 900, (2, 9), generator=torch.Generator().manual_seed(3))
# What an `Attention` may have, and what stands for not having it.
FEATURES: dict[str, Any] = {
    "b_q": None,
    "b_k": None,
    "b_v": None,
    "b_o": None,
    "window": None,
    "chunk": None,
    "key_bias": None,
    "sinks": None,
    "rotary": None,
    "softcap": None,
    "steps": (None, None, None),
    "joint": (None, None, None),
    "multiplier": 1.0,
}


def test_every_family_is_tested() -> None:
    """And the cases of `MAKERS` are no others."""
    assert {name.split()[0] for name in CASES} == set(FAMILIES)
    for name in CASES:
        assert model_of(name).info.family == name.split()[0]


@cases
def test_whatever_a_family_has_matters(name: str) -> None:
    """Without it the logits are others: the tests would see a mistake in it."""
    parts = model_of(name).parts
    usual = clean_logits(parts, TOKENS)

    def differs(other: ModelParts) -> bool:
        return bool((clean_logits(other, TOKENS) - usual).abs().max() > 1e-2)

    def without(feature: str, value: Any) -> ModelParts:
        layers = (
            replace(layer, attention=replace(layer.attention, **{feature: value}))
            for layer in parts.layers
        )
        return replace(parts, layers=tuple(layers))

    for which in range(3):
        latents = [layer.attention.latent(which) for layer in parts.layers]
        if latents[0] is not None:
            assert differs(without_norm_of_latent(parts, which))
            assert differs(with_heads_swapped(parts, which))
    for feature, nothing in FEATURES.items():
        if feature == "steps" and parts.layers[0].attention.latent(1) is not None:
            continue  # what follows a latent is no addition: without it nothing fits
        has = any(_has(layer.attention, feature, nothing) for layer in parts.layers)
        # A bias of unrotated keys adds the same to all of a query's scores.
        if has and not (feature == "b_k" and parts.layers[0].attention.rotary is None):
            assert differs(without(feature, nothing)), feature
    if parts.layers[0].attention.rotary is not None:
        interleaved = parts.layers[0].attention.interleaved
        assert differs(without("interleaved", not interleaved))
    for norm in ("post_attention", "post_mlp"):
        if any(getattr(layer, norm) is not None for layer in parts.layers):
            absent: dict[str, Any] = {norm: None}
            layers = (replace(layer, **absent) for layer in parts.layers)
            assert differs(replace(parts, layers=tuple(layers))), norm
    if parts.logit_scale != 1:
        assert differs(replace(parts, logit_scale=1.0))
    if parts.logit_cap is not None:
        assert differs(replace(parts, logit_cap=None))
    if parts.b_u is not None:
        assert differs(replace(parts, b_u=None))


def with_steps(parts: ModelParts, which: int, change: Callable[[FromLatent], Any]) -> ModelParts:
    """The parts with another step out of each layer's latent."""

    def changed(attention: Attention) -> Attention:
        latent = attention.latent(which)
        assert latent is not None
        steps = [change(latent) if i == which else step for i, step in enumerate(attention.steps)]
        return replace(attention, steps=(steps[0], steps[1], steps[2]))

    layers = (replace(layer, attention=changed(layer.attention)) for layer in parts.layers)
    return replace(parts, layers=tuple(layers))


def without_norm_of_latent(parts: ModelParts, which: int) -> ModelParts:
    return with_steps(parts, which, lambda latent: replace(latent, norm=nn.Identity()))


def with_heads_swapped(parts: ModelParts, which: int) -> ModelParts:
    return with_steps(parts, which, lambda latent: replace(latent, up=latent.up.flip(0)))


def _has(attention: Attention, feature: str, nothing: Any) -> bool:
    value = getattr(attention, feature)
    return value is not nothing if nothing is None else value != nothing


@pytest.mark.parametrize("make", [tiny_gpt2, tiny_llama, MAKERS["phi3"], MAKERS["qwen3"]])
def test_the_bridge_comes_late_and_changes_nothing(make: Any) -> None:
    model = Model.from_hf(*make(), name="tiny")
    usual = clean_logits(model.parts, TOKENS)
    assert model.bridge is model.bridge
    torch.testing.assert_close(model.bridge(TOKENS)[:, -1], usual, rtol=1e-4, atol=1e-4)
    assert torch.equal(clean_logits(model.parts, TOKENS), usual)
    again = parts_of(model.hf)  # its modules are wrapped by now
    assert torch.equal(clean_logits(again, TOKENS), usual)
    for parts in (model.parts, again):
        for layer in parts.layers:
            for module in modules_of(layer):
                assert not hasattr(module, "original_component")


@pytest.mark.parametrize("name", ["phi", "falcon new"])
def test_what_transformer_lens_cannot_wrap_is_exact_all_the_same(name: str) -> None:
    model = Model.from_hf(*MAKERS[name](), name="tiny")
    usual = clean_logits(model.parts, TOKENS)
    with pytest.raises(WorkbenchError, match="TransformerLens could not wrap tiny"):
        _ = model.bridge
    assert torch.equal(clean_logits(model.parts, TOKENS), usual)


def modules_of(layer: Layer) -> list[nn.Module]:
    return [m for part in (layer.norm1, layer.norm2, layer.mlp) for m in part.modules()]


def test_loading_and_analysing_takes_no_transformer_lens() -> None:
    code = (
        "import sys\n"
        "from tests.support.tiny_models import tiny_llama\n"
        "from workbench.models.model import Model\n"
        "model = Model.from_hf(*tiny_llama())\n"
        "import workbench.engine.evaluator, workbench.engine.patching\n"
        "import workbench.discovery.methods.eap\n"
        "assert model.check.passed\n"
        "print('transformer_lens' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "False", result.stderr


def test_weights_are_views() -> None:
    """Also of fused projections, unless they come head by head."""
    for name in ("gpt2", "llama", "phi3", "falcon", "mixtral", "granite"):
        model = model_of(name)
        known = {p.untyped_storage().data_ptr() for p in model.hf.parameters()}
        for layer in model.parts.layers:
            a = layer.attention
            for weight in (a.w_q, a.w_k, a.w_v, a.w_o, a.b_q, a.b_k, a.b_v, a.b_o):
                assert weight is None or weight.untyped_storage().data_ptr() in known
        assert model.parts.w_u.untyped_storage().data_ptr() in known


def test_a_latent_takes_room_once() -> None:
    """Not for every head, also where it is made float32 for a while."""
    model, _ = MAKERS["deepseek_v2"]()
    parts = parts_of(model.to(torch.bfloat16))
    known = {p.untyped_storage().data_ptr() for p in model.parameters()}
    for seen in (parts, widened(parts)):
        for layer in seen.layers:
            a = layer.attention
            for weight in (a.w_q, a.w_k, a.w_v):
                alone = weight[0].numel() * weight.element_size()
                assert weight.untyped_storage().nbytes() <= alone * len(weight) / 2
    a = parts.layers[0].attention
    for weight in (a.w_q, a.w_k, a.w_v, a.w_o, a.b_q, a.b_k, a.b_v, a.b_o):
        assert weight is not None and weight.untyped_storage().data_ptr() in known


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (
            lambda: made(
                hf.OPTForCausalLM,
                hf.OPTConfig,
                ffn_dim=24,
                word_embed_proj_dim=16,
                do_layer_norm_before=False,
            ),
            "normalises after each block",
        ),
        (
            lambda: made(hf.OPTForCausalLM, hf.OPTConfig, ffn_dim=24, word_embed_proj_dim=8),
            "projects its embeddings",
        ),
        (
            lambda: made(hf.GPT2LMHeadModel, hf.GPT2Config, add_cross_attention=True),
            "cross-attention",
        ),
        (
            lambda: made(hf.LlamaForCausalLM, hf.LlamaConfig, num_key_value_heads=3, head_dim=4),
            "do not divide evenly",
        ),
        (
            lambda: made(hf.DeepseekV3ForCausalLM, hf.DeepseekV3Config, num_key_value_heads=2),
            "4 heads with queries and fewer with keys",
        ),
        (
            lambda: made(
                hf.BloomForCausalLM,
                hf.BloomConfig,
                n_layer=2,
                n_head=4,
                apply_residual_connection_post_layernorm=True,
            ),
            "what a norm puts out",
        ),
        (
            lambda: (hf.GPT2Model(hf.GPT2Config(n_embd=8, n_head=2, n_layer=1)), tiny_tokenizer()),
            "no unembedding",
        ),
    ],
)
def test_variants_that_are_not_exact(make: Any, part: str) -> None:
    with pytest.raises(WorkbenchError, match=part) as caught:
        Model.from_hf(*make(), name="It")
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message


def test_heads_that_do_not_divide_evenly_have_no_parts() -> None:
    model, _ = made(hf.LlamaForCausalLM, hf.LlamaConfig, num_key_value_heads=3, head_dim=4)
    with pytest.raises(WorkbenchError, match="4 query heads do not divide evenly among 3"):
        parts_of(model)


def test_the_self_check_looks_beyond_a_window() -> None:
    """Which is longer than its usual prompts."""
    window = MAX_TOKENS + 6
    model = Model.from_hf(
        *made(hf.MistralForCausalLM, hf.MistralConfig, num_key_value_heads=2, sliding_window=window)
    )
    wider = tuple(
        replace(layer, attention=replace(layer.attention, window=window + 1))
        for layer in model.parts.layers
    )
    wrong = replace(model.parts, layers=wider)
    with pytest.raises(WorkbenchError, match="does not reproduce"):
        self_check(model.hf, wrong, model.tokenizer)
    model.hf.config.max_position_embeddings = window  # no room to see it
    assert self_check(model.hf, wrong, model.tokenizer).passed


@cases
def test_the_self_check_names_the_layer(name: str) -> None:
    model = model_of(name)
    layers = list(model.parts.layers)
    attention = layers[1].attention
    # One head's alone: a norm after attention undoes a factor on all.
    w_o = torch.cat([attention.w_o[:1] * 1.2, attention.w_o[1:]])
    layers[1] = replace(layers[1], attention=replace(attention, w_o=w_o))
    with pytest.raises(WorkbenchError, match="first in layer 1;"):
        self_check(model.hf, replace(model.parts, layers=tuple(layers)), model.tokenizer)


def test_attention_of_an_unknown_kind_is_refused() -> None:
    model, tokenizer = MAKERS["qwen2"]()
    model.config.layer_types = ["full_attention", "chunked_attention", "full_attention"]
    with pytest.raises(WorkbenchError, match="chunked_attention"):
        Model.from_hf(model, tokenizer)


def test_gemma_that_attends_forward_is_refused() -> None:
    model, tokenizer = MAKERS["gemma"]()
    model.config.use_bidirectional_attention = True
    with pytest.raises(WorkbenchError, match="forward as well as backward"):
        Model.from_hf(model, tokenizer)


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        (
            {"model_type": "bloom", "apply_residual_connection_post_layernorm": True},
            "what a norm puts out",
        ),
        ({"model_type": "opt", "do_layer_norm_before": False}, "after each block"),
        (
            {"model_type": "llama", "num_attention_heads": 9, "num_key_value_heads": 2},
            "9 query heads that do not divide evenly among 2",
        ),
        ({"model_type": "falcon", "num_attention_heads": 9, "num_kv_heads": 2}, "divide evenly"),
    ],
)
def test_variants_are_refused_before_weights_are_read(entries: dict[str, Any], part: str) -> None:
    with pytest.raises(WorkbenchError, match=part):
        require_supported(SimpleNamespace(**entries), "It")


def test_configurations_that_leave_everything_out_are_accepted() -> None:
    for family in FAMILIES:
        require_supported(SimpleNamespace(model_type=family))


@cases
def test_a_model_without_a_part_is_refused_by_name(name: str) -> None:
    """As if a release of transformers had moved or renamed any one of what an adapter may read."""
    model, _ = MAKERS[name]()
    refused = 0
    for owner, table, key in [*_attributes(model), *_settings(model)]:
        value = table.pop(key)
        try:
            parts_of(model)
        except WorkbenchError as error:
            refused += 1
            assert type(model).__name__ in str(error) or "workbench" in str(error)
            assert "\n" not in str(error)
        except Exception as error:
            pytest.fail(f"without {key} of a {owner}: {type(error).__name__}: {error}")
        finally:
            table[key] = value
    assert refused >= 3
    parts_of(model)


def _attributes(model: nn.Module) -> list[tuple[str, dict[str, Any], str]]:
    """Whatever the modules of the model and of its first layer have of their own."""
    found = []
    for path, module in model.named_modules():
        if ".1." in path or ".2." in path:
            continue
        tables = vars(module), module._modules, module._parameters, module._buffers
        for table in tables:
            for key in table:
                if not key.startswith("_") and key not in ("training", "config"):
                    found.append((type(module).__name__, table, key))
    return found


def _settings(model: Any) -> list[tuple[str, dict[str, Any], str]]:
    """The entries of the model's configuration."""
    settings = vars(model.config)
    return [("configuration", settings, key) for key in settings if not key.startswith("_")]


def test_gptj_keeps_its_table_of_positions_where_the_installed_transformers_does() -> None:
    model, tokenizer = MAKERS["gptj"]()
    assert Model.from_hf(model, tokenizer).check.passed
    model, tokenizer = MAKERS["gptj"]()
    for module in model.modules():
        if hasattr(module, "embed_positions"):
            del module.embed_positions
    with pytest.raises(WorkbenchError, match=r"GPTJForCausalLM.*embed_positions.*transformers"):
        Model.from_hf(model, tokenizer)
