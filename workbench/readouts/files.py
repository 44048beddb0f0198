"""A readout as a file: its plot, or a table of all its values, as the file's name says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.base.table import FORMATS
from workbench.base.text import shown_path
from workbench.base.write_file import check_target, write_bytes
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.readouts.shapes import BuiltIn, Shape

PLOTS = (".svg", ".pdf", ".png")
TABLES = {suffix: write for _, suffix, write in FORMATS.values()}


def check_readout_file(path: str | os.PathLike[str]) -> None:
    """Refuse a path before what goes there is computed.

    Raises:
        WorkbenchError: its name says no format, or no file can come to be there.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (*PLOTS, *TABLES):
        raise WorkbenchError(
            f"The name {shown_path(path)} says no format: end it in {', '.join(PLOTS)} for a plot "
            f"or in {', '.join(TABLES)} for a table."
        )
    check_target(path)


def write_readout(result: Shape | BuiltIn, path: str | os.PathLike[str]) -> None:
    """Write a readout's plot or table.

    Raises:
        WorkbenchError: as of `check_readout_file`, or there is nothing to plot.
    """
    check_readout_file(path)
    suffix = Path(path).suffix.lower()
    if suffix in TABLES:
        from workbench.readouts.tables import table_of

        write_bytes(path, TABLES[suffix](table_of(result)).encode("utf-8", "replace"))
        return
    from workbench.readouts.plots import plot_of

    drawing = plot_of(result)
    if drawing is None:
        raise WorkbenchError(
            "This readout is a table of words, which has no plot: write a table, such as .csv."
        )
    write_bytes(path, drawing.file(suffix.removeprefix(".")))
