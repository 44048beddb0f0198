"""The Jacobian lens that pocket brings along, against plain backward passes over its documents."""

from __future__ import annotations

import random
from itertools import islice

import pytest
import torch

from tests.support.references.jacobian import SlopeReference
from workbench.bundled_models.pocket.grammar import documents
from workbench.bundled_models.pocket.lens import DOCUMENTS, SKIP
from workbench.bundled_models.pocket.recipe import Recipe
from workbench.models.bundled import POCKET
from workbench.models.model import load_model
from workbench.readouts.jacobian.own import lens_of

OUTPUTS = [0, 77]


@pytest.mark.slow
def test_it_is_the_mean_slope_over_its_documents() -> None:
    model = load_model("pocket", device="cpu")
    lens = lens_of(model)
    assert lens.layers == (-1, 0, 1, 2) and lens.n_prompts == DOCUMENTS
    recipe = Recipe()
    stream = documents(random.Random(recipe.seed + 1), recipe.length)
    prompts = [document.ids for document in islice(stream, DOCUMENTS)]
    reference = SlopeReference(model.hf)
    each = [reference.rows(prompt, OUTPUTS, SKIP) for prompt in prompts]
    for depth in range(4):
        wanted = torch.stack([rows[depth] for rows in each]).mean(0)
        found = lens.matrices[depth][OUTPUTS].double()
        # The file holds float16: eleven bits.
        assert float((found - wanted).abs().max()) < 1e-3 * float(wanted.abs().max())


def test_it_is_among_the_files_that_are_looked_at() -> None:
    digests = (POCKET.folder / "digests.json").read_text(encoding="utf-8")
    assert "jacobian_lens.safetensors" in digests
    assert POCKET.checked_folder == POCKET.folder
