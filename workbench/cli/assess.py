"""`workbench assess`: how far circuits can be trusted, on stdout and as a report."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.assessment.catalogue import BUILT_IN, PARTS
from workbench.assessment.settings import AssessmentSettings
from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.cli.jobs import Detach, detached
from workbench.cli.options import Json, Selecting, experiment_options, selecting_options
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.assessment.results.assessment import Assessment

DEFAULTS = AssessmentSettings()


SEED = typer.Option(help="Of the task's generator, and of all that is random here.")


@experiment_options(words={"seed": Annotated[int, SEED]})
@selecting_options
def assess(
    circuits: Annotated[
        list[Path],
        typer.Argument(metavar="CIRCUIT", help="Circuit files; several are compared."),
    ],
    selection: Selecting,
    parts: Annotated[
        str | None,
        typer.Option(
            help=f"Of {','.join(part.name for part in BUILT_IN)}, plug-ins' or FILE.py:NAME: those "
            "wanted. [default: all]"
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a report: .html, or .md with its pictures in FILE_files."
        ),
    ] = None,
    method: Annotated[
        str, typer.Option(help="Scores the edges, if the circuit brings no scores of its own.")
    ] = DEFAULTS.method,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz", help="Of all edges, as `discover --scores` wrote them, instead."
        ),
    ] = None,
    random: Annotated[
        int, typer.Option(min=1, help="Random circuits to compare with.")
    ] = DEFAULTS.n_random,
    resamples: Annotated[
        int, typer.Option(min=1, help="Of the prompts, for intervals.")
    ] = DEFAULTS.resamples,
    alpha: Annotated[float, typer.Option(help="Level of the tests.")] = DEFAULTS.alpha,
    *,
    settings: ExperimentSettings,
    also_on: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK", help="Score the circuits on this task too; may be repeated."),
    ] = None,
    detach: Detach = False,
    as_json: Json = False,
) -> int:
    """Assess circuits: faithful, complete, minimal, stable, better than chance?

    Ctrl-C stops a long assessment; the parts that are done by then are shown and reported.
    """
    # What costs nothing to find out comes before what takes seconds.
    from workbench.assessment.catalogue import choose_parts
    from workbench.assessment.report.page import check_report, write_report
    from workbench.cli.checks import check_circuit

    wanted = None if parts is None else [name.strip() for name in parts.split(",")]
    choose_parts(wanted, len(circuits))
    of_parts = AssessmentSettings(
        seed=settings.seed, resamples=resamples, n_random=random, alpha=alpha, method=method
    )
    if report is not None:
        check_report(report)
    settings = settings.checked()
    for name in also_on or ():
        settings.check_task(name)
    for path in circuits:
        check_circuit(path, selection)
    if scores is not None:
        from workbench.discovery.findings_file import load_findings

        load_findings(scores)
    if detach:
        return detached(settings.model, settings.task)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.assessment.assess import assess as assess_circuits

        model = settings.load_model(progress)
        with first_interrupt() as cancel:
            assessment = assess_circuits(
                model,
                settings.task,
                circuits,
                parts=wanted,
                settings=of_parts,
                scores=scores,
                selection=selection,
                also_on=also_on or (),
                under=settings,
                progress=progress,
                cancel=cancel,
            )
        assessment = replace(assessment, command=shlex.join(["workbench", *sys.argv[1:]]))
        written: tuple[Path, ...] = ()
        if report is not None:
            progress("Writing the report", None)
            written = write_report(assessment, report)
    if as_json:
        told = {"written": [str(path) for path in written]}
        output.result_as_json(assessment.to_json() | told)
    else:
        _show(assessment, written)
    if assessment.complete:
        return 0
    console.say("workbench: interrupted; the parts above are those that were done.")
    return console.EXIT_INTERRUPTED


def _show(assessment: Assessment, written: tuple[Path, ...]) -> None:
    """What each part found, in a sentence."""
    from workbench.assessment.report.headlines import headline

    for remark in assessment.remarks:
        output.line(remark)
    for circuit in assessment.circuits:
        output.line(
            f"{circuit.name}: {circuit.edges:,} of {assessment.n_edges:,} edges, "
            f"{circuit.nodes:,} nodes"
        )
        for name in PARTS:
            if name in circuit.results:
                output.line(f"  {name:<12} {headline(name, circuit.results[name])}")
            elif name in circuit.failed:
                output.line(f"  {name:<12} not assessed: {circuit.failed[name]}")
    for name, result in assessment.compared.items():
        output.line(f"{name}: {headline(name, result)}")
    for name, why in assessment.failed.items():
        output.line(f"{name}: not assessed: {why}")
    if written:
        output.line(f"report: {written[0]}")
