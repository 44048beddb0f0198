"""What was found over checkpoints as a file: a plot or a table, as the file's name says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from workbench.base.write_file import write_bytes
from workbench.checkpoints.results import AtCheckpoint, table_of
from workbench.readouts.files import TABLES, check_readout_file


def write_checkpoints(rows: Sequence[AtCheckpoint], path: str | os.PathLike[str]) -> None:
    """Write what `over_checkpoints` gave.

    Args:
        path: `.svg`, `.pdf` or `.png` for a plot; `.csv`, `.tsv`, `.md` or `.tex` for a table.

    Raises:
        WorkbenchError: the name says no format, or the file cannot be written.
    """
    check_readout_file(path)
    suffix = Path(path).suffix.lower()
    if suffix in TABLES:
        write_bytes(path, TABLES[suffix](table_of(rows)).encode("utf-8", "replace"))
        return
    from workbench.checkpoints.plots import plot_of

    write_bytes(path, plot_of(rows).file(suffix.removeprefix(".")))
