"""`workbench grid`: a sweep over cells, each one discovery, from a TOML file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.interrupt import first_interrupt
from workbench.cli.options import Json
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.sweeps.cells import Cell, Sweep


def grid(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="The sweep: see docs/sweeps.md.")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Say what is wrong with the file; compute nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the cells, their memory and their time.")
    ] = False,
    print_: Annotated[
        bool, typer.Option("--print", help="List what is to be run, a command for each cell.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Run the cells that failed, and no others.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show on screen how it stands, whoever runs it.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Tell once how it stands, whoever runs it.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that compute; 0: this one alone.")
    ] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Compute on Ray: local, or a cluster's address. docs/clusters.md.",
        ),
    ] = None,
    cell: Annotated[
        str | None, typer.Option(metavar="NAME", help="Compute this cell alone, as a job does.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Sweep over models, tasks, methods, sizes, seeds and ablations, from one file.

    `workbench sweep FILE.toml` is the same. Finished cells are skipped, so that the same command
    goes on where Ctrl-C stopped it.
    """
    if sum((check, dry_run, print_, retry, watch, status, cell is not None)) > 1:
        raise WorkbenchError(
            "Give one of --check, --dry-run, --print, --retry, --watch, --status and --cell."
        )
    from workbench.sweeps.cells import read_sweep

    sweep = read_sweep(file)
    if check:
        return _check(sweep, as_json)
    if print_:
        return _print(sweep, as_json)
    if watch:
        from workbench.cli.launch import show

        return show(sweep=sweep)
    if status:
        return _status(sweep, as_json)
    if dry_run:
        return _plan(sweep, as_json)
    if cell is not None:
        return _cell(sweep, cell)
    return _run(sweep, workers, ray, retry, as_json)


def _check(sweep: Sweep, as_json: bool) -> int:
    wrong = [(cell, reason) for cell in sweep.cells if (reason := cell.check())]
    if as_json:
        told = [{"cell": cell.name, "reason": reason} for cell, reason in wrong]
        output.as_json({"cells": len(sweep.cells), "impossible": told})
    else:
        for reason in dict.fromkeys(reason for _, reason in wrong):
            named = [cell.name for cell, why in wrong if why == reason]
            output.line(f"{len(named):,} cells cannot be, the first {named[0]}: {reason}")
        output.line(f"{len(sweep.cells):,} cells, {len(sweep.cells) - len(wrong):,} can be run")
    return console.EXIT_USER if wrong else 0


def _print(sweep: Sweep, as_json: bool) -> int:
    from workbench.sweeps.folder import SweepFolder

    folder = SweepFolder(sweep.folder)
    lines = [
        shlex.join(["workbench", "grid", str(sweep.path), "--cell", cell.name])
        for cell in sweep.cells
        if not folder.is_done(cell)
    ]
    if as_json:
        output.as_json(lines)
    else:
        for line in lines:
            output.line(line)
    return 0


def _status(sweep: Sweep, as_json: bool) -> int:
    from workbench.sweeps.status import sweep_status

    found = sweep_status(sweep)
    if as_json:
        output.as_json(found.to_json())
        return 0
    for one in found.cells:
        if one.now is not None:
            done = "" if one.now.fraction is None else f" {one.now.fraction:.0%}"
            output.line(f"running  {one.cell.name}{done}  {one.now.message} on {one.now.where}")
        elif one.state == "failed":
            output.line(f"failed   {one.cell.name}: {one.row['reason']}")
    counts = ", ".join(f"{n:,} {state}" for state, n in found.counts.items())
    left = found.seconds_left
    output.line(f"{counts}{'' if left is None else f'; {left:,.0f} s left'}")
    return 0


def _plan(sweep: Sweep, as_json: bool) -> int:
    from workbench.sweeps.plan import plan_sweep

    with console.ProgressLine() as progress:
        progress("Starting", None)
        plans = plan_sweep(sweep, progress)
    if as_json:
        output.as_json([plan.to_json() for plan in plans])
        return 0
    for plan in plans:
        memory = "" if plan.bytes is None else f"{plan.bytes / 1e6:,.0f} MB"
        time = "" if plan.seconds is None else f"{plan.seconds:.3g} s"
        line = f"{plan.state:<9}{memory:>11}{time:>10}  {plan.cell.name}  {plan.reason}"
        output.line(line.rstrip())
    open_ = [plan for plan in plans if plan.state == "open" and not plan.reason]
    unknown = sum(plan.seconds is None for plan in open_)
    known = sum(plan.seconds or 0.0 for plan in open_)
    most = max((plan.bytes or 0 for plan in open_), default=0)
    output.line(
        f"{len(open_):,} cells to run, at most {most / 1e6:,.0f} MB each; {known:.3g} s by what "
        f"finished cells of the same model and method took, {unknown:,} cells unknown"
    )
    return 0


def _cell(sweep: Sweep, name: str) -> int:
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.sweeps.run import run_cell

        reason = run_cell(sweep, name, progress)
    if reason:
        raise WorkbenchError(f"{name} failed: {reason}")
    output.line(f"finished {sweep.folder / 'cells' / name}")
    return 0


def _run(sweep: Sweep, workers: int, ray: str | None, retry: bool, as_json: bool) -> int:
    from workbench.sweeps.run import run_sweep

    def told(cell: Cell, reason: str) -> None:
        if reason:
            console.say(f"workbench: {cell.name} failed: {reason}")

    with console.ProgressLine() as progress, first_interrupt() as cancel:
        found = run_sweep(
            sweep,
            workers=workers,
            ray=ray,
            retry=retry,
            told=told,
            progress=progress,
            cancel=cancel,
        )
    failed = [{"cell": cell.name, "reason": reason} for cell, reason in found.failed]
    written = [str(path) for path in found.written]
    if as_json:
        told_ = {"folder": str(found.folder), "finished": found.finished}
        told_ |= {"computed": found.computed, "left": found.left}
        output.as_json(told_ | {"failed": failed, "written": written})
    else:
        output.line(
            f"{found.finished:,} of {len(sweep.cells):,} cells finished, {found.computed:,} of "
            f"them now; {len(failed):,} failed"
        )
        for one in failed:
            output.line(f"failed   {one['cell']}: {one['reason']}")
        for path in written:
            output.line(f"written  {path}")
    if found.interrupted:
        again = (
            "--retry runs the failed cells again."
            if retry
            else f"{found.left:,} cells are left for the same command."
        )
        console.say(f"workbench: interrupted; {again}")
        return console.EXIT_INTERRUPTED
    if failed:
        console.say("workbench: --retry runs the failed cells again.")
        return console.EXIT_USER
    return 0
