"""Circuit files in the formats of the catalogue, told apart by what is in them.

pydantic, networkx and torch are imported when a file is read or written that needs them and not
before, since the first screen should not wait for them.
"""

from __future__ import annotations

import os
from dataclasses import replace

from workbench.base.home import without_home
from workbench.base.text import shown_path
from workbench.base.write_file import write_bytes, write_whole
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats.catalogue import FORMATS, NeedsGraph, find_format
from workbench.formats.targets import form_of

__all__ = [
    "FORMATS",
    "NeedsGraph",
    "convert_circuit",
    "load_circuit",
    "losses",
    "save_circuit",
]


def load_circuit(path: str | os.PathLike[str], graph: Graph | None = None) -> Circuit:
    """Read a circuit file of any format of the catalogue, or a folder that holds one.

    What comes back is what the file says. If it has scores and no choice, as MIB's importances
    have, no edge is kept: `workbench.formats.chosen.load_chosen` selects from the scores.

    Args:
        graph: the graph of the model it is to be used with; None takes the shape from the file.

    Raises:
        NeedsGraph: the file does not say of which model it is, and no graph was given.
        WorkbenchError: one sentence on what is wrong with the file, or that it is of another model.
    """
    from workbench.formats.opening import opened, unusable

    document, known = opened(path)
    try:
        circuit = known.circuit_of(document, graph)
        if graph is not None and circuit.graph != graph:
            raise WorkbenchError(
                f"It is a circuit of another model, one with {_shape(circuit.graph)}, while "
                f"this one has {_shape(graph)}."
            )
    except NeedsGraph:
        raise NeedsGraph(document.shown) from None
    except WorkbenchError as error:
        raise unusable(document.shown, error) from None
    except MemoryError:
        raise WorkbenchError(f"There is not enough memory to read {document.shown}.") from None
    return circuit


def save_circuit(circuit: Circuit, path: str | os.PathLike[str], format: str = "circuit") -> None:
    """Write a circuit file, whole or not at all. `losses` says what a format leaves out.

    Paths in what is known of it are written without the home folder, see `base.home`.

    Args:
        format: "circuit" (ours, with everything known), another of the catalogue that is written,
            or that of a plug-in.

    Raises:
        WorkbenchError: it could not be written; whatever stood there before is as it was.
    """
    known = find_format(format)
    try:
        circuit = replace(circuit, provenance=without_home(circuit.provenance))
        content = known.text_of(circuit)
    except RecursionError:
        raise WorkbenchError(
            f"{shown_path(path)} was not written: what is known of it is nested too deeply."
        ) from None
    except WorkbenchError as error:
        sentence = str(error)
        raise WorkbenchError(
            f"{shown_path(path)} was not written: {sentence[:1].lower()}{sentence[1:]}"
        ) from None
    if isinstance(content, bytes):
        write_bytes(path, content)
    else:
        write_whole(path, content)


def convert_circuit(
    in_path: str | os.PathLike[str],
    out_path: str | os.PathLike[str],
    format: str | None = None,
    graph: Graph | None = None,
) -> tuple[str, ...]:
    """Read a circuit file of any format and write it in this one; returns its `losses`.

    Args:
        format: None for the one whose files have the suffix of `out_path`.
        graph: of the model, for a file that does not say it.

    Raises:
        WorkbenchError: the one could not be read or the other not be written.
    """
    format = form_of(out_path, format)
    circuit = load_circuit(in_path, graph)
    save_circuit(circuit, out_path, format)
    return losses(circuit, format)


def losses(circuit: Circuit, format: str) -> tuple[str, ...]:
    """One sentence on each thing that this format cannot hold of this circuit."""
    return find_format(format).lost(circuit)


def _shape(graph: Graph) -> str:
    parallel = ", attention and MLP in parallel" if graph.parallel else ""
    return f"{graph.n_layers} layers of {graph.n_heads} heads{parallel}"
