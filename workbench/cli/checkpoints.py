"""`workbench checkpoints`: what each checkpoint of a training does, and a circuit at each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.base.text import shown_path
from workbench.cli import console, output
from workbench.cli.checks import check_circuit
from workbench.cli.interrupt import first_interrupt
from workbench.cli.options import Json, PlotFile, Selecting, experiment_options, selecting_options
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.checkpoints.results import AtCheckpoint
    from workbench.checkpoints.sequence import Checkpoint

SEQUENCE = typer.Argument(
    metavar="CHECKPOINTS",
    help="A folder that holds folders checkpoint-N, a quoted pattern of folders, or "
    "MODEL@REVISION,REVISION of the hub.",
)


@experiment_options(words={"model": Annotated[str, SEQUENCE]})
@selecting_options
def checkpoints(
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A circuit file, scored at each.")
    ] = None,
    *,
    settings: ExperimentSettings,
    selection: Selecting,
    out: PlotFile = None,
    as_json: Json = False,
) -> int:
    """Follow a task over training: what the model does at each checkpoint, and a circuit.

    What is found at each, overlaps and kinds of heads over time are a sweep's: docs/checkpoints.md.
    """
    from workbench.checkpoints.files import write_checkpoints
    from workbench.checkpoints.sequence import read_checkpoints
    from workbench.readouts.files import check_readout_file

    # What costs nothing to find out comes before what takes seconds.
    if settings.revision is not None:
        raise WorkbenchError("Name revisions with their model: MODEL@REVISION,REVISION.")
    sequence = read_checkpoints(settings.model)
    settings = replace(settings, model="")
    settings.check_task()
    if circuit is not None:
        check_circuit(circuit, selection)
    elif selection is not None:
        raise WorkbenchError("--edges, --nodes, --select and --signed go with --circuit FILE.")
    if out is not None:
        check_readout_file(out)
    with console.ProgressLine() as progress, first_interrupt() as cancel:
        progress("Starting", None)
        from workbench.checkpoints.scores import circuit_for, over_checkpoints

        read = None if circuit is None else circuit_for(circuit, sequence, settings, selection)
        rows = over_checkpoints(
            sequence, settings.task, read, under=settings, progress=progress, cancel=cancel
        )
    if out is not None:
        write_checkpoints(rows, out)
    written = [] if out is None else [str(out)]
    if as_json:
        told = {"checkpoints": [row.to_json() for row in rows], "written": written}
        output.as_json(told | {"left": len(sequence) - len(rows), "warnings": console.warned()})
    else:
        _report(rows, written)
    if len(rows) < len(sequence):
        console.say(
            f"workbench: interrupted after {len(rows):,} of {len(sequence):,} checkpoints; what "
            "was computed by then is told."
        )
        return console.EXIT_INTERRUPTED
    return console.EXIT_USER if rows and all(row.reason for row in rows) else 0


def checkpoints_with(given: str, settings: ExperimentSettings) -> tuple[Checkpoint, ...]:
    """The checkpoints of a sequence, one of which the settings choose.

    Raises:
        WorkbenchError: there is no such sequence, or the model is none of them.
    """
    from workbench.checkpoints.sequence import place_of, read_checkpoints

    found = read_checkpoints(given)
    chosen = place_of(settings.model, settings.revision)
    if all(place_of(one.model, one.revision) != chosen for one in found):
        raise WorkbenchError(
            f"{settings.model} is none of these checkpoints: name one of them as the model, such "
            f"as {shown_path(found[-1].model)}."
        )
    return found


def _report(rows: list[AtCheckpoint], written: list[str]) -> None:
    width = max((len(row.checkpoint.label) for row in rows), default=0)
    width = max(width, len("checkpoint"))
    scored = any(row.circuit is not None for row in rows)
    heads = f"{'checkpoint':>{width}}  {'clean':>10}  {'corrupted':>10}  accuracy"
    output.line(heads + ("     circuit  faithfulness" if scored else ""))
    for row in rows:
        said = f"{row.checkpoint.label:>{width}}  "
        if row.reason:
            output.line(said + row.reason)
            continue
        said += f"{row.clean:>10.4g}  {row.corrupted:>10.4g}  {row.clean_accuracy:>8.1%}"
        if scored:
            share = "undefined" if row.faithfulness is None else f"{row.faithfulness:.4f}"
            said += f"  {row.circuit:>10.4g}  {share:>12}"
        output.line(said)
    known = next((row for row in rows if row.metric), None)
    if known is not None:
        output.line(f"{known.metric}, {known.pairs:,} pairs")
    for path in written:
        output.line(f"written {path}")
