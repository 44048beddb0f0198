"""Means over prompts of another data set, held to explicit loops over plain runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks import make_task
from tasks.task import Task
from tests.support.cases.engine_cases import stand_in
from tests.support.cases.session_cases import FAMILIES, tiny
from tests.support.references.engine import Reference
from workbench.circuits.circuit import Circuit
from workbench.engine.evaluator import Evaluator
from workbench.engine.score import evaluate
from workbench.errors import WorkbenchError
from workbench.experiment.ablations import names_of_means
from workbench.experiment.experiment import Experiment
from workbench.experiment.prepare import means_batch
from workbench.experiment.settings import ExperimentSettings
from workbench.models.model import Model
from workbench.prompts.batch import Batch, make_batch
from workbench.prompts.pair_json import pair_to_json
from workbench.session.start import build_session, resume_session


def references(hf: Any, batch: Batch) -> list[Reference]:
    return [Reference(hf, group.clean, group.corrupted) for group in batch.groups]


@pytest.mark.parametrize("ablation", names_of_means())
@pytest.mark.parametrize("family", list(FAMILIES))
def test_means_over_other_prompts(family: str, ablation: str) -> None:
    hf, tokenizer = FAMILIES[family]()
    model = Model.from_hf(hf, tokenizer, name=family)
    batch = make_batch(make_task("ioi", tokenizer, 3, 0), tokenizer)
    data = make_batch(make_task("ioi", tokenizer, 30, 1), tokenizer)
    experiment = Experiment(model, batch, ablation=ablation, means=data)
    prompts, runs = [group.clean for group in data.groups], references(hf, data)
    own = references(hf, batch)
    for group, reference, recording in zip(batch.groups, own, experiment.recordings, strict=True):
        for name in ("input", "m0", "m1"):
            expected = stand_in(
                ablation,
                group.clean,
                reference.clean_writes[name],
                prompts,
                [run.clean_writes[name] for run in runs],
            )
            found = recording.corrupted.embedding
            if name != "input":
                found = recording.corrupted.layers[int(name[1:])].mlp_out
            torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    full = Evaluator(experiment, Circuit.full(model.graph)).value()
    np.testing.assert_allclose(full.per_pair, experiment.clean.per_pair, atol=2e-5)


def unmatched(batch: Batch, data: Batch) -> int:
    """Tokens of the batch that stand nowhere in the data at the same position of the same
    length.
    """
    seen = {
        (group.length, position, int(token))
        for group in data.groups
        for row in group.clean
        for position, token in enumerate(row)
    }
    return sum(
        (group.length, position, int(token)) not in seen
        for group in batch.groups
        for row in group.clean
        for position, token in enumerate(row)
    )


def test_tokens_without_data_are_counted_and_told(tmp_path: Path) -> None:
    model, _ = tiny("gpt2")
    task = make_task("ioi", model.tokenizer, 3, 0)
    batch = make_batch(task, model.tokenizer)
    data = make_batch(make_task("ioi", model.tokenizer, 8, 5), model.tokenizer)
    experiment = Experiment(model, batch, ablation="context-mean", means=data)
    assert experiment.unmatched == unmatched(batch, data) > 0
    whole = Experiment(model, batch, ablation="context-mean")
    assert whole.unmatched == 0
    path = tmp_path / "one.jsonl"
    path.write_text(as_lines(make_task("ioi", model.tokenizer, 8, 5)))
    session = build_session(
        model, task, ablation="context-mean", means=str(path), journal=tmp_path / "journal"
    )
    told = [w for w in session.task.warnings if "positional mean stands in" in w]
    assert len(told) == 1 and f"{experiment.unmatched:,} tokens" in told[0]
    again = session.status().corrupted_metric
    session.close()
    with resume_session(tmp_path / "journal", model=model) as resumed:
        assert resumed.status().corrupted_metric == again
    assert again == pytest.approx(experiment.corrupted.metric, abs=1e-6)


def as_lines(task: Task) -> str:
    return "".join(json.dumps(pair_to_json(pair)) + "\n" for pair in task.pairs)


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    model, task = tiny("gpt2")
    circuit = Circuit.full(model.graph)
    with pytest.raises(WorkbenchError, match="takes no means"):
        means_batch(model, ExperimentSettings("tiny", "ioi", ablation="zero", means="ioi"))
    path = tmp_path / "short.jsonl"
    pair = task.pairs[0]
    short = replace(pair, clean=f"{pair.clean} the", corrupted=f"{pair.corrupted} the")
    path.write_text(as_lines(replace(task, pairs=(short,))))
    with pytest.raises(WorkbenchError, match="none of their prompts has"):
        evaluate(model, task, circuit, ablation="positional-mean", means=str(path))
    score = evaluate(model, task, circuit, ablation="mean", means=str(path))
    assert score.circuit == pytest.approx(score.clean, abs=1e-5)
