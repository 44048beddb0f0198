"""Every adapter with mistakes in it: the check on loading refuses them, in short numbers too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.support.cases.family_cases import MAKERS, ONE_OF_EACH
from tests.support.mutated_parts import mutations
from workbench.errors import WorkbenchError
from workbench.models import self_check as checking
from workbench.models.device import in_numbers
from workbench.models.self_check import self_check
from workbench.models.transformers_access import with_plain_attention
from workbench.transformer.families import parts_of

pytestmark = [pytest.mark.dependencies, pytest.mark.slow]

LEAST = 30

UNSEEN = {
    "falcon alibi": ("distances by 1.001",),
    "mpt": ("scale by 1.001", "distances by 1.001"),
}
"""By family the mistakes that may pass: they move the logits by less than what is allowed."""

COARSE = ("gemma4_text", "gemma4_text experts", "falcon alibi")
"""Their adapters' weights are rounded once more in short numbers."""

SMALL = ("scale by", "logit scale", "epsilon", "final norm's epsilon", "embedding", "distances by",
         "w_q by", "w_k by", "the norm before")  # fmt: skip
"""How mistakes begin that may pass with these in bfloat16: less than a place of its numbers."""


@pytest.mark.parametrize("name", MAKERS)
def test_mistakes_are_refused(name: str) -> None:
    passed, count = _passing(name, torch.float32)
    assert count >= LEAST
    assert not [said for said in passed if not said.startswith(UNSEEN.get(name, ()))]


@pytest.mark.parametrize("name", sorted({*ONE_OF_EACH, *COARSE}))
def test_mistakes_are_refused_in_short_numbers(name: str) -> None:
    passed, count = _passing(name, torch.bfloat16)
    assert count >= LEAST
    known = SMALL if name in COARSE else UNSEEN.get(name, ())
    assert not [said for said in passed if not said.startswith(known)]


def _passing(name: str, dtype: torch.dtype) -> tuple[list[str], int]:
    """The mistakes that pass, and how many were tried."""
    hf, tokenizer = MAKERS[name]()
    hf = in_numbers(hf, dtype)
    with_plain_attention(hf)
    parts = parts_of(hf)
    assert self_check(hf, parts, tokenizer, name).passed
    passed, count = [], 0
    for said, changed in mutations(parts):
        count += 1
        try:
            self_check(hf, changed, tokenizer, name)
            passed.append(said)
        except WorkbenchError:
            continue
    assert {weight.dtype for weight in hf.parameters()} == {dtype}
    return passed, count


def test_without_memory_for_float32_a_missing_softcap_shows_in_short_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a tolerance that is what rounding does to the model."""
    monkeypatch.setattr(checking, "ROOM", 0.0)
    hf, tokenizer = MAKERS["gemma2"]()
    hf = in_numbers(hf, torch.bfloat16)
    with_plain_attention(hf)
    parts = parts_of(hf)
    check = self_check(hf, parts, tokenizer)
    assert check.numbers == "bfloat16"
    assert check.relative < check.tolerance < 0.07
    layers = tuple(
        replace(layer, attention=replace(layer.attention, softcap=None)) for layer in parts.layers
    )
    with pytest.raises(WorkbenchError, match="does not reproduce"):
        self_check(hf, replace(parts, layers=layers), tokenizer)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_without_memory_for_float32_an_honest_engine_passes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "ROOM", 0.0)
    for dtype in (torch.bfloat16, torch.float16):
        hf, tokenizer = MAKERS[name]()
        hf = in_numbers(hf, dtype)
        with_plain_attention(hf)
        assert self_check(hf, parts_of(hf), tokenizer, name).passed
