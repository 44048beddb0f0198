"""A folder that stands for a circuit: MIB's, and InterpBench's.

MIB's own runs write `METHOD_ABLATION_LEVEL/TASK_MODEL/importances.json` (or `.pt`). A submission
has one folder for each task and model, with one file of importances in it, or with one circuit for
each of nine sizes. InterpBench's folders hold a model with its `edges.pkl`.
"""

from __future__ import annotations

from pathlib import Path

from workbench.base.text import shown_path
from workbench.errors import WorkbenchError

SUFFIXES = (".json", ".pt")
NAMES = ("importances.json", "importances.pt", "edges.pkl", "edges.json", "circuit.json")
"""What a folder's circuit is called, the surest name first."""

MOST_LOOKED_AT = 1000
SHOWN = 3


def file_in(folder: Path) -> Path:
    """The circuit file that a folder holds.

    Raises:
        WorkbenchError: it holds none, or several.
    """
    shown = shown_path(folder)
    try:
        inside = sorted(p for p, _ in zip(folder.iterdir(), range(MOST_LOOKED_AT), strict=False))
    except OSError as error:
        raise WorkbenchError(f"{shown} cannot be read: {error.strerror}.") from None
    files = {path.name: path for path in inside if path.is_file()}
    for name in NAMES:
        if name in files:
            return files[name]
    circuits = [path for path in files.values() if path.suffix in SUFFIXES]
    if len(circuits) == 1:
        return circuits[0]
    if circuits:
        raise WorkbenchError(
            f"{shown} is a folder with {len(circuits)} files that may be circuits, such as "
            f"{_some(circuits)}: name one of them."
        )
    folders = [path for path in inside if path.is_dir() and _holds_one(path)]
    if folders:
        raise WorkbenchError(
            f"{shown} is a folder with a circuit for each of {len(folders)} tasks and models, such "
            f"as {_some(folders)}: name one of them."
        )
    raise WorkbenchError(
        f"{shown} is a folder without a circuit file; name the circuit file in it."
    )


def _holds_one(folder: Path) -> bool:
    return any((folder / name).is_file() for name in NAMES)


def _some(paths: list[Path]) -> str:
    return ", ".join(shown_path(path.name) for path in paths[:SHOWN])
