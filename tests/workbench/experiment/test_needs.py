"""What metric and ablation make no use of may be missing: every number is the same without it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tasks import Pair
from tests.support.tiny_models import tiny_gpt2
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.errors import WorkbenchError
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import prepare, task_warnings
from workbench.models.model import Model
from workbench.readouts.catalogue import read_out

PAIRS = (
    Pair("Mary and John went", "Mary and Paul went", (" John",), (" Mary",)),
    Pair("the man and John went", "the man and Mary went", (" John",), (" Mary", " Paul")),
)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.from_hf(*tiny_gpt2())


def written(folder: Path, *names: str) -> Path:
    path = folder / f"{'-'.join(names)}.jsonl"
    records = [{name: getattr(pair, name) for name in names} for pair in PAIRS]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def numbers(experiment: Experiment) -> list[float]:
    """What the runs and some circuit score, pair by pair."""
    edges = list(experiment.graph.edges())[::2]
    made = Circuit.from_edges(experiment.graph, edges)
    circuit = Evaluator(experiment, made).value()
    runs = (experiment.clean, experiment.corrupted, circuit)
    return [value for run in runs for value in run.per_pair]


@pytest.mark.parametrize("ablation", ["zero", "mean", "positional-mean", "context-mean"])
def test_only_patching_makes_use_of_corrupted_prompts(
    model: Model, tmp_path: Path, ablation: str
) -> None:
    whole = written(tmp_path, "clean", "corrupted", "answers", "wrong_answers")
    without = written(tmp_path, "clean", "answers", "wrong_answers")
    expected = numbers(prepare(model, whole, ablation=ablation))
    assert numbers(prepare(model, without, ablation=ablation)) == expected
    with pytest.raises(WorkbenchError, match="corrupted is missing, which --ablation zero"):
        prepare(model, without)


def test_kl_makes_no_use_of_answers(model: Model, tmp_path: Path) -> None:
    whole = written(tmp_path, "clean", "corrupted", "answers", "wrong_answers")
    without = written(tmp_path, "clean", "corrupted")
    on = prepare(model, without, metric="kl")
    assert numbers(on) == numbers(prepare(model, whole, metric="kl"))
    assert math.isnan(on.clean.accuracy)
    # What reads the answers says so instead of computing with none.
    with pytest.raises(WorkbenchError, match="needs answers, which some pairs lack"):
        on.with_metric("logit_diff")
    with pytest.raises(WorkbenchError, match="some of these pairs lack"):
        read_out(on, "attribution")
    assert not any(
        "%" in one for one in task_warnings("kl", on.clean, on.corrupted, measurable=True)
    )


def test_answers_alone_are_enough_for_accuracy_and_probability(
    model: Model, tmp_path: Path
) -> None:
    right = written(tmp_path, "clean", "corrupted", "answers")
    for metric in ("accuracy", "prob_diff"):
        on = prepare(model, right, metric=metric)
        logits = on.recordings[0].clean.final[:, -1]
        assert logits.shape[0] == 1, "two groups of one pair"
        share = on.clean.per_pair[0]
        assert 0 <= share <= 1
        with pytest.raises(WorkbenchError, match="needs wrong answers"):
            on.with_metric("logit_diff")


def test_what_is_odd_is_warned_of_in_scripts(model: Model) -> None:
    from tasks import Task

    swapped = [
        replace(pair, answers=pair.wrong_answers, wrong_answers=pair.answers) for pair in PAIRS
    ]
    task = Task("swapped", tuple(swapped), "logit_diff", "Swapped.", warnings=("Odd.",))
    straight = prepare(model, replace(task, pairs=PAIRS, warnings=()))
    sign = straight.clean.metric > 0
    with pytest.warns(UserWarning, match="prefers the wrong answers"):
        prepare(model, task if sign else replace(task, pairs=PAIRS))
    with pytest.warns(UserWarning, match=r"^Odd\.$"):
        prepare(model, task)
