"""The command `bench`. Importing this loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.base.text import shown_path
from workbench.cli import console, output
from workbench.cli.options import Device, DeviceMap, Dtype, Json, ModelName, Seed
from workbench.errors import WorkbenchError

QUICK = 2
"""How often each item is timed with --quick."""

UNHEEDED = {
    "--gpu-report": ("--device", "--device-map", "--dtype"),
    "--start": ("--device", "--device-map", "--dtype"),
    "--app": ("--device-map", "--dtype"),
}
"""By what is measured, the options that it makes nothing of: better refused than passed over."""


def bench(
    model: ModelName,
    task: Annotated[str, typer.Option(help="A built-in task, or a task file.")] = "ioi",
    pairs: Annotated[
        int | None,
        typer.Option(min=1, help="How many pairs. [default: 32; with another measure 16]"),
    ] = None,
    seed: Seed = 0,
    device: Device = None,
    device_map: DeviceMap = None,
    dtype: Dtype = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often each item is timed; medians are reported.")
    ] = 5,
    app_: Annotated[
        bool,
        typer.Option(
            "--app",
            help="Measure the app instead: first paint, keys while it computes, bytes a key.",
        ),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Time each item twice, and toggle fewer edges.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--long", help="Also toggle 10,000 times: drift and memory.")
    ] = False,
    discovery: Annotated[
        bool, typer.Option("--discovery", help="Measure discovery and assessment instead.")
    ] = False,
    assessment: Annotated[
        bool,
        typer.Option(
            "--assessment",
            help="Measure the dearest parts of an assessment, edge pruning and EAP-IG-activations.",
        ),
    ] = False,
    by_role: Annotated[
        bool, typer.Option("--by-role", help="Measure edges at roles of the prompts instead.")
    ] = False,
    start: Annotated[
        bool,
        typer.Option("--start", help="Measure the way from nothing to the first number instead."),
    ] = False,
    gpu_report: Annotated[
        Path | None,
        typer.Option(
            "--gpu-report",
            metavar="FILE",
            help="Measure this machine's GPU instead, and write a page to hand back.",
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="With --discovery: ACDC's tau, in units of the metric.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure speed and memory, as ratios to one plain forward pass of the same batch."""
    from workbench.models.source import find_model
    from workbench.prompts.task_file import check_task

    find_model(model)
    check_task(task)
    flags = {
        "--discovery": discovery,
        "--assessment": assessment,
        "--app": app_,
        "--by-role": by_role,
        "--long": long,
        "--start": start,
        "--gpu-report": gpu_report is not None,
    }
    asked = [flag for flag, given in flags.items() if given]
    if len(asked) > 1:
        raise WorkbenchError(f"{asked[0]} measures something else than {asked[1]}.")
    if threshold is not None and not discovery:
        raise WorkbenchError("--threshold goes with --discovery.")
    given = {"--device": device, "--device-map": device_map, "--dtype": dtype}
    for mode in asked:
        for name in UNHEEDED.get(mode, ()):
            if given[name] is not None:
                raise WorkbenchError(f"{name} does not go with {mode}, which chooses by itself.")
    if gpu_report is not None:
        from workbench.benchmarks.gpu_report import write_gpu_report

        with console.ProgressLine() as progress:
            write_gpu_report(model, gpu_report, rounds=rounds, progress=progress)
        output.line(f"Written to {shown_path(gpu_report)}.")
        return
    rounds = min(rounds, QUICK) if quick else rounds
    with console.ProgressLine() as progress:
        if discovery:
            from workbench.benchmarks.discovery import measure_discovery

            figures = measure_discovery(
                model,
                task,
                pairs=pairs or 16,
                seed=seed,
                device=device,
                device_map=device_map,
                dtype=dtype,
                rounds=rounds,
                threshold=threshold,
                progress=progress,
            )
        elif assessment:
            from workbench.benchmarks.assessment import measure_assessment

            figures = measure_assessment(
                model,
                task,
                pairs=pairs or 16,
                seed=seed,
                device=device,
                device_map=device_map,
                dtype=dtype,
                progress=progress,
            )
        elif by_role:
            from workbench.benchmarks.by_role import measure_by_role

            figures = measure_by_role(
                model,
                task,
                pairs=pairs or 16,
                seed=seed,
                device=device,
                device_map=device_map,
                dtype=dtype,
                rounds=rounds,
                progress=progress,
            )
        elif start:
            from workbench.benchmarks.start import measure_start

            figures = measure_start(
                model, task, pairs=pairs or 16, rounds=rounds, progress=progress
            )
        elif app_:
            from workbench.benchmarks.whole_app import measure_in_app

            figures = measure_in_app(
                model,
                task,
                pairs=pairs or 16,
                device=device,
                rounds=rounds,
                progress=progress,
            )
        else:
            from workbench.benchmarks.engine import measure

            figures = measure(
                model,
                task,
                pairs=pairs or 32,
                seed=seed,
                device=device,
                device_map=device_map,
                dtype=dtype,
                rounds=rounds,
                long=long,
                progress=progress,
            )
    if as_json:
        output.as_json(figures.to_json())
    else:
        for line in figures.lines():
            output.line(line)
