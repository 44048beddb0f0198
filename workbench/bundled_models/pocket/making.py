"""Making a pocket model: train, save, examine what was saved, and write the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.base.progress import Progress, silent
from workbench.bundled_models.pocket.card import write_card
from workbench.bundled_models.pocket.examination import Result, examine
from workbench.bundled_models.pocket.lens import make_lens
from workbench.bundled_models.pocket.recipe import Recipe, train
from workbench.bundled_models.pocket.vocabulary import make_tokenizer
from workbench.errors import WorkbenchError
from workbench.models.bundled import write_digests


def make_pocket(
    folder: Path, *, seed: int = 0, steps: int | None = None, progress: Progress | None = None
) -> list[Result]:
    """Train a pocket model into a new folder.

    Args:
        folder: where model, tokenizer, card and digests go.
        seed: of the weights and the sentences.
        steps: None for the recipe's.
        progress: told the loss, the time left and the fraction done.

    Returns:
        What it does on held-out pairs.

    Raises:
        WorkbenchError: there is something in the folder, or it cannot be written.
    """
    from workbench.models.model import load_model

    say = progress or silent
    recipe = replace(Recipe(), seed=seed)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    try:  # before the wait
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise WorkbenchError(f"{folder} cannot be written: {error.strerror}.") from error
    if occupied:
        raise WorkbenchError(f"There is something in {folder}: name a new folder.")
    model = train(recipe, say)
    say("Saving", None)
    model.save_pretrained(folder)
    make_tokenizer(recipe.length).save_pretrained(folder)
    loaded = load_model(str(folder), device="cpu", progress=say)
    results = examine(loaded, progress=say)
    make_lens(loaded, folder, recipe, progress=say)
    write_card(folder, recipe, loaded.info.parameters, results)
    write_digests(folder)
    return results
