"""Attention patterns, against the attentions of plain transformers."""

from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.parametrize("run", ["clean", "corrupted"])
def test_the_mean_is_by_role_whatever_the_lengths(run: str) -> None:
    made = case("llama")
    roles = made.experiment.batch.roles
    view = attention_pattern(made.experiment, "a1.h3", pair=None, run=run)
    assert view.by_role and view.tokens == roles.names
    assert len({group.length for group in made.experiment.batch.groups}) > 1
    for r, query in enumerate(roles.names):
        having = [i for i in range(len(PAIRS)) if query in roles.at(i)]
        for k, key in enumerate(roles.names):
            shares = []
            for pair in having:
                pattern = made.written(pair, run).patterns["a1.h3"]
                keys = list(roles.positions(key, pair))
                sums = [float(pattern[q, keys].sum()) for q in roles.positions(query, pair)]
                shares.append(sum(sums) / len(sums))
            assert view.weights[r, k] == pytest.approx(sum(shares) / len(shares), abs=1e-5)
    np.testing.assert_allclose(view.weights.sum(1), 1, atol=1e-4)
    assert view.place.n_pairs == len(PAIRS)
    assert view.row_at == roles.of_pairs[0]


@pytest.mark.parametrize("node", ["m0", "input", "logits"])
def test_only_heads_have_a_pattern(node: str) -> None:
    with pytest.raises(WorkbenchError, match="Only heads"):
        attention_pattern(case("gpt2").experiment, node, pair=0)


def test_unknown_heads_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="no node"):
        attention_pattern(case("gpt2").experiment, "a0.h9", pair=0)
