"""What can be said of a request before anything is loaded for it. No torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.circuits.circuit import Circuit


def check_circuit(path: Path) -> None:
    """Refuse a circuit file that cannot be read.

    Raises:
        WorkbenchError: what is wrong with it.
    """
    from workbench.formats import load_circuit

    load_circuit(path)


def warn_of_other_model(circuit: Circuit, model: str) -> None:
    """Warn where a circuit says that it was found in a model of another name."""
    about = circuit.provenance.get("model")
    name = about.get("name") if isinstance(about, dict) else None
    if isinstance(name, str) and name and Path(name).name != Path(model).name:
        warnings.warn(
            f"the circuit was found in the model {name} and is evaluated in {model}.", stacklevel=2
        )
