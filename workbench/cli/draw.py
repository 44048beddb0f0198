"""`workbench draw`: a circuit's graph as a picture, or for tools that draw graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.cli import output
from workbench.cli.options import CircuitPath, Json, Selecting, selecting_options


@selecting_options
def draw(
    circuit: CircuitPath,
    out: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it: .svg, .pdf, .png, "
                     ".dot or .graphml."),
    ],
    selection: Selecting,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME",
                     help="svg, pdf, png, dot or graphml. [default: what the file's name says]"),
    ] = None,
    groups: Annotated[
        Literal["colour", "boxes", "none"],
        typer.Option(help="Nodes in the colour of their group, a box for each group with its role, "
                     "or no groups."),
    ] = "colour",
    width: Annotated[
        float | None,
        typer.Option(help="In cm. [default: a column, 8.5, or a page, 17.4, for a large circuit]"),
    ] = None,
    key: Annotated[
        bool, typer.Option("--key/--no-key", help="Say below what lines and colours mean.")
    ] = True,
    title: Annotated[str, typer.Option(help="A title above the picture.")] = "",
    notes: Annotated[
        bool, typer.Option("--notes", help="List the notes on nodes and edges below it.")
    ] = False,
    strongest: Annotated[
        int, typer.Option(min=0, help="How many edges to draw in full; weaker ones are hairlines.")
    ] = 300,
    dpi: Annotated[int, typer.Option(help="Dots per inch of a PNG.")] = 300,
    by_position: Annotated[
        bool, typer.Option("--by-position", help="Token roles as columns: nodes stand at those "
                           "where they write.")
    ] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Draw a circuit: layers as rows, widths by score, groups with their roles."""
    from workbench.cli.checks import read_circuit, warn_of_empty
    from workbench.pictures.draw import check_picture, picture_of
    from workbench.pictures.settings import DrawingSettings

    # What costs nothing to find out comes first.
    settings = DrawingSettings(groups, width, key, title, notes, strongest, dpi, by_position)
    form = check_picture(out, format_)
    from workbench.base.write_file import write_bytes

    drawn = read_circuit(circuit, selection)
    warn_of_empty(drawn, circuit)
    write_bytes(out, picture_of(drawn, form, settings))
    if as_json:
        output.result_as_json(
            {
                "written": str(out),
                "format": form,
                "nodes": len(drawn.nodes()),
                "edges": drawn.n_edges,
                "groups": len(drawn.groups),
            }
        )
    else:
        output.line(str(out))
