"""Training with checkpoints: which there are, and that going on changes nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from workbench.bundled_models.pocket import kept_training
from workbench.bundled_models.pocket.kept_training import STATE, KeptTraining, checkpoint_steps
from workbench.bundled_models.pocket.recipe import Recipe, Training, train
from workbench.errors import Cancelled, WorkbenchError
from workbench.models.model import load_model

SMALL = replace(Recipe(), layers=1, heads=2, d_model=8, batch=2, steps=6, warm=2)


@pytest.mark.parametrize(
    ("n", "steps"), [(2, 1), (2, 3000), (3, 2), (24, 3000), (301, 300), (7, 6)]
)
def test_steps_begin_with_none_and_end_with_all_and_grow(n: int, steps: int) -> None:
    found = checkpoint_steps(n, steps)
    assert (len(found), found[0], found[-1]) == (n, 0, steps)
    assert all(a < b for a, b in pairwise(found))


def test_steps_lie_a_ratio_apart() -> None:
    found = checkpoint_steps(7, 300_000)
    ratios = [b / a for a, b in pairwise(found[1:])]
    assert found[1] == 1000 and ratios == pytest.approx([300 ** (1 / 5)] * 5, rel=1e-3)


@pytest.mark.parametrize(("n", "steps"), [(1, 5), (8, 6)])
def test_more_checkpoints_than_steps_are_refused(n: int, steps: int) -> None:
    with pytest.raises(WorkbenchError, match=f"ask for 2 to {steps + 1}"):
        checkpoint_steps(n, steps)


def test_a_training_that_goes_on_is_the_one_that_was_not_interrupted(tmp_path: Path) -> None:
    whole = train(SMALL).state_dict()
    kept = KeptTraining(tmp_path, SMALL, (0, 2, 6))
    stop = threading.Event()

    def after(training: Training) -> None:
        if training.step == 4:
            stop.set()
        kept.after(training, stop)

    with pytest.raises(Cancelled):
        train(SMALL, training=kept.begun(), after=after)
    assert (tmp_path / STATE).is_file()
    again = KeptTraining(tmp_path, SMALL, (0, 2, 6))
    begun = again.begun()
    assert begun.step == 4
    found = train(SMALL, training=begun, after=again.after).state_dict()
    assert all(torch.equal(found[name], whole[name]) for name in whole)
    again.ended()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-0", "checkpoint-2", "checkpoint-6",
    ]  # fmt: skip
    last = load_model(str(tmp_path / "checkpoint-6"), device="cpu").hf.state_dict()
    assert torch.equal(last["transformer.wte.weight"], whole["transformer.wte.weight"])
    first = load_model(str(tmp_path / "checkpoint-0"), device="cpu").hf.state_dict()
    assert torch.equal(
        first["transformer.wte.weight"],
        Training(SMALL).model.state_dict()["transformer.wte.weight"],
    )


def test_what_is_there_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_training, "KEPT", 1)
    kept = KeptTraining(tmp_path, SMALL)
    kept.after(kept.begun())
    with pytest.raises(WorkbenchError, match="other settings"):
        KeptTraining(tmp_path, replace(SMALL, seed=1)).begun()
    with pytest.raises(WorkbenchError, match="other settings"):
        KeptTraining(tmp_path, SMALL, (0, 6)).begun()
    (tmp_path / STATE).write_bytes(b"no training")
    with pytest.raises(WorkbenchError, match="damaged"):
        KeptTraining(tmp_path, SMALL).begun()
    (tmp_path / STATE).rename(tmp_path / "thesis.tex")
    with pytest.raises(WorkbenchError, match="There is something in"):
        KeptTraining(tmp_path, SMALL).begun()
    assert (tmp_path / "thesis.tex").is_file()
