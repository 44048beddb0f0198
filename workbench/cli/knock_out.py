"""`workbench knock-out` and `workbench rerun`: runs with something changed in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.cli.options import Json, PlotFile, experiment_options
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.flow.settings import DRAWN, KnockoutSettings

if TYPE_CHECKING:
    from workbench.flow.results import KnockoutMap, Rerun


@experiment_options()
def knock_out(
    reach: Annotated[
        int | None,
        typer.Option(min=0, help="K of the layers l-K to l+K. [default: a tenth of the layers]"),
    ] = None,
    query: Annotated[
        int, typer.Option(help="Which token does not see: from the end if negative.")
    ] = -1,
    pair: Annotated[
        int | None, typer.Option(min=1, help="Of which pair, from 1. [default: the mean over all]")
    ] = None,
    out: PlotFile = None,
    *,
    settings: ExperimentSettings,
    as_json: Json = False,
) -> None:
    """Attention knock-out: where in depth does a token read from each of the others?"""
    # What costs nothing to find out comes before what takes seconds.
    from workbench.flow.files import check_flow_file, write_flow

    asked = KnockoutSettings(reach, query, None if pair is None else pair - 1)
    settings = settings.checked()
    if out is not None:
        check_flow_file(out)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.base.failures import memory_errors
        from workbench.experiment.prepare import NO_MEMORY, prepare
        from workbench.flow.knockout_map import knockout_map

        model = settings.load_model(progress)
        experiment = prepare(model, settings.task, settings, progress)
        with memory_errors(NO_MEMORY), first_interrupt() as cancel:
            found = knockout_map(
                experiment,
                settings=asked,
                progress=lambda fraction: progress("Knocking out", fraction),
                cancel=cancel,
            )
        if out is not None:
            write_flow(found, out)
    if as_json:
        output.as_json(found.to_json() | {"warnings": console.warned()})
    else:
        _report(found)


def _report(found: KnockoutMap) -> None:
    output.line(found.headline)
    n_layers = len(found.all_others)
    output.line(f"change of the {found.metric_name} by position (rows) and layer:")
    rows = [["", "", *map(str, range(n_layers))]]
    for position, token, effects in zip(found.positions, found.tokens, found.effect, strict=True):
        rows.append([str(position), repr(token)[:14], *map(_number, effects)])
    rows.append(["", "all but first", *map(_number, found.all_others)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row, widths, strict=True)]
        cells[1] = row[1].ljust(widths[1])
        output.line("  " + " ".join(cells).rstrip())
    output.line(found.definition)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


@experiment_options()
def rerun(
    hide: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYERS:QUERIES<KEYS",
            help="Mask attention before the softmax, as 5..8:last<0..3 or 2[0]:all<all/self,first.",
        ),
    ] = None,
    replace: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LAYER:POSITIONS=WHAT",
            help="In the residual's place: corrupted, mean, context-mean, 'pair N' or own@LAYER.",
        ),
    ] = None,
    prompts: Annotated[
        int,
        typer.Option(min=0, help="Prompts of a built-in task over which means are taken, too."),
    ] = DRAWN,
    *,
    settings: ExperimentSettings,
    as_json: Json = False,
) -> None:
    """Run the clean prompts again with attention masked, or residuals replaced."""
    from workbench.engine.changes import Changes, read_replacement
    from workbench.experiment.knockouts import read_knockout

    changes = Changes(
        tuple(read_knockout(text) for text in hide or ()),
        tuple(read_replacement(text) for text in replace or ()),
    )
    if changes == Changes():
        raise WorkbenchError(
            "Nothing is changed: name something with --hide LAYERS:QUERIES<KEYS, or with --replace "
            "LAYER:POSITIONS=WHAT."
        )
    settings = settings.checked()
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.base.failures import memory_errors
        from workbench.experiment.prepare import NO_MEMORY, prepare
        from workbench.flow.prompts import prompts_for_means
        from workbench.flow.rerun import rerun as run_again

        model = settings.load_model(progress)
        experiment = prepare(model, settings.task, settings, progress)
        progress("Running it again", None)
        with memory_errors(NO_MEMORY):
            over = prompts_for_means(model, settings, prompts) if changes.takes_means else None
            found = run_again(experiment, changes, over=over)
    if as_json:
        output.as_json(found.to_json() | {"warnings": console.warned()})
    else:
        _show(found)


def _show(found: Rerun) -> None:
    output.line(f"{'':<10} {found.metric_name:>12} {'accuracy':>9}")
    for name, score in (("model", found.model), ("changed", found.changed)):
        output.line(f"{name:<10} {score.metric:>12.6g} {score.accuracy:>9.3f}")
    output.line(f"KL from the model {found.kl:.4g}")
    output.line(f"{'likeliest of the model':<30}{'and changed':<30}")
    for before, after in zip(found.top_model, found.top_changed, strict=True):
        told = [f"{token!r} {share:.1%}" for token, share in (before, after)]
        output.line(f"{told[0]:<30}{told[1]:<30}")
