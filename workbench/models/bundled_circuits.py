"""The true circuits that models of ours bring along. No torch."""

from __future__ import annotations

from pathlib import Path

from workbench.base.home import meant_path
from workbench.errors import WorkbenchError
from workbench.models.bundled import BundledModel
from workbench.models.source import SHORT_NAMES


def truth(model: str, task: str) -> Path | None:
    """The file with a model's true circuit for a task, if the model brings one along."""
    short = SHORT_NAMES.get(model)
    if isinstance(short, BundledModel) and short.circuit_of == task:
        return short.circuit
    return None


def find_reference(name: str) -> Path:
    """The circuit file that a name stands for: a model's true circuit, else the file itself.

    Args:
        name: the short name of a model that brings its true circuit along, or a path.

    Raises:
        WorkbenchError: a model of that name brings none along, or is damaged.
    """
    if name not in SHORT_NAMES:
        return meant_path(name)
    short = SHORT_NAMES[name]
    if not isinstance(short, BundledModel) or short.circuit_of is None:
        raise WorkbenchError(
            f"The true circuit of the model {name} is not known; name a circuit file."
        )
    short.checked_folder  # noqa: B018 - says so if the file is missing or damaged
    if short.circuit is None:
        raise WorkbenchError(f"The model {name} came without its circuit; name a circuit file.")
    return short.circuit
