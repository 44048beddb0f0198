"""`workbench convert` and `workbench compare`: circuit files without a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import console, output
from workbench.cli.options import CircuitPath, Json, Selecting, selecting_options
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.circuits.graph import Graph

_SHAPE = re.compile(r"([0-9]{1,4})x([0-9]{1,4})(,parallel)?")


@selecting_options
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A circuit file, or its folder.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write it.")],
    selection: Selecting,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="The format to write, by its name in docs/files.md, or a plug-in's. [default: "
            "that of OUT's suffix]",
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            metavar="LAYERSxHEADS",
            help="Of the model, for a file that does not say: 12x12, or 6x8,parallel.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a circuit file in another format."""
    from workbench.cli.checks import read_circuit
    from workbench.formats import load_circuit, losses, save_circuit
    from workbench.formats.targets import form_of

    format_ = form_of(target, format_)
    graph = _graph(shape)
    if selection is None:
        circuit = load_circuit(source, graph)
    else:
        circuit = read_circuit(source, selection, graph)
    save_circuit(circuit, target, format_)
    lost = losses(circuit, format_)
    for sentence in lost:
        console.warn(sentence)
    if as_json:
        output.result_as_json({"written": str(target), "format": format_, "lost": list(lost)})
    else:
        output.line(str(target))


@selecting_options
def compare(
    circuit: CircuitPath,
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="A circuit file, or a model that brings its true circuit along (known).",
        ),
    ],
    selection: Selecting,
    as_json: Json = False,
) -> None:
    """Compare a circuit with a reference: which edges are missing, which are extra."""
    from workbench.circuits.comparison import compare as compared
    from workbench.circuits.comparison import compare_at_roles
    from workbench.cli.checks import read_circuit
    from workbench.formats import NeedsGraph
    from workbench.formats.chosen import load_chosen
    from workbench.models.bundled_circuits import find_reference

    path = find_reference(reference)
    try:
        mine = read_circuit(circuit, selection)
        other = load_chosen(path, mine.graph)
    except NeedsGraph:
        other = load_chosen(path)
        mine = read_circuit(circuit, selection, other.graph)
    comparison = compared(mine, other)
    at_roles = compare_at_roles(mine, other, comparison.edges)
    if as_json:
        output.result_as_json(
            {
                "circuit": str(circuit),
                "reference": str(path),
                "edges": comparison.edges.to_json(),
                "nodes": comparison.nodes.to_json(),
                "neurons": {
                    mlp: {"circuit": mine_kept, "reference": other_kept}
                    for mlp, (mine_kept, other_kept) in comparison.neurons.items()
                },
                "roles": {
                    edge: {"circuit": mine_at, "reference": other_at}
                    for edge, (mine_at, other_at) in comparison.roles.items()
                },
                "at_roles": None if at_roles is None else at_roles.to_json(),
            }
        )
    else:
        output.comparison_as_text(comparison, at_roles)


def _graph(shape: str | None) -> Graph | None:
    """The graph of a shape like 12x12.

    Raises:
        WorkbenchError: it is written in another way, or too large.
    """
    if shape is None:
        return None
    from workbench.circuits.edge_arrays import graph_of_shape

    found = _SHAPE.fullmatch(shape.strip())
    if found is None:
        raise WorkbenchError(
            f"The shape {shape[:40]!r} is not layers x heads: write 12x12, or 6x8,parallel."
        )
    return graph_of_shape(int(found[1]), int(found[2]), found[3] is not None)
