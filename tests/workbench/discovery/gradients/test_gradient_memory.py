"""What the methods that go by gradients take, beside the tensors that there really are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.live_bytes import LiveBytes
from tests.workbench.model_report.test_footprint import NAMES, experiment
from workbench.base.work import finish
from workbench.discovery.gradients.scoring import streamed_scores
from workbench.discovery.gradients.slices import (
    Keeping,
    pair_bytes,
    pairs_at_once,
    slice_bytes,
    slices,
    streamed,
    table_bytes,
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
            assert 0.35 < live.peak / counted < 1, module


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_streamed_slice_takes_what_is_counted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One slice is let go of before the next is recorded, however many there are."""
    shape = Shape(6, 30, 10)
    made: Any = experiment(name, (shape,), torch.float32)
    monkeypatch.setattr(
        "workbench.discovery.gradients.slices.lean_keeping", lambda *_: Keeping(True, lean=True)
    )
    keeping = Keeping(recorded=True, lean=True)
    two = table_bytes(made.parts) + 2 * pair_bytes(made.parts, shape.tokens, shape.start, keeping)
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": two})
    with LiveBytes() as live:
        finish(streamed_scores(made.model, made.batch, eap.scorer(Options())))
    assert len(list(streamed(made.model, made.batch, "logit_diff", lean=True))) == 3
    assert live.peak < slice_bytes(made.parts, Shape(2, 30, 10), keeping)


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt_neox"])
def test_what_is_made_again_makes_the_same_scores(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether an MLP's inside is kept, nothing that can be made again is, or all is recorded."""
    made: Any = experiment(name, (Shape(3, 12, 0), Shape(2, 14, 5)), torch.float32)
    scorer = eap.scorer(Options())
    expected = finish(streamed_scores(made.model, made.batch, replace(scorer, lean=False)))
    monkeypatch.setattr("workbench.discovery.gradients.table_room.TIGHT", 2**40)
    for kept in ({"inside": True}, {"tight": True}, {}):
        keeping = Keeping(recorded=True, lean=True, **kept)
        monkeypatch.setattr(
            "workbench.discovery.gradients.slices.lean_keeping", lambda *_, own=keeping: own
        )
        own = finish(streamed_scores(made.model, made.batch, scorer))
        np.testing.assert_allclose(own, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_the_footprint_is_that_of_the_largest_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = experiment("llama", (Shape(2, 6, 1),), torch.float32).parts
    assert predict(parts, [Shape(7, 20, 5)]).eap == slice_bytes(parts, Shape(7, 20, 5))
    room = table_bytes(parts) + 3 * pair_bytes(parts, 20, 5)
    monkeypatch.setattr("workbench.discovery.gradients.slices.SLICE_BYTES", {"cpu": room})
    assert pairs_at_once(parts, 20, 5) == 3
    three = slice_bytes(parts, Shape(3, 20, 5))
    assert predict(parts, [Shape(7, 20, 5)]).eap == three
    largest = slice_bytes(parts, Shape(1, 60, 0))
    assert largest > three
    assert predict(parts, [Shape(7, 20, 5), Shape(1, 60, 0)]).eap == largest
