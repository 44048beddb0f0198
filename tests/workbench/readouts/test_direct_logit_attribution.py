"""Direct logit attribution: against plain transformers, TransformerLens, and its own sum."""

from __future__ import annotations

import pytest
import torch
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformer_lens.tools.analysis import direct_logit_attribution as their_attribution

from tests.support.cases.readout_cases import FAMILIES, PAIRS, Case, case
from workbench.errors import WorkbenchError
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.results import DirectAttribution

TOLERANCE = 1e-4


def difference(logits: torch.Tensor, answers: tuple[list[int], list[int]]) -> float:
    right, wrong = answers
    return float(logits[right].mean() - logits[wrong].mean())


def expected(case: Case, pair: int, run: str) -> dict[str, float]:
    """Every row for one pair, read off the logits that each part writes alone."""
    written = case.written(pair, run)
    sources = case.experiment.model.graph.sources
    parts = {name: case.reference.lens(written, name, -1) for name in sources}
    parts |= case.reference.other_logits(written, -1)
    return {name: difference(logits, case.answers(pair)) for name, logits in parts.items()}


def as_dict(view: DirectAttribution) -> dict[str, float]:
    return {row.node: row.value for row in view.rows}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("run", ["clean", "corrupted"])
def test_every_row_equals_the_reference(family: str, run: str) -> None:
    made = case(family)
    by_pair = [expected(made, pair, run) for pair in range(len(PAIRS))]
    for pair, wanted in enumerate(by_pair):
        rows = as_dict(direct_logit_attribution(made.experiment, pair=pair, run=run))
        assert rows == pytest.approx({name: wanted[name] for name in rows}, abs=TOLERANCE)
        assert all(abs(wanted[name]) < 1e-12 for name in set(wanted) - set(rows))
    mean = as_dict(direct_logit_attribution(made.experiment, run=run))
    for name, value in mean.items():
        assert value == pytest.approx(sum(w[name] for w in by_pair) / len(PAIRS), abs=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("run", ["clean", "corrupted"])
@pytest.mark.parametrize("pair", [None, 1])
def test_rows_sum_to_the_logit_difference(family: str, run: str, pair: int | None) -> None:
    made = case(family)
    view = direct_logit_attribution(made.experiment, pair=pair, run=run)
    assert sum(row.value for row in view.rows) == pytest.approx(view.total, abs=TOLERANCE)
    chosen = range(len(PAIRS)) if pair is None else [pair]
    model = [difference(made.written(i, run).logits[-1], made.answers(i)) for i in chosen]
    assert view.total == pytest.approx(sum(model) / len(model), abs=TOLERANCE)


def test_total_is_the_metric() -> None:
    experiment = case("llama").experiment
    assert direct_logit_attribution(experiment).total == pytest.approx(
        experiment.clean.metric, abs=1e-5
    )
    corrupted = direct_logit_attribution(experiment, run="corrupted")
    assert corrupted.total == pytest.approx(experiment.corrupted.metric, abs=1e-5)


@pytest.mark.parametrize(
    ("family", "others"),
    [
        ("gpt2", ["position embedding", "biases"]),
        ("llama", []),
        ("neox", ["biases"]),
        ("gpt2 with unembedding bias", ["position embedding", "biases", "unembedding bias"]),
    ],
)
def test_rows_are_the_sources_and_what_the_model_has_besides(
    family: str, others: list[str]
) -> None:
    experiment = case(family).experiment
    rows = [row.node for row in direct_logit_attribution(experiment).rows]
    assert rows == [*experiment.model.graph.sources, *others]


def test_rank_and_value_of_a_node() -> None:
    view = direct_logit_attribution(case("gpt2").experiment)
    ranked = view.ranked()
    assert [abs(r.value) for r in ranked] == sorted((abs(r.value) for r in view.rows), reverse=True)
    assert view.rank(ranked[0].node) == 1
    assert view.rank(ranked[4].node) == 5
    with pytest.raises(KeyError):
        view.value("a9.h9")


@pytest.mark.parametrize("family", ["gpt2", "llama", "neox"])
def test_agrees_with_transformer_lens(family: str) -> None:
    """Its tool folds the norm into the unembedding, so it is run on a copy of its own."""
    made = case(family)
    hf, _ = FAMILIES[family]()
    bridge = build_bridge_from_module(hf, type(hf).__name__, hf_config=hf.config, model_name="tiny")
    bridge.enable_compatibility_mode()
    group = next(g for g in made.experiment.batch.groups if 1 in g.indices)
    (right,), (wrong,) = made.answers(1)
    theirs = their_attribution(
        bridge,
        group.clean[group.indices.index(1)][None],
        torch.tensor([right]),
        torch.tensor([wrong]),
        unit="component",
    )
    values = dict(zip(theirs.labels, theirs.attribution.squeeze(-1).tolist(), strict=True))
    ours = as_dict(direct_logit_attribution(made.experiment, pair=1))
    for layer in range(2):
        assert ours[f"m{layer}"] == pytest.approx(values[f"{layer}_mlp_out"], abs=TOLERANCE)
    assert ours["input"] == pytest.approx(values["embed"], abs=TOLERANCE)
    if family == "gpt2":
        assert ours["position embedding"] == pytest.approx(values["pos_embed"], abs=TOLERANCE)
    if family == "llama":  # no biases, so that heads alone make up the attention's output
        for layer in range(2):
            heads = sum(value for name, value in ours.items() if name.startswith(f"a{layer}."))
            assert heads == pytest.approx(values[f"{layer}_attn_out"], abs=TOLERANCE)


def test_refuses_a_pair_or_run_that_is_not_there() -> None:
    experiment = case("gpt2").experiment
    with pytest.raises(WorkbenchError, match="no pair 99"):
        direct_logit_attribution(experiment, pair=99)
    with pytest.raises(WorkbenchError, match="no run"):
        direct_logit_attribution(experiment, run="circus")
