"""What can be said of a request before anything is loaded for it. No torch."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.base.text import shown_path
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit
    from workbench.circuits.graph import Graph
    from workbench.formats.chosen import FileSelection


def pair_index(pair: int | None, n_pairs: int) -> int | None:
    """The index of a pair from its number: people count from 1, scripts from 0.

    Raises:
        WorkbenchError: the task has no such pair.
    """
    if pair is not None and pair > n_pairs:
        raise WorkbenchError(f"There is no pair {pair}; the task has {n_pairs}.")
    return None if pair is None else pair - 1


def check_circuit(path: Path, selection: FileSelection | None = None) -> None:
    """Refuse a circuit file that cannot be read, or that chooses nothing.

    Raises:
        WorkbenchError: what is wrong with it.
    """
    from workbench.formats import NeedsGraph
    from workbench.formats.chosen import load_chosen

    with suppress(NeedsGraph):  # it is read once the model is known
        load_chosen(path, None, selection)


def read_circuit(
    path: Path, selection: FileSelection | None = None, graph: Graph | None = None
) -> Circuit:
    """The circuit of a file; told on stderr where it was selected from the file's scores.

    Raises:
        NeedsGraph: the file does not say of which model it is, and no graph was given.
        WorkbenchError: what is wrong with it, or that it chooses nothing.
    """
    from workbench.cli.console import say
    from workbench.formats.chosen import load_chosen

    return load_chosen(path, graph, selection, lambda told: say(f"workbench: {told}"))


def warn_of_empty(circuit: Circuit, path: Path) -> None:
    """Warn where a file's circuit keeps no edge and is closed: it is the corrupted run."""
    if not circuit.mask.any() and not circuit.open:
        warnings.warn(
            f"the circuit in {shown_path(path)} keeps no edge: it is the corrupted run.",
            stacklevel=2,
        )


def warn_of_other_model(circuit: Circuit, model: str) -> None:
    """Warn where a circuit says that it was found in a model of another name."""
    about = circuit.provenance.get("model")
    name = about.get("name") if isinstance(about, dict) else None
    if isinstance(name, str) and name and Path(name).name != Path(model).name:
        warnings.warn(
            f"the circuit was found in the model {name} and is evaluated in {model}.", stacklevel=2
        )
