"""The knock-out map against plain transformers under hooks, and what has to hold by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.references.masked import MaskedReference
from tests.workbench.engine.test_changed_run import FEW, case
from workbench.errors import WorkbenchError
from workbench.experiment.prepare import prepare
from workbench.flow.knockout_map import DIFFERENT, asking_knockout_map, knockout_map
from workbench.flow.settings import KnockoutSettings
from workbench.models.model import load_model
from workbench.prompts.encoding import Encoding


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize(("query", "reach"), [(-1, 0), (-1, 1), (-2, 0), (3, 2)])
def test_every_cell_is_the_models_with_a_mask(name: str, query: int, reach: int) -> None:
    c = case(name)
    reference = MaskedReference(c.model.hf)
    n_layers, n_heads = c.model.info.layers, c.model.info.heads
    settings = KnockoutSettings(reach, query)
    c.experiment.batch.encoding = Encoding(c.model.tokenizer)  # type: ignore[misc]
    found = knockout_map(c.experiment, settings=settings)
    for layer in range(n_layers):
        window = [at for at in range(n_layers) if abs(at - layer) <= reach]
        for place, position in enumerate(found.positions):
            effects, right = [], []
            for group, answers, wrong in zip(
                c.experiment.batch.groups, c.answers, c.wrong, strict=True
            ):
                length = group.length
                q, k = query % length, position + length
                if not 0 <= k < q:
                    continue
                hidden = torch.zeros(n_heads, length, length, dtype=torch.bool)
                hidden[:, q, k] = True
                without = reference.logits(group.clean, dict.fromkeys(window, hidden))
                clean = reference.logits(group.clean, {})
                for row in range(len(group.clean)):
                    yes, no = list(answers[row]), list(wrong[row])
                    values = [float(x[row, yes].mean() - x[row, no].mean())
                              for x in (without, clean)]  # fmt: skip
                    effects.append(values[0] - values[1])
                    right.append(float(without[row, yes].max() > without[row, no].max()))
            assert found.n_at[place] == len(effects)
            assert found.effect[place][layer] == pytest.approx(np.mean(effects), abs=1e-4)
            assert found.accuracy[place][layer] == pytest.approx(np.mean(right), abs=1e-6)


def test_a_pair_alone_and_all_together() -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=5)
    whole = knockout_map(experiment)
    alone = [knockout_map(experiment, settings=KnockoutSettings(pair=i)) for i in range(5)]
    assert whole.positions == alone[0].positions
    np.testing.assert_allclose(
        np.array(whole.effect, dtype=float),
        np.mean([np.array(one.effect, dtype=float) for one in alone], axis=0),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        whole.all_others, np.mean([one.all_others for one in alone], axis=0), atol=1e-5
    )
    clean, _ = experiment.batch.tokens(2)
    assert list(alone[2].tokens) == clean[:-1]
    assert DIFFERENT in whole.tokens and " to" not in whole.tokens[:1]
    assert whole.base.metric == pytest.approx(experiment.clean.metric, abs=1e-5)
    assert whole.base.accuracy == pytest.approx(experiment.clean.accuracy)


def test_what_the_last_token_does_not_see_at_all_does_not_matter() -> None:
    """In the last layer of a causal model, tokens after the one that is read change nothing."""
    experiment = prepare(load_model("pocket", device="cpu"), "greater-than", pairs=8)
    found = knockout_map(experiment, settings=KnockoutSettings(reach=0, query=2))
    assert found.positions == (-13, -12)
    # Layer 3 at position 2 is read by nothing: only the last token's logits count.
    assert all(row[-1] == pytest.approx(0, abs=1e-6) for row in found.effect)
    wide = knockout_map(experiment, settings=KnockoutSettings(reach=3))
    every = np.array(wide.effect)
    # With windows that reach all layers from everywhere, all columns are the same.
    np.testing.assert_allclose(every, np.repeat(every[:, :1], 4, axis=1), atol=1e-5)
    year = wide.tokens.index(DIFFERENT, wide.tokens.index(" year"))
    assert every[year + 1, 0] < -0.3
    assert f"position {wide.positions[year + 1]}" in wide.headline


def test_the_first_token_alone_reads_from_nobody() -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=3)
    found = knockout_map(experiment, settings=KnockoutSettings(query=0))
    assert found.positions == () and found.effect == ()
    assert found.all_others == pytest.approx([0.0] * 4)
    assert "no other position" in found.headline


def test_what_cannot_be_asked_is_refused() -> None:
    experiment = prepare(load_model("pocket", device="cpu"), "ioi", pairs=3)
    for settings, words in (
        (KnockoutSettings(query=99), "position 99"),
        (KnockoutSettings(query=-99), "position -99"),
        (KnockoutSettings(pair=3), "no pair 4"),
    ):
        with pytest.raises(WorkbenchError, match=words):
            knockout_map(experiment, settings=settings)
    with pytest.raises(WorkbenchError):
        KnockoutSettings(reach=-1)
    pieces = asking_knockout_map(experiment, KnockoutSettings())
    assert next(pieces) == 0.25
    assert KnockoutSettings().reach_in(30) == 3 and KnockoutSettings().reach_in(4) == 0
