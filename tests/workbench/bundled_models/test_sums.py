"""The model `sums` adds, also what it never saw, and shows a wait and a transfer."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch

from workbench import AllForOneSettings, all_for_one, knockout_map, load_model, load_task, prepare
from workbench.bundled_models.sums import (
    NUMBERS,
    ONE_IN,
    VOCABULARY,
    Recipe,
    accuracy,
    answers,
    held_out,
    main,
    new_model,
    problems,
    train,
    write,
)
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.settings import ExperimentSettings
from workbench.flow.prompts import prompts_for_means
from workbench.models.bundled import SUMS
from workbench.models.model import Model

LEAST = 0.9
"""Of the problems that it never saw, so many it has to answer rightly."""


@cache
def sums() -> Model:
    return load_model("sums", device="cpu")


@cache
def experiment() -> Experiment:
    return prepare(sums(), "mental-math", pairs=128)


def test_it_adds_what_it_never_saw() -> None:
    unseen = [(a, b) for a, b in problems(held=True)]
    seen = problems(held=False)
    assert len(unseen) + len(seen) == NUMBERS * (NUMBERS + 1) // 2
    assert 0.5 / ONE_IN < len(unseen) / len(seen) < 2 / ONE_IN
    assert all(held_out(a, b) for a, b in unseen) and not any(held_out(a, b) for a, b in seen)
    hf = sums().hf
    assert accuracy(hf, held=True) > LEAST and accuracy(hf, held=False) > LEAST
    tokenizer = sums().tokenizer
    ids = tokenizer("12+34=")["input_ids"]
    assert [VOCABULARY[i] for i in ids] == [tokenizer.bos_token, "12", "+", "34", "="]
    with torch.no_grad():
        assert int(answers(hf, torch.tensor([[12, 34]])).argmax()) == 46


def test_it_is_small_and_its_card_says_what_it_does() -> None:
    folder = SUMS.checked_folder
    assert sum(file.stat().st_size for file in folder.iterdir()) < 2**20
    card = (folder / "README.md").read_text()
    assert f"{accuracy(sums().hf, held=True):.1%}" in card
    assert f"{Recipe().steps:,} steps" in card


def test_its_task_is_mental_math() -> None:
    task = load_task("mental-math", sums(), pairs=64)
    assert all(len(pair.wrong_answers) == NUMBERS - 1 for pair in task.pairs)
    assert experiment().clean.accuracy > LEAST


def test_all_is_computed_at_the_last_token_which_begins_at_once() -> None:
    """All for one: no other token needs to see any, and the last one cannot wait."""
    settings = ExperimentSettings("sums", "mental-math", pairs=128)
    over = prompts_for_means(sums(), settings, 1000)
    found = all_for_one(experiment(), over=over, settings=AllForOneSettings(others="own"))
    assert found.accuracy[0][-1] is not None and found.accuracy[0][-1] > LEAST
    assert found.wait == 0 and found.transfer == (0, 1, 2, 3)
    assert all(score.accuracy < 0.2 for score in found.waiting[1:])
    knocked = knockout_map(experiment())
    numbers = [knocked.effect[knocked.positions.index(position)] for position in (-4, -2)]
    signs = [knocked.effect[knocked.positions.index(position)] for position in (-5, -3)]
    assert all(row[0] is not None and row[0] < -10 for row in numbers)
    assert all(value is not None and abs(value) < 1 for row in signs for value in row)


def test_training_goes_the_way_that_is_written_down(tmp_path: Path) -> None:
    recipe = Recipe(steps=100, batch=64, layers=1)
    before = new_model(recipe)
    said: list[float] = []
    model = train(recipe, lambda _, share: said.append(share or 0))
    assert said == [1.0] and not model.training
    asked = torch.tensor(problems(held=False))
    with torch.no_grad():
        losses = [
            float(torch.nn.functional.cross_entropy(answers(one, asked), asked.sum(1)))
            for one in (before, model)
        ]
    assert losses[1] < losses[0] - 0.2
    write(tmp_path / "made", model, recipe)
    again = load_model(str(tmp_path / "made"), device="cpu")
    assert again.info.layers == 1
    with pytest.raises(WorkbenchError, match="something in"):
        main([str(tmp_path / "made")])
