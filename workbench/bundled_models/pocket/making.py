"""Making a pocket model: train, save, examine what was saved, and write the card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.base.progress import Progress, silent
from workbench.base.work import Stop
from workbench.bundled_models.pocket.card import write_card
from workbench.bundled_models.pocket.examination import Result, examine
from workbench.bundled_models.pocket.kept_training import KeptTraining, checkpoint_steps
from workbench.bundled_models.pocket.lens import make_lens
from workbench.bundled_models.pocket.recipe import Recipe, train
from workbench.bundled_models.pocket.vocabulary import make_tokenizer
from workbench.models.bundled import write_digests


def make_pocket(
    folder: Path,
    *,
    seed: int = 0,
    steps: int | None = None,
    checkpoints: int | None = None,
    progress: Progress | None = None,
    cancel: Stop | None = None,
) -> list[Result]:
    """Train a pocket model into a new folder, or go on where that was interrupted.

    Args:
        folder: where model, tokenizer, card and digests go.
        seed: of the weights and the sentences.
        steps: None for the recipe's.
        checkpoints: how many folders `checkpoint-N` to leave in it, N the steps done: before the
            first step, after the last, and a constant ratio apart between.
        progress: told the loss, the time left and the fraction done.
        cancel: ends the training; the same call goes on with it.

    Returns:
        What it does on held-out pairs.

    Raises:
        Cancelled: `cancel` was set.
        WorkbenchError: there is something in the folder, or it cannot be written, or it holds a
            training with other settings.
    """
    from workbench.models.model import load_model

    say = progress or silent
    recipe = replace(Recipe(), seed=seed)
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    at = () if checkpoints is None else checkpoint_steps(checkpoints, recipe.steps)
    kept = KeptTraining(folder, recipe, at)
    training = kept.begun()  # before the wait
    model = train(recipe, say, training=training, after=lambda now: kept.after(now, cancel))
    say("Saving", None)
    model.save_pretrained(folder)
    make_tokenizer(recipe.length).save_pretrained(folder)
    loaded = load_model(str(folder), device="cpu", progress=say)
    results = examine(loaded, progress=say)
    make_lens(loaded, folder, recipe, progress=say)
    write_card(folder, recipe, loaded.info.parameters, results)
    write_digests(folder)
    kept.ended()
    return results
