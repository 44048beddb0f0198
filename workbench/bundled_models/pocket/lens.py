"""The pocket model's Jacobian lens, fitted to documents that its training did not see."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

from workbench.base.progress import Progress, silent
from workbench.base.work import finish
from workbench.bundled_models.pocket.grammar import documents
from workbench.bundled_models.pocket.recipe import Recipe
from workbench.models.model import Model
from workbench.readouts.jacobian.files import save_lens
from workbench.readouts.jacobian.fit import Sums, fitting
from workbench.readouts.jacobian.own import STEM

DOCUMENTS = 100
SKIP = 1
"""Only the token that every document begins with draws attention whatever follows."""


def make_lens(
    model: Model, folder: Path, recipe: Recipe, *, progress: Progress | None = None
) -> None:
    """Fit the lens of a pocket model and write it beside its weights.

    Args:
        folder: of the model.
        recipe: that it was trained by.
        progress: told the fraction done.
    """
    say = progress or silent
    stream = documents(random.Random(recipe.seed + 1), recipe.length)
    prompts = [document.ids for document in islice(stream, DOCUMENTS)]

    def tell(fraction: float) -> None:
        say("Fitting its Jacobian lens", fraction)

    sums = finish(fitting(model, prompts, Sums(), skip=SKIP), tell)
    save_lens(sums.lens(model), folder / f"{STEM}.safetensors")
