"""`workbench all-for-one`: how long tokens may wait, and where the last has to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.cli.options import Json, PlotFile, experiment_options
from workbench.experiment.settings import ExperimentSettings
from workbench.flow.settings import DRAWN, AllForOneSettings

if TYPE_CHECKING:
    from workbench.flow.results import AllForOne

DEFAULTS = AllForOneSettings()


@experiment_options()
def all_for_one(
    level: Annotated[
        float, typer.Option(help="Which share of the model's own counts as all of it.")
    ] = DEFAULTS.level,
    by: Annotated[
        Literal["accuracy", "metric"], typer.Option(help="What has to be kept.")
    ] = DEFAULTS.measure,
    others: Annotated[
        Literal["own", "all"],
        typer.Option(
            help="After the wait the other tokens see themselves and the first one, or all."
        ),
    ] = DEFAULTS.others,
    hide_first: Annotated[
        bool, typer.Option("--hide-first", help="Let no token look at the first one either.")
    ] = False,
    prompts: Annotated[
        int,
        typer.Option(min=0, help="Prompts of a built-in task over which means are taken, too."),
    ] = DRAWN,
    over: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="Take the means over this task or file, too."),
    ] = None,
    out: PlotFile = None,
    *,
    settings: ExperimentSettings,
    as_json: Json = False,
) -> None:
    """How long can all tokens wait, and in which layers must the last one look at the others?"""
    # What costs nothing to find out comes before what takes seconds.
    from workbench.flow.files import check_flow_file, write_flow

    asked = AllForOneSettings(level, by, others, not hide_first)
    settings = settings.checked()
    if over is not None:
        settings.check_task(over)
    if out is not None:
        check_flow_file(out)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.base.failures import memory_errors
        from workbench.experiment.prepare import NO_MEMORY, prepare
        from workbench.flow.all_for_one import all_for_one as ask
        from workbench.flow.prompts import prompts_for_means

        model = settings.load_model(progress)
        experiment = prepare(model, settings.task, settings, progress)
        with memory_errors(NO_MEMORY), first_interrupt() as cancel:
            found = ask(
                experiment,
                over=prompts_for_means(model, settings, prompts, over),
                settings=asked,
                progress=lambda fraction: progress("Waiting and peeking", fraction),
                cancel=cancel,
            )
        if out is not None:
            write_flow(found, out)
    if as_json:
        output.as_json(found.to_json() | {"warnings": console.warned()})
    else:
        _report(found)


def _report(found: AllForOne) -> None:
    output.line(found.headline)
    output.line(
        f"{found.n_right} of {found.n_pairs} pairs are answered rightly; means over "
        f"{found.n_prompts} prompts"
    )
    by_accuracy = found.measure == "accuracy"
    name = "accuracy" if by_accuracy else found.metric_name
    values = found.accuracy if by_accuracy else found.metric
    output.line(f"{name} by first layer after the wait (rows) and number of layers peeked in:")
    head = ["", *map(str, range(len(values[0]))), "free"]
    rows = [
        [str(first), *("" if v is None else f"{v:.2f}" for v in row)] for first, row in
        enumerate(values)
    ]  # fmt: skip
    for row, free in zip(rows, found.waiting, strict=True):
        row.append(f"{free.of(found.measure):.2f}")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        cells = (text.rjust(width) for text, width in zip(row, widths, strict=True))
        output.line("  " + " ".join(cells))
    for one in found.necessary:
        if one.head is None or one.needed:
            said = "needed" if one.needed else "can be spared"
            output.line(f"  without {one.name}: {one.score.of(found.measure):.3g}, {said}")
    for remark in found.remarks:
        output.line(remark)
    output.line(found.definition)
