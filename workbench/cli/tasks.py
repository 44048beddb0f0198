"""`workbench tasks`: the tasks there are, and what a model does of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.options import (
    Ablation,
    Bos,
    Device,
    DeviceMap,
    Dtype,
    Json,
    Metric,
    Revision,
    Seed,
)
from workbench.errors import WorkbenchError
from workbench.experiment.ability import FEW_PAIRS
from workbench.experiment.ablations import PATCHING
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.experiment.ability import Ability


def tasks(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="Ask this model, and say what it does of each task; without it they are listed.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TASK...]",
            help="With MODEL: these tasks, or task files. [default: all]",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"With MODEL: pairs of each task. [default: {FEW_PAIRS}; 32 with --right]",
        ),
    ] = None,
    right: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With one TASK: write the pairs that the model answers rightly, as a task file.",
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Read this task file and say all that is found."),
    ] = None,
    for_model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="With --check: the model it is meant for."),
    ] = None,
    metric: Metric = None,
    ablation: Ablation = PATCHING,
    seed: Seed = 0,
    device: Device = None,
    device_map: DeviceMap = None,
    dtype: Dtype = None,
    revision: Revision = None,
    bos: Bos = None,
    as_json: Json = False,
) -> int:
    """List the tasks that need no file, say what a model does of them, or check a file."""
    if check is not None:
        if only or pairs or right:
            raise WorkbenchError("--check FILE goes without tasks, --pairs and --right.")
        from workbench.cli.check_task import check_task_file

        asked = ExperimentSettings(
            for_model or model or "",
            check,
            seed=seed,
            metric=metric,
            ablation=ablation,
            device=device,
            device_map=device_map,
            dtype=dtype,
            revision=revision,
            bos=bos,
            drop_bad=True,
        )
        return check_task_file(asked, as_json=as_json)
    if for_model or metric or ablation != PATCHING:
        raise WorkbenchError("--model, --metric and --ablation go with --check FILE.")
    if model is None:
        if pairs or right or device or device_map or dtype or revision or bos is not None:
            raise WorkbenchError("These options go with a model: workbench tasks MODEL.")
        _list(as_json)
        return 0
    from workbench.base.write_file import check_target
    from workbench.models.source import find_model
    from workbench.prompts.task_catalogue import TASKS
    from workbench.prompts.task_file import check_task

    find_model(model)
    for name in only or ():
        check_task(name)
    settings = ExperimentSettings(
        model,
        "",
        pairs,
        seed,
        device=device,
        device_map=device_map,
        dtype=dtype,
        revision=revision,
        bos=bos,
    )
    if right is not None:
        if only is None or len(only) != 1:
            raise WorkbenchError("--right goes with one task: workbench tasks MODEL TASK.")
        check_target(right)
        _write_right(settings, only[0], right, as_json)
        return 0
    from dataclasses import replace

    from workbench.experiment.ability import abilities
    from workbench.experiment.kept_abilities import keep_abilities

    if pairs is None:
        settings = replace(settings, pairs=FEW_PAIRS)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        loaded = settings.load_model(progress)
        found = list(abilities(loaded, only or TASKS, settings, progress))
        keep_abilities(model, [one for one in found if one.task in TASKS])
    if as_json:
        output.as_json({"model": model, "tasks": [ability.to_json() for ability in found]})
    else:
        _table(found)
    return 0


def _list(as_json: bool) -> None:
    from workbench.prompts.pair_json import pair_to_json
    from workbench.prompts.task_catalogue import TASKS

    if as_json:
        output.as_json(
            [
                {
                    "name": task.name,
                    "metric": task.metric,
                    "description": task.description,
                    "example": pair_to_json(task.example),
                }
                for task in TASKS.values()
            ]
        )
        return
    for task in TASKS.values():
        output.line(f"{task.name}  ({task.metric})")
        output.line(f"  {task.description}")
        for side, prompt in (
            ("clean: ", task.example.clean),
            ("corrupted:", task.example.corrupted),
        ):
            output.line(f"  {side:<10} {prompt}")


def _table(found: list[Ability]) -> None:
    width = max(len(ability.task) for ability in found)
    done = [ability for ability in found if not ability.refused]
    if done:
        output.line(f"{'':<{width}}  {'metric':<10}  {'clean':>9}  accuracy  corrupted  pairs")
    for ability in done:
        output.line(
            f"{ability.task:<{width}}  {ability.metric:<10}  {ability.clean:>9.3f}  "
            f"{ability.accuracy:>8.0%}  {ability.corrupted:>9.3f}  {ability.pairs:>5}"
            + ("  !" if ability.remarks else "")
        )
    for ability in done:
        for remark in ability.remarks:
            output.line(f"! {ability.task}: {remark}")
    for ability in found:
        if ability.refused:
            output.line(f"- {ability.refused}")


def _write_right(settings: ExperimentSettings, name: str, path: Path, as_json: bool) -> None:
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.experiment.ability import right_pairs
        from workbench.prompts.write_task import write_task

        task = right_pairs(settings.load_model(progress), name, settings, progress)
        # Named, so that a file of several tasks put together knows which pair is of which.
        write_task(path, [replace(pair, task=pair.task or name) for pair in task.pairs])
    if as_json:
        output.as_json({"written": [str(path)], "pairs": len(task.pairs)})
    else:
        output.line(str(path))
