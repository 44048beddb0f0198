"""What the methods that go by gradients take, beside the tensors that there really are."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.support.live_bytes import LiveBytes
from tests.workbench.model_report.test_footprint import NAMES, experiment
from workbench.base.work import finish
from workbench.discovery.gradients.scoring import streamed_scores
from workbench.discovery.gradients.slices import (
    Keeping,
    pairs_at_once,
    slice_bytes,
    slices,
    streamed,
)
from workbench.discovery.methods import clean_corrupted, eap, eap_ig, gim, relp
from workbench.discovery.options import Options
from workbench.experiment.room import Shape
from workbench.model_report.footprint import predict

pytestmark = pytest.mark.slow

SHAPES = (Shape(6, 20, 0), Shape(6, 40, 30))


# Each family in one of the two.
DTYPES = [(torch.float32, torch.bfloat16)[number % 2] for number in range(len(NAMES))]


@pytest.mark.parametrize(("name", "dtype"), zip(NAMES, DTYPES, strict=True))
def test_a_slice_takes_what_is_counted(name: str, dtype: torch.dtype) -> None:
    for shape in SHAPES:
        made = experiment(name, (shape,), dtype)
        for module in (eap, eap_ig, gim, relp, clean_corrupted):
            scorer = module.scorer(Options(steps=2))
            if scorer.rules.into_mlps and name == "qwen2_moe":
                continue
            (piece,) = slices(made, anew=scorer.anew)
            with LiveBytes() as live:
                finish(scorer.score(piece))
            counted = slice_bytes(made.parts, shape, Keeping(anew=scorer.anew))
            assert 0.4 < live.peak / counted < 1, module


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_streamed_slice_takes_what_is_counted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One slice is let go of before the next is recorded, however many there are."""
    shape = Shape(6, 30, 10)
    made: Any = experiment(name, (shape,), torch.float32)
    one = pair_bytes(made.parts, shape.tokens, shape.start, recorded=True)
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": 2 * one})
    with LiveBytes() as live:
        finish(streamed_scores(made.model, made.batch, eap.scorer(Options())))
    assert len(list(streamed(made.model, made.batch, "logit_diff"))) == 3
    assert live.peak < 2 * one


def test_the_footprint_is_that_of_the_largest_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = experiment("llama", (Shape(2, 6, 1),), torch.float32).parts
    one = pair_bytes(parts, 20, 5)
    assert predict(parts, [Shape(7, 20, 5)]).eap == 7 * one
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": 3 * one})
    assert pairs_at_once(parts, 20, 5) == 3
    assert predict(parts, [Shape(7, 20, 5)]).eap == 3 * one
    assert predict(parts, [Shape(7, 20, 5), Shape(1, 60, 0)]).eap == pair_bytes(parts, 60, 0)
