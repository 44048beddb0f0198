"""The lens of the residual stream, against plain transformers and TransformerLens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformer_lens.tools.analysis import logit_lens

from tests.support.cases.readout_cases import FAMILIES, PAIRS, case
from workbench.errors import WorkbenchError
from workbench.readouts import residual_lens as residual
from workbench.readouts.residual_lens import residual_lens

TOLERANCE = 1e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("run", ["clean", "corrupted"])
@pytest.mark.parametrize("pair", [None, 2])
def test_rows_equal_the_reference(family: str, run: str, pair: int | None) -> None:
    made = case(family)
    chosen = range(len(PAIRS)) if pair is None else [pair]
    for position in (-1, -2):
        view = residual_lens(made.experiment, position=position, pair=pair, k=4, run=run)
        assert [row.name for row in view.rows] == ["embeddings", "layer 0", "layer 1"]
        assert [row.layer for row in view.rows] == [-1, 0, 1]
        for depth, row in enumerate(view.rows):
            probabilities, differences = [], []
            for i in chosen:
                x = made.written(i, run).residuals[depth][position]
                logits = made.reference.logits_of(x, x, biases=True)
                probabilities.append(logits.softmax(-1))
                right, wrong = made.answers(i)
                differences.append(float(logits[right].mean() - logits[wrong].mean()))
            mean = torch.stack(probabilities).mean(0)
            top = mean.topk(4)
            assert [t.id for t in row.top] == top.indices.tolist()
            assert [t.value for t in row.top] == pytest.approx(top.values.tolist(), abs=1e-5)
            wanted = sum(differences) / len(differences)
            assert row.logit_difference == pytest.approx(wanted, abs=TOLERANCE)
            assert row.metric == row.logit_difference


@pytest.mark.parametrize("metric", ["logit_diff", "prob_diff", "accuracy", "kl"])
def test_last_row_has_the_runs_metric(metric: str) -> None:
    experiment = case("llama", metric).experiment
    clean = residual_lens(experiment).rows
    corrupted = residual_lens(experiment, run="corrupted").rows
    assert clean[-1].metric == pytest.approx(experiment.clean.metric, abs=1e-5)
    assert corrupted[-1].metric == pytest.approx(experiment.corrupted.metric, abs=1e-5)
    assert len({row.metric for row in clean}) > 1


def test_rows_do_not_depend_on_how_many_layers_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = case("neox", "prob_diff").experiment
    together = residual_lens(experiment)
    monkeypatch.setattr(residual, "MAX_LOGITS", 1)
    turns = []

    @contextmanager
    def turn() -> Iterator[None]:
        turns.append("taken")
        yield

    apart = residual_lens(experiment, turn=turn)
    assert len(turns) == 3
    for one, other in zip(together.rows, apart.rows, strict=True):
        assert [t.id for t in one.top] == [t.id for t in other.top]
        assert one.metric == pytest.approx(other.metric, abs=1e-6)
        assert one.logit_difference == pytest.approx(other.logit_difference, abs=1e-6)


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox"])
def test_agrees_with_transformer_lens(family: str) -> None:
    made = case(family)
    hf, _ = FAMILIES[family]()
    bridge = build_bridge_from_module(hf, type(hf).__name__, hf_config=hf.config, model_name="tiny")
    group = next(g for g in made.experiment.batch.groups if 1 in g.indices)
    tokens = group.clean[group.indices.index(1)][None]
    theirs = logit_lens(bridge, tokens, positions=-1, return_type="probs", top_k=5)
    view = residual_lens(made.experiment, pair=1, k=5)
    for row, ids, values in zip(
        view.rows, theirs.readout.top_ids, theirs.readout.values, strict=True
    ):
        assert [t.id for t in row.top] == ids.flatten().tolist()
        assert [t.value for t in row.top] == pytest.approx(values.flatten().tolist(), abs=1e-5)


def test_refuses_what_is_not_there() -> None:
    experiment = case("gpt2").experiment
    with pytest.raises(WorkbenchError, match="outside"):
        residual_lens(experiment, position=5)
    with pytest.raises(WorkbenchError, match="no pair"):
        residual_lens(experiment, pair=5)
    with pytest.raises(WorkbenchError, match="at least one"):
        residual_lens(experiment, k=0)
