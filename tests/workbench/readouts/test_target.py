"""Readouts asked about any token: against plain transformers, and the tokens that texts name."""

from __future__ import annotations

import pytest
import torch

from tests.support.cases.readout_cases import PAIRS, case
from workbench.errors import WorkbenchError
from workbench.readouts.attention import attention_pattern
from workbench.readouts.catalogue import read_out
from workbench.readouts.direct_logit_attribution import direct_logit_attribution
from workbench.readouts.logit_lens import logit_lens
from workbench.readouts.residual_lens import residual_lens
from workbench.readouts.target import Target, find_target

FAMILIES = ["gpt2", "llama", "neox", "gpt2 with unembedding bias"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("pair", "position"), [(None, -1), (3, -3)])
@pytest.mark.parametrize("texts", [((" Anna",), ()), ((" Anna", " Tom"), (" has",)),
                                   ((), (" Anna",))])  # fmt: skip
def test_every_component_is_ranked_for_any_token(
    family: str, pair: int | None, position: int, texts: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    c = case(family)
    experiment, tokenizer = c.experiment, c.experiment.model.tokenizer
    target = find_target(experiment.batch, *texts)
    assert target is not None
    named, against = ([tokenizer(text)["input_ids"][0] for text in side] for side in texts)
    chosen = range(len(PAIRS)) if pair is None else [pair]

    def asked(logits: torch.Tensor, i: int) -> float:
        """From logits of the whole vocabulary: the two sides' means, or the mean of all."""
        right = named or c.answers(i)[0]
        other = logits[against].mean() if against else logits.mean()
        return float(logits[right].mean() - other)

    found = direct_logit_attribution(experiment, pair=pair, position=position, target=target)
    rows = {row.node: row.value for row in found.rows}
    assert found.total == pytest.approx(
        sum(asked(c.written(i).logits[position], i) for i in chosen) / len(chosen), abs=1e-4
    )
    assert sum(rows.values()) == pytest.approx(found.total, abs=1e-4)
    for node in experiment.graph.sources:
        alone = [c.reference.lens(c.written(i), node, position) for i in chosen]
        expected = sum(map(asked, alone, chosen)) / len(chosen)
        assert rows[node] == pytest.approx(expected, abs=1e-4)
        lens = logit_lens(experiment, node, position=position, pair=pair, target=target)
        assert lens.answers - lens.wrong_answers == pytest.approx(expected, abs=1e-4)
    last = residual_lens(experiment, position=position, pair=pair, target=target).rows[-1]
    assert last.logit_difference == pytest.approx(found.total, abs=1e-4)


def test_a_token_is_named_by_its_text_or_its_number() -> None:
    batch = case("gpt2").experiment.batch
    tokenizer = batch.encoding.tokenizer
    (anna,) = tokenizer(" Anna")["input_ids"]
    (bare,) = tokenizer("Anna")["input_ids"]
    assert anna != bare
    for texts, found in (
        ([" Anna"], ((anna, " Anna"),)),
        (["Anna"], ((bare, "Anna"),)),
        ([f"#{anna}", " Anna"], ((anna, " Anna"),)),
        ([" Anna", "Anna"], ((anna, " Anna"), (bare, "Anna"))),
    ):
        assert find_target(batch, texts) == Target(found)
    assert find_target(batch) is None
    assert find_target(batch, [" Anna"], [" Tom"]).words == "' Anna' − ' Tom'"  # type: ignore[union-attr]
    assert Target(None, ((anna, " Anna"),)).words == "answers − ' Anna'"
    for text, words in (
        (" Anna Tom", "is 2 tokens"),
        ("", "is 0 tokens"),
        ("#999999", "no token #999999"),
        (" Tom", "at once"),
    ):
        with pytest.raises(WorkbenchError, match=words):
            find_target(batch, [text], [" Tom"])


def test_what_knows_no_token_or_run_says_so() -> None:
    experiment = case("gpt2").experiment
    target = find_target(experiment.batch, [" Anna"])
    with pytest.raises(WorkbenchError, match="is of no token"):
        read_out(experiment, "attention", "a0.h0", pair=0, target=target)
    with pytest.raises(WorkbenchError, match="no run"):
        attention_pattern(experiment, "a0.h0", run="circus")
