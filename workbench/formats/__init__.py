"""Circuit files in the formats of the catalogue, told apart by what is in them.

pydantic and networkx are imported when a file is read or written and not before, since the first
screen should not wait for them.
"""

from __future__ import annotations

import os

from workbench.base.read_json import read_json, read_text
from workbench.base.text import shown_path
from workbench.base.write_file import write_whole
from workbench.circuits.circuit import Circuit
from workbench.circuits.graph import Graph
from workbench.errors import WorkbenchError
from workbench.formats.catalogue import FORMATS, find_format, format_of, text_format

__all__ = ["FORMATS", "convert_circuit", "load_circuit", "losses", "save_circuit"]


def load_circuit(path: str | os.PathLike[str], graph: Graph | None = None) -> Circuit:
    """Read a circuit file of any format of the catalogue.

    Args:
        graph: the graph of the model it is to be used with; None takes the shape from the file.

    Raises:
        WorkbenchError: one sentence on what is wrong with the file, or that it is of another model.
    """
    known = text_format(os.path.splitext(os.fspath(path))[1])
    document = read_json(path) if known is None else read_text(path)
    try:
        known = known or format_of(document)
        if known is None:
            raise WorkbenchError("It is JSON, but no circuit file of Circuit Workbench or EAP-IG.")
        circuit = known.circuit_of(document)
        if graph is not None and circuit.graph != graph:
            raise WorkbenchError(
                f"It is a circuit of another model, one with {_shape(circuit.graph)}, while "
                f"this one has {_shape(graph)}."
            )
    except WorkbenchError as error:
        raise WorkbenchError(f"{document.shown} cannot be used: {_lower(str(error))}") from None
    except MemoryError:
        raise WorkbenchError(f"There is not enough memory to read {document.shown}.") from None
    return circuit


def save_circuit(circuit: Circuit, path: str | os.PathLike[str], format: str = "circuit") -> None:
    """Write a circuit file, whole or not at all. `losses` says what a format leaves out.

    Args:
        format: "circuit" (ours, with everything known), "eap-ig", or that of a plug-in.

    Raises:
        WorkbenchError: it could not be written; whatever stood there before is as it was.
    """
    known = find_format(format)
    try:
        text = known.text_of(circuit)
    except WorkbenchError as error:
        raise WorkbenchError(f"{shown_path(path)} was not written: {_lower(str(error))}") from None
    write_whole(path, text)


def convert_circuit(
    in_path: str | os.PathLike[str], out_path: str | os.PathLike[str], format: str = "circuit"
) -> tuple[str, ...]:
    """Read a circuit file of any format and write it in this one; returns its `losses`.

    Raises:
        WorkbenchError: the one could not be read or the other not be written.
    """
    find_format(format)
    circuit = load_circuit(in_path)
    save_circuit(circuit, out_path, format)
    return losses(circuit, format)


def losses(circuit: Circuit, format: str) -> tuple[str, ...]:
    """One sentence on each thing that this format cannot hold of this circuit."""
    return find_format(format).lost(circuit)


def _shape(graph: Graph) -> str:
    parallel = ", attention and MLP in parallel" if graph.parallel else ""
    return f"{graph.n_layers} layers of {graph.n_heads} heads{parallel}"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
