"""`workbench readout`: what a component writes or reads, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from workbench.cli import console, output
from workbench.cli.checks import check_circuit, pair_index, read_circuit
from workbench.cli.options import (
    Json,
    PlotFile,
    Selecting,
    experiment_options,
    selecting_options,
)
from workbench.errors import WorkbenchError
from workbench.experiment.settings import ExperimentSettings
from workbench.readouts.catalogue import READOUTS, find_readout
from workbench.readouts.files import check_readout_file, write_readout

if TYPE_CHECKING:
    from workbench.readouts.shapes import Grid, Shape

DIGITS = 4
"""Digits of every number in the table."""


@experiment_options(optional=True)
@selecting_options
def readout(
    name: Annotated[
        str, typer.Option("--readout", "-r", help="One of --list, or FILE.py:NAME.")
    ] = "lens",
    list_: Annotated[bool, typer.Option("--list", help="List the readouts instead.")] = False,
    node: Annotated[
        str | None, typer.Option(help="Of which node, such as a5.h1, where it is of one.")
    ] = None,
    position: Annotated[
        int, typer.Option(help="Which token: from the end if negative, else from the start.")
    ] = -1,
    role: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="Read the last token of this role instead: S2."),
    ] = None,
    pair: Annotated[
        int | None, typer.Option(min=1, help="Of which pair, from 1. [default: the mean over all]")
    ] = None,
    run: Annotated[
        Literal["clean", "corrupted", "clean-corrupted", "circuit", "circuit-clean"] | None,
        typer.Option(
            help="Of which prompts, or of the circuit; or the difference of two. [default: clean]"
        ),
    ] = None,
    circuit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A circuit file, for --run circuit.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOKEN", help="Ask about this token (or #ID) in place of the answers."
        ),
    ] = None,
    distractor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TOKEN",
            help="Against this one. [default: the wrong answers; of a target, all tokens' mean]",
        ),
    ] = None,
    way: Annotated[
        str | None,
        typer.Option(
            help="Of ov and qk: what stands for a token, as --list says. [default: first]"
        ),
    ] = None,
    distance: Annotated[
        int | None,
        typer.Option(help="Of qk: how many positions before the query a key stands. [default: 1]"),
    ] = None,
    through: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Read through a Jacobian lens: its file, or `own`, the one beside the weights.",
        ),
    ] = None,
    direction: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="Of which direction: FILE[:NAME][:ROW], embed:TOKEN or unembed:TOKEN.",
        ),
    ] = None,
    by: Annotated[
        Literal["probability", "rank"] | None,
        typer.Option(help="What the lens map's colour is of. [default: probability]"),
    ] = None,
    out: PlotFile = None,
    *,
    settings: ExperimentSettings,
    selection: Selecting,
    as_json: Json = False,
) -> None:
    """Read what a component writes: its logit lens, its attention, and more."""
    if list_:
        _list(as_json)
        return
    if not settings.model or not settings.task:
        raise WorkbenchError(
            "Name a model and a task: workbench readout MODEL TASK --readout lens --node m0 "
            "(workbench readout --list shows the readouts)."
        )
    # What costs nothing to find out comes before what takes seconds.
    entry = find_readout(name)
    if entry.by_node and node is None:
        raise WorkbenchError(f"The readout {entry.name} is of a node: name one with --node.")
    if distance is not None and entry.name != "qk":
        raise WorkbenchError("--distance goes with --readout qk.")
    if entry.directed and direction is None:
        raise WorkbenchError(
            f"The readout {entry.name} is of a direction: name one with --direction."
        )
    settings = settings.checked()
    run = run or cast(Any, entry.runs[0])
    if "circuit" in run and circuit is None:
        raise WorkbenchError(f"Name the circuit's file for --run {run}: --circuit FILE.")
    if circuit is not None:
        if "circuit" not in run:
            raise WorkbenchError("--circuit FILE goes with --run circuit or circuit-clean.")
        check_circuit(circuit, selection)
    if role is not None and position != -1:
        raise WorkbenchError("Name a --position or a --role, not both.")
    if role is not None and not entry.by_position:
        raise WorkbenchError(
            f"The readout {entry.name} is of no single position: leave out --role."
        )
    if out is not None:
        check_readout_file(out)
    with console.ProgressLine() as progress:
        progress("Starting", None)
        from workbench.experiment.interventions import interventions_of
        from workbench.experiment.prepare import prepare
        from workbench.readouts.catalogue import read_out
        from workbench.readouts.circuit_runs import InCircuit
        from workbench.readouts.results import AnswerCurve, Lens
        from workbench.readouts.shapes import shape_of, to_json
        from workbench.readouts.target import find_target

        model = settings.load_model(progress)
        chosen = None if circuit is None else read_circuit(circuit, selection, model.graph)
        done = () if chosen is None else interventions_of(chosen)
        experiment = prepare(model, settings.task, settings, progress, done)
        index = pair_index(pair, experiment.n_pairs)
        asked = find_target(experiment.batch, target or (), distractor or (), pair=index)
        found = read_out(
            experiment,
            entry.name,
            node,
            position=position if role is None else role,
            pair=index,
            run=run if chosen is None else InCircuit(chosen, less_clean=run != "circuit"),
            target=asked,
            way=way,
            **({} if distance is None else {"distance": distance}),
            through=through,
            by=by,
            direction=direction,
        )
        shape = shape_of(found)
        if out is not None:
            progress("Writing", None)
            write_readout(found, out)
    if as_json:
        about: dict[str, object] = {} if asked is None else {"target": asked.words}
        if asked is not None and isinstance(found, Lens):
            about |= {"answers": found.answers, "wrong_answers": found.wrong_answers}
        about |= {"probabilities": found.probabilities} if isinstance(found, AnswerCurve) else {}
        output.result_as_json({"readout": entry.name, **about, **to_json(shape)})
    else:
        _report(shape)


def _list(as_json: bool) -> None:
    if as_json:
        output.as_json([vars(entry) for entry in READOUTS.values()])
        return
    for entry in READOUTS.values():
        output.line(f"{entry.name}  {entry.help}")
        needs = [
            word for word, of in (("node", entry.by_node), ("position", entry.by_position)) if of
        ]
        if needs:
            output.line(f"  of a {' and a '.join(needs)}")
        if entry.ways:
            output.line(f"  --way {', '.join(map(repr, entry.ways))}")
        if READOUTS.is_foreign(entry.name):
            output.line(f"  comes from {READOUTS.source(entry.name)}")


def _report(shape: Shape) -> None:
    from workbench.readouts.shapes import Grid, Ranking, Series

    output.line(shape.title)
    if isinstance(shape, Ranking):
        _table(("", shape.unit), [(name, _number(value)) for name, value in shape.values])
    elif isinstance(shape, Series):
        pairs = zip(shape.labels, shape.values, strict=True)
        _table(("", shape.unit), [(label, _number(value)) for label, value in pairs])
    elif isinstance(shape, Grid):
        _table(("", *shape.columns), _grid_rows(shape))
    else:
        _table(shape.columns, shape.rows)
    if shape.definition:
        output.line(shape.definition)


def _grid_rows(grid: Grid) -> list[tuple[str, ...]]:
    import numpy as np

    values = np.asarray(grid.values, dtype=np.float64)
    numbers = [[_number(float(value)) for value in row] for row in values]
    if grid.texts:
        numbers = [
            [f"{text!r} {number}" for text, number in zip(texts, row, strict=True)]
            for texts, row in zip(grid.texts, numbers, strict=True)
        ]
    return [(token, *row) for token, row in zip(grid.rows, numbers, strict=True)]


def _number(value: float) -> str:
    return f"{value:.{DIGITS}g}"


def _table(
    head: tuple[str, ...], rows: list[tuple[str, ...]] | tuple[tuple[str, ...], ...]
) -> None:
    shown = [head, *rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    for row in shown:
        texts = (text.ljust(cells) for text, cells in zip(row, widths, strict=True))
        output.line("  " + "  ".join(texts).rstrip())
