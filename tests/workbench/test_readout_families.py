"""Readouts of families whose parts reach the logits in unusual ways: parts sum to the whole."""

from __future__ import annotations

import pytest
import torch

from tasks import make_task
from tests.tiny_families import MAKERS
from tests.workbench.family_cases import model_of
from workbench.batch import make_batch
from workbench.readout.direct_logit_attribution import attribution
from workbench.readout.selection import select
from workbench.workspace import Workspace

# Norms after attention and MLP, soft caps, multipliers, logit scales, parallel blocks, biases.
CASES = ["gemma2", "gemma3_text", "olmo2", "olmo", "granite", "cohere", "gptj", "phi", "opt"]


def workspace(name: str) -> Workspace:
    model = model_of(name)
    return Workspace(model, make_batch(make_task("ioi", model.tokenizer, 4), model.tokenizer))


@pytest.mark.parametrize("run", ["clean", "corrupted"])
@pytest.mark.parametrize("name", CASES)
def test_contributions_sum_to_the_models_logit_difference(name: str, run: str) -> None:
    w = workspace(name)
    found = attribution(w, run=run)
    assert sum(row.value for row in found.rows) == pytest.approx(found.total, abs=2e-5)
    (group,) = w.batch.groups
    with torch.no_grad():
        logits = w.model.hf(getattr(group, run), use_cache=False).logits[:, -1].double()
    if (cap := w.parts.logit_cap) is not None:
        logits = cap * torch.atanh(logits / cap)
    right, wrong = (torch.tensor(ids) for ids in (group.answers, group.wrong_answers))
    expected = (logits.gather(1, right) - logits.gather(1, wrong)).mean()
    assert found.total == pytest.approx(float(expected), abs=2e-4)


@pytest.mark.parametrize("name", ["gemma2", "gemma3_text", "olmo2"])
def test_heads_add_up_to_what_attention_adds(name: str) -> None:
    w = workspace(name)
    (selection,) = select(w)
    for layer, part in enumerate(w.parts.layers):
        assert part.post_attention is not None and part.attention.b_o is None
        heads = sum(selection.output(f"a{layer}.h{h}") for h in range(w.parts.n_heads))
        record = w.recordings[0].whole.layers[layer]
        added = record.mlp_in[:, -1] - record.attn_in[:, -1]
        torch.testing.assert_close(heads, added, rtol=1e-4, atol=1e-5)
        assert selection.output(f"a{layer}.h0").abs().max() > 1e-3


def test_every_case_is_a_family() -> None:
    assert set(CASES) <= set(MAKERS)
