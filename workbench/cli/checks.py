"""What can be said of a request before anything is loaded for it. No torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError

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


def find_session(name: str | None) -> Path:
    """The journal of a session.

    Args:
        name: its path, or the beginning of its file's name; None: the latest.

    Raises:
        WorkbenchError: there is none, or several begin so.
    """
    from workbench.session.journals import list_sessions

    if name is not None and Path(name).expanduser().is_file():
        return Path(name).expanduser()
    sessions = list_sessions()
    if not sessions:
        raise WorkbenchError(
            "There is no session yet: begin one with `workbench open MODEL --task TASK`."
        )
    if name is None:
        return sessions[0].path
    found = [session.path for session in sessions if session.path.stem.startswith(name)]
    if len(found) == 1:
        return found[0]
    raise WorkbenchError(
        f"{'No session begins' if not found else f'{len(found)} sessions begin'} with {name!r}: "
        "`workbench resume --list` shows them all."
    )
