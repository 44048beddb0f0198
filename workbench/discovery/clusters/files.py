"""The folder that clusters' circuits are written to. Importing this loads no torch."""

from __future__ import annotations

import os
import re
from pathlib import Path

from workbench.base.ledger import is_kept
from workbench.errors import WorkbenchError

FILE = "cluster-{}.json"
"""A cluster's circuit file; clusters are counted from 1 where people read."""
_OURS = re.compile(r"cluster-\d+\.json|\.workbench-.*\.tmp")


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Whether circuits can be written there without touching what is there already.

    A job that was killed while it wrote them writes them again.

    Raises:
        WorkbenchError: it is a file, or a folder with something in it.
    """
    path = Path(folder)
    if not path.exists():
        return
    inside = [one.name for one in path.iterdir()] if path.is_dir() else [path.name]
    if is_kept() and path.is_dir():
        inside = [name for name in inside if not _OURS.fullmatch(name)]
    if inside:
        raise WorkbenchError(f"There is something in {folder}: name a new folder.")
