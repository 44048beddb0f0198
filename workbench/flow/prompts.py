"""Prompts over which the means of a wait are taken. Importing this loads no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError
from workbench.experiment.prepare import CLEAN_ALONE
from workbench.experiment.settings import ExperimentSettings
from workbench.flow.settings import DRAWN

if TYPE_CHECKING:
    from workbench.models.model import Model
    from workbench.prompts.batch import Batch


def prompts_for_means(
    model: Model, settings: ExperimentSettings, n: int = DRAWN, over: str | None = None
) -> Batch | None:
    """Clean prompts of a task or file, or more of the built-in task that is run.

    Args:
        settings: of what is run.
        n: how many of a built-in task; half as many, and so on, if it has not so many.
        over: the task or file; None for the one that is run.

    Returns:
        None if there are no others than those that are run.

    Raises:
        WorkbenchError: there is no such task, or it does not suit the tokenizer.
    """
    from workbench.prompts.batch import make_batch
    from workbench.prompts.task_catalogue import find_task

    source, built_in = over or settings.task, find_task(over or settings.task) is not None
    if n < 1 or (over is None and not built_in):
        return None
    asked = replace(settings, task=source, metric="kl", drop_bad=True, pairs=None)
    while True:
        try:
            if built_in:
                asked = replace(asked, pairs=n)
            task = asked.load_task(model.tokenizer)
            break
        except WorkbenchError:
            n //= 2
            if not built_in or n < 1:
                if over is None:
                    return None
                raise
    needs = replace(CLEAN_ALONE, positions=model.positions)
    return make_batch(
        task,
        model.tokenizer,
        prepend_bos=settings.bos,
        device=model.device,
        drop_bad=True,
        needs=needs,
    )
