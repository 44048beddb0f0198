"""`workbench sweep`: the exact effects of edges, headless."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.base.table import FORMATS
from workbench.cli import console, output
from workbench.cli.checks import check_circuit, read_circuit
from workbench.cli.interrupt import first_interrupt
from workbench.cli.options import Json, Selecting, experiment_options, selecting_options
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings

if TYPE_CHECKING:
    from workbench.engine.edge_sweep import EdgeSweep

TABLES = {suffix: write for _, suffix, write in FORMATS.values()}


@experiment_options()
@selecting_options
def sweep(
    into: Annotated[
        list[str] | None,
        typer.Option(
            "--into", metavar="NODE", help="Edges into this node, or input a1.h0<q>. [default: all]"
        ),
    ] = None,
    out_of: Annotated[
        list[str] | None,
        typer.Option("--out-of", metavar="NODE", help="Edges out of this node. [default: all]"),
    ] = None,
    setting: Annotated[
        Literal["full", "along", "within"],
        typer.Option(help="In the full model, along the circuit, or within the circuit."),
    ] = "full",
    together: Annotated[
        bool, typer.Option("--together", help="A head's q, k and v as one candidate.")
    ] = False,
    by_role: Annotated[
        bool, typer.Option("--by-role", help="Each edge at every token role, as m0->a1.h0<k>@S1.")
    ] = False,
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A circuit file, for along and within.")
    ] = None,
    top: Annotated[
        int, typer.Option(min=0, help="List so many; files and --json have all. 0: all.")
    ] = 20,
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="A table: .csv, .tsv, .md or .tex."),
    ] = None,
    *,
    settings: ExperimentSettings,
    selection: Selecting,
    as_json: Json = False,
) -> int:
    """Sweep over edges: what corrupting each one does to the metric, exactly.

    Ctrl-C stops it; what is computed by then is told. `workbench sweep FILE.toml` is
    `workbench grid FILE.toml`: a sweep over models, tasks, methods and more.
    """
    # What costs nothing to find out comes before what takes seconds.
    from workbench.base.write_file import check_target, write_bytes

    settings = settings.checked()
    if setting != "full" and circuit is None:
        raise WorkbenchError(f"The setting {setting} refers to a circuit: --circuit FILE.")
    if by_role and together:
        raise WorkbenchError("Sweep either --together or --by-role, not both.")
    if circuit is not None:
        check_circuit(circuit, selection)
    elif selection is not None:
        raise WorkbenchError("--edges, --nodes, --select and --signed go with --circuit FILE.")
    if out is not None:
        if out.suffix.lower() not in TABLES:
            raise WorkbenchError(f"End the table's name in {', '.join(TABLES)}, not {out.name}.")
        check_target(out)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.base.failures import memory_errors
        from workbench.engine.edge_sweep import sweep_edges
        from workbench.experiment.prepare import NO_MEMORY, prepare

        model = settings.load_model(progress)
        chosen = None if circuit is None else read_circuit(circuit, selection, model.graph)
        experiment = prepare(model, settings.task, settings, progress)
        with memory_errors(NO_MEMORY), first_interrupt() as cancel:
            found = sweep_edges(
                experiment,
                into or (),
                out_of or (),
                setting=setting,
                circuit=chosen,
                together=together,
                by_role=by_role,
                progress=lambda fraction: progress("Corrupting edge by edge", fraction),
                cancel=cancel,
            )
    written = []
    if out is not None:
        write_bytes(out, TABLES[out.suffix.lower()](found.table()).encode("utf-8", "replace"))
        written = [str(out)]
    if as_json:
        told = {name: getattr(found, name) for name in ("setting", "metric", "clean", "corrupted")}
        told |= {"definition": found.definition, "complete": found.complete}
        rows = [vars(row) for row in found.rows]
        output.as_json(told | {"edges": rows, "written": written, "warnings": console.warned()})
    else:
        _report(found, top or len(found.rows), written)
    if found.complete:
        return 0
    console.say(
        f"workbench: interrupted after {len(found.rows):,} of {found.n_edges:,} edges; what was "
        "computed by then is told."
    )
    return console.EXIT_INTERRUPTED


def _report(found: EdgeSweep, top: int, written: list[str]) -> None:
    shown = found.rows[:top]
    width = max((len(row.edge) for row in shown), default=4)
    for row in shown:
        kept = "kept" if row.kept == 1 else "part" if row.kept else ""
        output.line(f"{row.edge:<{width}}  {row.effect:>+12.6g}  {kept}".rstrip())
    if len(found.rows) > top:
        output.line(f"and {len(found.rows) - top:,} more")
    output.line(f"metric  {found.metric}: clean {found.clean:.6g}, corrupted {found.corrupted:.6g}")
    output.line(found.definition)
    for path in written:
        output.line(f"written {path}")
