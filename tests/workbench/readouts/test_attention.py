"""Attention patterns, against the attentions of plain transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.cases.readout_cases import FAMILIES, PAIRS, case
from workbench.errors import WorkbenchError
from workbench.readouts.attention import attention_pattern


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("run", ["clean", "corrupted"])
def test_pattern_equals_the_models(family: str, run: str) -> None:
    made = case(family)
    for pair in range(len(PAIRS)):
        written = made.written(pair, run)
        for head, wanted in written.patterns.items():
            view = attention_pattern(made.experiment, head, pair=pair, run=run)
            np.testing.assert_allclose(view.weights, wanted.numpy(), atol=1e-5)
            assert view.weights.dtype == np.float32
            assert len(view.tokens) == len(view.weights)


def test_tokens_are_the_prompts() -> None:
    experiment = case("gpt2").experiment
    assert "".join(attention_pattern(experiment, "a0.h0", pair=2).tokens) == PAIRS[2].clean
    corrupted = attention_pattern(experiment, "a0.h0", pair=2, run="corrupted")
    assert "".join(corrupted.tokens) == PAIRS[2].corrupted


def test_mean_over_prompts_of_one_length() -> None:
    made = case("llama", pairs=(0, 2, 4))
    view = attention_pattern(made.experiment, "a1.h3", pair=None)
    patterns = [made.written(i).patterns["a1.h3"] for i in range(3)]
    np.testing.assert_allclose(view.weights, torch.stack(patterns).mean(0).numpy(), atol=1e-5)
    assert view.tokens[0] == "The"
    assert view.tokens[1] == "..."  # keys, books, key
    assert view.place.n_pairs == 3


def test_no_mean_over_prompts_of_several_lengths() -> None:
    with pytest.raises(WorkbenchError, match="5 to 8 tokens"):
        attention_pattern(case("gpt2").experiment, "a0.h0", pair=None)


@pytest.mark.parametrize("node", ["m0", "input", "logits"])
def test_only_heads_have_a_pattern(node: str) -> None:
    with pytest.raises(WorkbenchError, match="Only heads"):
        attention_pattern(case("gpt2").experiment, node, pair=0)


def test_unknown_heads_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="no node"):
        attention_pattern(case("gpt2").experiment, "a0.h9", pair=0)
