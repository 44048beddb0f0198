"""What a circuit scores on a task, in one call, for scripts and the command line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Unpack

from tasks.task import Task
from workbench.base.progress import Progress, silent
from workbench.engine.circuit_score import CircuitScore
from workbench.experiment.interventions import interventions_of
from workbench.experiment.prepare import NO_MEMORY, prepare_some
from workbench.experiment.settings import ExperimentSettings, TaskChoices

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.experiment.interventions import Intervention
    from workbench.models.model import Model


def evaluate(
    model: Model,
    task: Task | str | os.PathLike[str],
    circuit: Circuit | str | os.PathLike[str],
    *,
    under: ExperimentSettings | None = None,
    progress: Progress | None = None,
    interventions: Iterable[Intervention | str] | None = None,
    **choices: Unpack[TaskChoices],
) -> CircuitScore:
    """Score a circuit exactly, with everything outside it corrupted.

    More pairs than memory holds at once are run some at a time.

    Args:
        model: from `load_model`.
        task: from `load_task`, or the name or file to load it from.
        circuit: from `load_circuit`, or the file to load it from.
        under: how the task is run; None: by the defaults.
        progress: told what is being done and the fraction done.
        interventions: what is done to the model, clean and corrupted, or their lines of text;
            None: what the circuit's file says.
        choices: settings by their names; `pairs` is of use where `task` is a name or a file.

    Raises:
        WorkbenchError: the circuit is another model's, or the task does not suit the tokenizer.
    """
    settings = ExperimentSettings.of(model, task, under, **choices)
    from workbench.base.failures import memory_errors
    from workbench.engine.score_pieces import cells_of, score_some
    from workbench.formats.chosen import load_chosen

    say = progress or silent
    if isinstance(circuit, str | os.PathLike):
        circuit = load_chosen(circuit, model.graph)
    done = interventions_of(circuit) if interventions is None else interventions
    found = prepare_some(model, task, settings, say, done, beside=cells_of(circuit, model))
    with memory_errors(NO_MEMORY):
        scored = score_some(found, circuit, say)
    for warning in scored.warnings:
        warnings.warn(warning, stacklevel=2)
    return scored.score
