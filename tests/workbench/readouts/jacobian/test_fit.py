"""Fitted matrices, against autograd on plain transformers and against TransformerLens."""

from __future__ import annotations

import pytest
import torch
from transformer_lens.tools.analysis.jacobian_lens import JacobianLens as TheirLens

from tests.support import tiny_families
from tests.support.references.jacobian import SlopeReference
from tests.support.tiny_models import tiny_gpt2
from workbench.base.work import finish
from workbench.errors import WorkbenchError
from workbench.models.model import Model
from workbench.readouts.jacobian import fit
from workbench.readouts.jacobian.fit import Sums, fitting, usable

FAMILIES = (
    "gpt2", "gptj", "gpt_neox", "gpt_neox_sequential", "opt", "llama", "mixtral", "qwen3", "gemma2",
    "phi3", "olmo2", "falcon_new", "granite",
)  # fmt: skip
PROMPTS = [[5, 60, 71, 82, 93, 104, 115], [9, 33, 61, 7, 44, 18]]


def model_of(family: str) -> Model:
    hf, tokenizer = getattr(tiny_families, family)()
    return Model.from_hf(hf, tokenizer, name=family)


@pytest.mark.parametrize("family", FAMILIES)
def test_matrices_equal_those_of_autograd(family: str) -> None:
    model = model_of(family)
    lens = finish(fitting(model, PROMPTS, Sums(), skip=2)).lens(model)
    assert lens.layers == (-1, 0, 1)  # after the third block it is the identity
    reference = SlopeReference(model.hf)
    for depth, matrix in lens.matrices.items():
        wanted = reference.matrix(PROMPTS, depth, skip=2).float()
        assert float((matrix - wanted).abs().max()) < 1e-4 * float(wanted.abs().max())


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "llama"])
def test_agrees_with_transformer_lens(family: str) -> None:
    model = model_of(family)
    texts = ["The war went from the year 1741", "The keys near the table near the store"]
    prompts = [model.tokenizer(text)["input_ids"] for text in texts]
    lens = finish(fitting(model, prompts, Sums(), skip=1)).lens(model)
    model.tokenizer.pad_token = model.tokenizer.eos_token
    model.bridge.cfg.default_prepend_bos = False
    theirs = TheirLens.fit(
        model.bridge, texts, corpus="two texts", skip_first_positions=1, show_progress=False
    )
    assert theirs.n_prompts == 2
    assert theirs.source_layers == [layer for layer in lens.layers if layer >= 0]
    for layer, matrix in theirs.jacobians.items():
        torch.testing.assert_close(lens.matrices[layer + 1], matrix, rtol=1e-3, atol=1e-4)


def test_matrices_do_not_depend_on_how_many_rows_are_asked_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = model_of("llama")
    together = finish(fitting(model, PROMPTS, Sums(), skip=2))
    monkeypatch.setattr(fit, "ROWS_TOKENS", 3 * 7)
    fractions: list[float] = []
    apart = finish(fitting(model, PROMPTS, Sums(), skip=2), fractions.append)
    assert len(fractions) > 4 and fractions == sorted(fractions) and fractions[-1] == 1
    for depth, matrix in together.matrices.items():
        torch.testing.assert_close(matrix, apart.matrices[depth], rtol=1e-4, atol=1e-5)


def test_a_fit_goes_on_where_it_was_left() -> None:
    model = model_of("gpt2")
    whole = finish(fitting(model, PROMPTS, Sums(), skip=2))
    sums = finish(fitting(model, PROMPTS[:1], Sums(), skip=2))
    assert sums.n_prompts == 1
    on = finish(fitting(model, PROMPTS, sums, skip=2))
    assert on.n_prompts == 2
    for depth, matrix in whole.matrices.items():
        assert torch.equal(matrix, on.matrices[depth])
    work = fitting(model, PROMPTS, Sums(), skip=2)
    next(work)
    work.close()


def test_prompts_that_cannot_be_fitted_to() -> None:
    model = model_of("gpt2")
    assert usable([[1, 2, 3], [1, 2, 3, 4, 5, 6]], skip=2, length=5) == [[1, 2, 3, 4, 5]]
    with pytest.raises(WorkbenchError, match="has 3 tokens, and a lens that skips 2 needs 4"):
        finish(fitting(model, [[1, 2, 3]], Sums(), skip=2))
    with pytest.raises(WorkbenchError, match="No prompt is done"):
        Sums().lens(model)
    broken, tokenizer = tiny_gpt2(layers=2, heads=2)
    other = Model.from_hf(broken, tokenizer)
    with torch.no_grad():
        broken.transformer.h[1].mlp.c_proj.weight[0, 0] = float("nan")
    with pytest.raises(WorkbenchError, match="not finite"):
        finish(fitting(other, PROMPTS, Sums(), skip=2))
